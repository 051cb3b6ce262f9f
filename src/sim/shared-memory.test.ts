// The point of the simulator: several nodes, one memory.
import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { type MappedFile, mapFile, readSmaps } from '../linux/memory-map.ts';
import { mountFileSystem, mountFlags } from '../linux/mounts.ts';
import { addDirectory } from './shadow.ts';
import { findMount, findMountsOfDevice, type SimulatedMount } from './simulated-mount.ts';
import { codeOf, makeFile, passthroughMissing, SimulatedRig } from './simulated-rig.ts';

const { skipUnlessRoot } = enterPrivateMounts();
const skip = skipUnlessRoot || passthroughMissing();
const sizeBytes = 32 * 1024 * 1024;
let rig: SimulatedRig;
let here: SimulatedMount;
let there: SimulatedMount;

/** A path in the mount of this namespace, and the same file in the other node's. */
function at(relativePath: string): { here: string; there: string } {
  return {
    here: path.join(here.mountPoint, relativePath),
    there: path.join('/proc', String(there.pid), 'root', there.mountPoint, relativePath),
  };
}

/** Maps a file whole and closes it. */
function map(file: string, write: boolean): MappedFile {
  const fd = openSync(file, write ? 'r+' : 'r');
  try {
    return mapFile(fd, sizeBytes, { write });
  } finally {
    closeSync(fd);
  }
}

before(async () => {
  if (skip !== false) return;
  process.umask(0);
  rig = new SimulatedRig();
  here = await rig.mount(rig.node({ presentation: 'fuse' }), 'fuse');
  there = await rig.mountApart(rig.node({ presentation: 'fuse' }), 'standalone');
  makeFile(rig.device, [here, there], 'data', { sizeBytes: BigInt(sizeBytes), mode: 0o666 });
});

after(async () => {
  await rig?.dispose();
  await assertNothingLeaked();
});

test('a byte stored in one node is in the mapping of another, in another mount namespace and mode', {
  skip,
}, () => {
  using writer = map(at('data').here, true);
  using reader = map(at('data').there, false);
  assert.equal(reader.bytes[4096], 0);
  writer.bytes[4096] = 42;
  assert.equal(reader.bytes[4096], 42);
  writer.bytes[sizeBytes - 1] = 43;
  assert.equal(readFileSync(at('data').there)[sizeBytes - 1], 43);
});

test('a write of one node is in the mapping of another', { skip }, () => {
  using reader = map(at('data').here, false);
  writeFileSync(at('data').there, 'written there', { flag: 'r+' });
  assert.equal(Buffer.from(reader.bytes.subarray(0, 13)).toString(), 'written there');
});

test('both nodes map the same pages, so nothing is held twice', { skip }, () => {
  using first = map(at('data').here, true);
  using second = map(at('data').there, false);
  for (let offset = 0; offset < sizeBytes; offset += 4096) {
    first.bytes[offset] = 7;
    assert.equal(second.bytes[offset], 7);
  }
  // Each page is mapped twice, so each mapping's proportional share is half of its size.
  for (const { address } of [first, second]) {
    const { rssBytes, pssBytes } = readSmaps('self', address);
    assert.equal(Number(rssBytes), sizeBytes);
    assert.equal(Number(pssBytes), sizeBytes / 2);
  }
});

test('a mount in another namespace is not seen here, and a name is replayed on each node of its own', {
  skip,
}, () => {
  assert.deepEqual(readdirSync(there.mountPoint), []);
  makeFile(rig.device, [here], 'only-here', { offsetBytes: 0x10000000n, sizeBytes: 1n });
  assert.equal(statSync(at('only-here').here).size, 1);
  assert.equal(existsSync(at('only-here').there), false);
});

test('a bind of a directory serves the same bytes, takes new names at once and hides .meta', { skip }, () => {
  const [node] = rig.nodes;
  assert.ok(node);
  addDirectory(here, 'v', { mode: 0o755, uid: 0, gid: 0 });
  const bind = rig.folder();
  mountFileSystem({ source: at('v').here, target: bind, type: 'none', flags: mountFlags.bind });
  assert.equal(existsSync(path.join(bind, 'late')), false);
  makeFile(rig.device, [here], 'v/late', { sizeBytes: BigInt(sizeBytes) });
  assert.deepEqual(readFileSync(path.join(bind, 'late')), readFileSync(at('data').there));
  assert.equal(existsSync(path.join(bind, '.meta')), false);
  const found = findMount(node, path.join(bind, 'late'));
  assert.deepEqual([found?.mount.id, found?.mountPoint, found?.rootWithin], [here.id, bind, '/v']);
  assert.deepEqual(
    findMountsOfDevice(node, 'dax0.0').map(({ mountPoint }) => mountPoint),
    [here.mountPoint, bind],
  );
});

test('a read-only bind refuses every change before famfs hears of it', { skip }, () => {
  const bind = rig.folder();
  mountFileSystem({ source: here.mountPoint, target: bind, type: 'none', flags: mountFlags.bind });
  const flags = mountFlags.bind | mountFlags.remount | mountFlags.readOnly;
  mountFileSystem({ source: 'none', target: bind, type: 'none', flags });
  assert.equal(
    codeOf(() => truncateSync(path.join(bind, 'data'), 5)),
    'EROFS',
  );
  assert.equal(
    codeOf(() => mkdirSync(path.join(bind, 'new'))),
    'EROFS',
  );
  using reader = map(path.join(bind, 'data'), false);
  assert.equal(reader.bytes[8192], 7);
});
