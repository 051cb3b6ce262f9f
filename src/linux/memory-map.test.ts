import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { runCommand } from './child-process.ts';
import { mapFile, parseSmaps, readSmaps, readSmapsRollup } from './memory-map.ts';

const pageBytes = 4096;
const folder = mkdtempSync(path.join(os.tmpdir(), 'mapping-'));
const file = path.join(folder, 'file');
const sizeBytes = 8 << 20;
const fd = openSync(file, 'w+');
ftruncateSync(fd, sizeBytes);

after(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

test('a mapping shows what is written to the file later, without a copy', () => {
  using mapped = mapFile(fd, sizeBytes);
  assert.equal(mapped.bytes.length, sizeBytes);
  assert.equal(mapped.bytes[5000], 0);
  writeSync(fd, Buffer.from([42]), 0, 1, 5000);
  assert.equal(mapped.bytes[5000], 42);
});

test('a store through a writable mapping is in the file at once', () => {
  using mapped = mapFile(fd, sizeBytes, { write: true });
  mapped.bytes.set(Buffer.from('stored'), 70_000);
  const read = Buffer.alloc(6);
  readSync(fd, read, 0, 6, 70_000);
  assert.equal(read.toString(), 'stored');
});

test('another process sees it too', async () => {
  using mapped = mapFile(fd, sizeBytes, { write: true });
  mapped.bytes.set(Buffer.from('between processes'), 0);
  const { stdout } = await runCommand('head', ['-c', '17', file]);
  assert.equal(stdout, 'between processes');
});

test('a mapping may begin at any page of the file', () => {
  writeSync(fd, 'third', 2 * pageBytes);
  using mapped = mapFile(fd, pageBytes, { offsetBytes: BigInt(2 * pageBytes) });
  assert.equal(Buffer.from(mapped.bytes.subarray(0, 5)).toString(), 'third');
  assert.throws(() => mapFile(fd, pageBytes, { offsetBytes: 1n }), { code: 'EINVAL', syscall: 'mmap' });
});

test('after the end every array over the mapping is empty, and the address range is free', () => {
  const mapped = mapFile(fd, sizeBytes);
  const { bytes, address } = mapped;
  const part = new Uint8Array(bytes.buffer, 100, 100);
  assert.equal(readSmaps('self', address).path, file);
  mapped.unmap();
  mapped.unmap();
  assert.deepEqual([bytes.length, part.length, part[0]], [0, 0, undefined]);
  assert.equal(
    readSmaps('self').some((entry) => entry.path === file),
    false,
  );
});

test('a descriptor that does not allow it, or cannot be mapped, is refused', () => {
  const readOnly = openSync(file, 'r');
  const device = openSync('/proc/self/status', 'r');
  try {
    assert.throws(() => mapFile(readOnly, pageBytes, { write: true }), { code: 'EACCES' });
    assert.throws(() => mapFile(device, pageBytes), { code: /ENODEV|EIO/ });
    assert.throws(() => mapFile(readOnly, 0), { code: 'EINVAL' });
    assert.throws(() => mapFile(9999, pageBytes), { code: 'EBADF' });
  } finally {
    closeSync(readOnly);
    closeSync(device);
  }
});

test('touching a page makes it resident, and the kernel counts it', () => {
  const other = path.join(folder, 'touched');
  const otherFd = openSync(other, 'w+');
  ftruncateSync(otherFd, sizeBytes);
  using mapped = mapFile(otherFd, sizeBytes, { write: true });
  closeSync(otherFd);
  const before = readSmaps('self', mapped.address);
  assert.deepEqual([before.sizeBytes, before.rssBytes, before.permissions], [BigInt(sizeBytes), 0n, 'rw-s']);
  assert.equal(before.kernelPageSizeBytes, 4096n);
  assert.ok(before.vmFlags.includes('sh'));
  for (let offset = 0; offset < sizeBytes; offset += pageBytes) mapped.bytes[offset] = 1;
  const after = readSmaps('self', mapped.address);
  assert.equal(after.rssBytes, BigInt(sizeBytes));
  assert.equal(after.pssBytes, BigInt(sizeBytes));
});

test('collecting garbage after many mappings neither crashes nor frees foreign memory', () => {
  const script = `
    import { openSync } from 'node:fs';
    import { mapFile } from ${JSON.stringify(path.join(import.meta.dirname, 'memory-map.ts'))};
    const fd = openSync(process.argv[1], 'r');
    for (let round = 0; round < 300; round++) {
      const mapped = mapFile(fd, 4096);
      if (mapped.bytes.length !== 4096) throw new Error('short');
      mapped.unmap();
      if (round % 50 === 0) globalThis.gc();
    }
    // One that nobody unmaps: its view is collected, its pages stay.
    mapFile(fd, 4096);
    globalThis.gc();
    console.log('alive');
  `;
  const args = [
    '--expose-gc',
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '-e',
    script,
    file,
  ];
  const result = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(result.stdout, 'alive\n', `${result.signal} ${result.stderr}`);
});

test('smaps of the kernel is understood whole', () => {
  const entries = readSmaps('self');
  const lines = readFileSync('/proc/self/maps', 'utf8').trimEnd().split('\n').length;
  assert.ok(entries.length > 20 && Math.abs(entries.length - lines) < 20);
  for (const entry of entries)
    assert.equal(entry.sizeBytes, entry.endAddress - entry.startAddress, entry.path);
  assert.ok(entries.some((entry) => entry.path === '[stack]'));
});

test('the sums of a process are about those of its mappings', async () => {
  const rollup = readSmapsRollup('self');
  const sum = readSmaps('self').reduce((all, entry) => all + entry.pssBytes, 0n);
  assert.ok(rollup.pssBytes > 10n << 20n);
  assert.ok(sum > rollup.pssBytes / 2n && sum < rollup.pssBytes * 2n);
  assert.equal(rollup.path, '[rollup]');
});

test('a huge mapping of a DAX file is read as the kernel prints it', () => {
  const text = [
    '7f0000000000-7f0001000000 rw-s 00200000 fc:00 12                         /mnt/famfs/models/a b',
    'Size:              16384 kB',
    'KernelPageSize:     2048 kB',
    'MMUPageSize:        2048 kB',
    'Rss:                4096 kB',
    'Pss:                2048 kB',
    'Shared_Clean:       1024 kB',
    'Shared_Dirty:       3072 kB',
    'FilePmdMapped:      4096 kB',
    'SomethingNew:          1 kB',
    'VmFlags: rd wr sh mr mw me ms hg ',
    '',
  ].join('\n');
  const [entry] = parseSmaps(text);
  assert.equal(entry?.path, '/mnt/famfs/models/a b');
  assert.deepEqual([entry?.deviceMajor, entry?.deviceMinor, entry?.inode], [252, 0, 12n]);
  assert.deepEqual(
    [entry?.offsetBytes, entry?.mmuPageSizeBytes, entry?.filePmdMappedBytes],
    [0x200000n, 2097152n, 4194304n],
  );
  assert.deepEqual([entry?.pssBytes, entry?.sharedBytes, entry?.privateBytes], [2097152n, 4194304n, 0n]);
  assert.deepEqual(entry?.vmFlags.at(-1), 'hg');
});

test('text that is no smaps is refused, and an address without a mapping is an error', () => {
  assert.throws(() => parseSmaps('Size: 4 kB\n'), TypeError);
  assert.throws(() => parseSmaps('nonsense\n'), TypeError);
  assert.throws(() => readSmaps('self', 4096n), { code: 'EFAULT' });
  assert.throws(() => readSmaps(2 ** 22 + 1), { code: 'ENOENT' });
});
