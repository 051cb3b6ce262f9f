import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { directory, file, MemoryPool } from '../../test/memory-pool.ts';
import { DriverError } from '../errors.ts';
import { type LogSourceKind, openLogSource } from './log-source.ts';
import { PoolLog } from './pool-log.ts';

const entries = [directory('d'), file('d/f')];
const pool = new MemoryPool(entries);
const image = Buffer.concat([pool.superblockData, Buffer.alloc(0x200000 - 200), pool.log]);
let place = '';

beforeEach(() => {
  place = mkdtempSync(path.join(tmpdir(), 'famfs-log-source-'));
});

afterEach(() => {
  rmSync(place, { recursive: true });
});

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

async function assertReadable(where: string, kind: LogSourceKind): Promise<void> {
  const before = openDescriptors();
  const source = await openLogSource(where);
  const log = new PoolLog(source);
  await log.refresh();
  assert.equal(source.kind, kind);
  assert.deepEqual(log.entries, entries);
  assert.equal((await source.readLog(pool.log.length - 10, 100)).length, 10);
  log.close();
  assert.equal(openDescriptors(), before);
}

test('a device image is read, plain or gzipped', async () => {
  writeFileSync(path.join(place, 'image'), image);
  await assertReadable(path.join(place, 'image'), 'image');
});

test('a gzipped image is unpacked no further than its last entry', async () => {
  writeFileSync(path.join(place, 'image'), gzipSync(Buffer.concat([image, Buffer.alloc(64 << 20)])));
  const source = await openLogSource(path.join(place, 'image'));
  assert.equal(source.kind, 'packed image');
  const log = new PoolLog(source);
  await log.refresh();
  assert.deepEqual(log.entries, entries);
  const beyond = await source.readLog(0, 1 << 30);
  assert.ok(beyond.length < 1 << 20, `${beyond.length} bytes kept`);
});

test('a directory with superblock and log is read', async () => {
  writeFileSync(path.join(place, 'superblock'), pool.superblockData);
  writeFileSync(path.join(place, 'log'), pool.log);
  await assertReadable(place, 'directory');
});

test('a mounted pool is read by its .meta', async () => {
  mkdirSync(path.join(place, '.meta'));
  writeFileSync(path.join(place, '.meta/.superblock'), image.subarray(0, 0x200000));
  writeFileSync(path.join(place, '.meta/.log'), pool.log);
  await assertReadable(place, 'mounted pool');
});

test('what is no pool is told from what cannot be read', async () => {
  const before = openDescriptors();
  const reason = (expected: string) => (error: unknown) =>
    error instanceof DriverError && error.reason === expected;
  await assert.rejects(openLogSource(place), reason('pool-not-ready'));
  await assert.rejects(openLogSource('/dev/null'), reason('device-unsuitable'));
  await assert.rejects(openLogSource(path.join(place, 'gone')), { code: 'ENOENT' });
  writeFileSync(path.join(place, 'superblock'), pool.superblockData);
  await assert.rejects(openLogSource(place), { code: 'ENOENT', path: path.join(place, 'log') });
  writeFileSync(path.join(place, 'cut'), gzipSync(image).subarray(0, 200));
  await assert.rejects(openLogSource(path.join(place, 'cut')), reason('device-unsuitable'));
  writeFileSync(path.join(place, 'bad'), Buffer.from([0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
  await assert.rejects(openLogSource(path.join(place, 'bad')), reason('device-unsuitable'));
  assert.equal(openDescriptors(), before);
});

test('an empty file and one of zeros are refused as superblocks', async () => {
  for (const content of [Buffer.alloc(0), Buffer.alloc(4096), gzipSync(Buffer.alloc(100))]) {
    writeFileSync(path.join(place, 'file'), content);
    const log = new PoolLog(await openLogSource(path.join(place, 'file')));
    await assert.rejects(log.refresh(), (error) => error instanceof DriverError);
    log.close();
  }
});
