// Mounts of hard links, for where FUSE passthrough is closed to us. They need no more than a user namespace.
import assert from 'node:assert/strict';
import { chmodSync, closeSync, existsSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { runCommand } from '../linux/child-process.ts';
import { mapFile } from '../linux/memory-map.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { mountFileSystem, mountFlags } from '../linux/mounts.ts';
import { isDeviceHeld } from './device-holder.ts';
import { addDirectory } from './shadow.ts';
import { findMount, type SimulatedMount } from './simulated-mount.ts';
import { ended, makeFile, SimulatedRig } from './simulated-rig.ts';

const { skip, skipUnlessRoot } = enterPrivateMounts();
let rig: SimulatedRig;
let first: SimulatedMount;
let second: SimulatedMount;

before(async () => {
  if (skip !== false) return;
  process.umask(0);
  rig = new SimulatedRig();
  first = await rig.mount(rig.node({ presentation: 'views' }), 'fuse');
  second = await rig.mount(rig.node({ presentation: 'views' }), 'standalone');
  addDirectory(first, 'v', { mode: 0o755, uid: 1000, gid: 1000 });
  addDirectory(second, 'v', { mode: 0o755, uid: 1000, gid: 1000 });
  makeFile(rig.device, [first, second], 'v/data', { sizeBytes: 4096n, mode: 0o640 });
});

after(async () => {
  await rig?.dispose();
  await assertNothingLeaked();
});

test('the mount table shows a directory of the device’s own tmpfs, with the flags of the mode', {
  skip,
}, () => {
  const table = readMountTable();
  const entries = [first, second].map((mount) =>
    table.find(({ mountPoint }) => mountPoint === mount.mountPoint),
  );
  assert.deepEqual(
    entries.map((entry) => [
      entry?.fileSystemType,
      entry?.mountOptions.slice(0, 3),
      entry?.mountOptions.includes('noexec'),
    ]),
    [
      ['tmpfs', ['rw', 'nosuid', 'nodev'], false],
      ['tmpfs', ['rw', 'nosuid', 'nodev'], true],
    ],
  );
  assert.deepEqual([first.presentation, second.presentation], ['views', 'views']);
});

test('a byte stored in one node is in the mapping of another', { skip }, () => {
  const [to, from] = [first, second].map(({ mountPoint }) => openSync(path.join(mountPoint, 'v/data'), 'r+'));
  assert.ok(to !== undefined && from !== undefined);
  using writer = mapFile(to, 4096, { write: true });
  using reader = mapFile(from, 4096);
  closeSync(to);
  closeSync(from);
  writer.bytes[100] = 42;
  assert.equal(reader.bytes[100], 42);
});

test('replayed names, and those of .meta, are links to the device’s files', { skip }, () => {
  assert.equal(statSync(path.join(second.mountPoint, 'v/data')).mode, 0o100640);
  const superblock = statSync(path.join(first.mountPoint, '.meta/.superblock'));
  assert.equal(superblock.ino, statSync(path.join(rig.device.directory, 'superblock')).ino);
  makeFile(rig.device, [first], 'v/late', { offsetBytes: 0x1000000n, sizeBytes: 3n });
  assert.equal(readFileSync(path.join(first.mountPoint, 'v/late')).length, 3);
  assert.equal(existsSync(path.join(second.mountPoint, 'v/late')), false);
});

test('a mode belongs to the file and so to all nodes', { skip }, () => {
  chmodSync(path.join(first.mountPoint, 'v/data'), 0o604);
  assert.equal(statSync(path.join(second.mountPoint, 'v/data')).mode, 0o100604);
});

test('a bind of a directory is known by its path, and hides .meta', { skip }, () => {
  const bind = rig.folder();
  mountFileSystem({
    source: path.join(first.mountPoint, 'v'),
    target: bind,
    type: 'none',
    flags: mountFlags.bind,
  });
  const [node] = rig.nodes;
  assert.ok(node);
  const found = findMount(node, path.join(bind, 'data'));
  assert.deepEqual([found?.mount.id, found?.rootWithin], [first.id, '/v']);
  assert.deepEqual(readdirSync(bind).includes('.meta'), false);
});

test('the device is held, and free again with its links gone once it is unmounted', { skip }, async () => {
  const node = rig.node({ presentation: 'views' });
  const mount = await rig.mount(node, 'fuse');
  assert.equal(isDeviceHeld(node, 'dax0.0'), true);
  await assert.rejects(rig.mount(node, 'fuse'), { reason: 'pool-held-elsewhere' });
  await rig.unmount(mount);
  assert.equal(isDeviceHeld(node, 'dax0.0'), false);
  assert.equal(existsSync(mount.viewDirectory ?? ''), false);
});

test('a terminated daemon takes the mount along, and what its binds showed', { skip }, async () => {
  const mount = await rig.mount(rig.node({ presentation: 'views' }), 'standalone');
  const bind = rig.folder();
  mountFileSystem({ source: mount.mountPoint, target: bind, type: 'none', flags: mountFlags.bind });
  process.kill(mount.pid, 'SIGTERM');
  await ended(mount.pid);
  assert.deepEqual(readdirSync(mount.mountPoint), []);
  assert.deepEqual(readdirSync(bind), []);
});

test('an ordinary user’s namespace gets views without being told', { skip: skipUnlessRoot }, async () => {
  // Root of a user namespace may mount FUSE but not pass data through: the probe must find that out.
  const code = `
    const { SimulatedRig, makeFile } = await import(${JSON.stringify(path.join(import.meta.dirname, 'simulated-rig.ts'))});
    const { readFileSync, writeFileSync } = await import('node:fs');
    const rig = new SimulatedRig();
    const mounts = [await rig.mount(rig.node(), 'fuse'), await rig.mount(rig.node(), 'standalone')];
    makeFile(rig.device, mounts, 'data', { uid: 1234, gid: 1234 });
    writeFileSync(mounts[0].mountPoint + '/data', 'shared', { flag: 'r+' });
    const text = readFileSync(mounts[1].mountPoint + '/data').toString('latin1', 0, 6);
    console.log(JSON.stringify([mounts[0].presentation, mounts[1].presentation, text]));
    await rig.dispose();`;
  const node = [process.execPath, '--input-type=module', '--eval', code];
  const result = await runCommand('unshare', ['--user', '--map-root-user', '--mount', ...node]);
  assert.deepEqual([result.exitCode, result.stderr, result.stdout], [0, '', '["views","views","shared"]\n']);
});
