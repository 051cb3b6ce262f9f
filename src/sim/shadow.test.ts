// The shadow tree, and the command line of the daemon that reads it.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { daemonTitle, encodeDaemonArguments, parseDaemonArguments } from './daemon-arguments.ts';
import {
  addDirectory,
  addFile,
  addUnmappedFile,
  createShadow,
  encodeShadowFile,
  parseShadowFile,
  readShadowFile,
  removeEntry,
  type ShadowFile,
  shadowPath,
} from './shadow.ts';
import type { SimulatedMount } from './simulated-mount.ts';

const file: ShadowFile = {
  sizeBytes: 5000n,
  mode: 0o640,
  uid: 1,
  gid: 2,
  extents: [{ offsetBytes: 0xa00000n, lengthBytes: 0x200000n }],
};
let mount: SimulatedMount;

beforeEach(() => {
  const shadow = mkdtempSync(path.join(os.tmpdir(), 'famfs-shadow-test-'));
  createShadow(shadow);
  mount = {
    id: '0123456789abcdef',
    nodeRoot: '/node',
    deviceName: 'dax0.0',
    source: '/node/dev/dax0.0',
    deviceDirectory: '/memory',
    mode: 'fuse',
    presentation: 'fuse',
    mountPoint: '/famfs',
    shadow,
    viewDirectory: null,
    pid: 1,
    broken: false,
    deviceNumber: '0:1',
  };
});
afterEach(() => rmSync(mount.shadow, { recursive: true }));

test('a shadow is used once', () => {
  assert.throws(() => createShadow(mount.shadow), { code: 'EEXIST' });
});

test('a name is given once, and a second time changes nothing', () => {
  assert.equal(addFile(mount, 'data', file), true);
  assert.equal(addFile(mount, 'data', { ...file, sizeBytes: 1n }), false);
  assert.equal(addDirectory(mount, 'data', file), false);
  assert.deepEqual(readShadowFile(shadowPath(mount, 'data')), file);
  assert.deepEqual(readdirSync(mount.shadow), ['root']);
});

test('a name needs its parent', () => {
  assert.throws(() => addFile(mount, 'absent/data', file), { code: 'ENOENT' });
  assert.throws(() => addDirectory(mount, 'absent/dir', file), { code: 'ENOENT' });
  assert.deepEqual(readdirSync(mount.shadow), ['root']);
});

test('a path never leads out of the tree', () => {
  for (const hostile of ['../out', 'a/../../out', '..']) {
    assert.throws(() => addFile(mount, hostile, file), { reason: 'log-refused' }, hostile);
    assert.throws(() => addDirectory(mount, hostile, file), { reason: 'log-refused' }, hostile);
  }
  assert.equal(addFile(mount, '/absolute', file), true);
  assert.ok(existsSync(shadowPath(mount, 'absolute')));
});

test('a directory is made under the caller’s umask and loses setgid, as in famfs', () => {
  const umask = process.umask(0o022);
  try {
    addDirectory(mount, 'masked', { mode: 0o2777, uid: 0, gid: 1000 });
  } finally {
    process.umask(umask);
  }
  const { mode, gid } = statSync(shadowPath(mount, 'masked'));
  assert.deepEqual([mode & 0o7777, gid], [0o755, process.getgid?.()]);
});

test('a file without memory maps nothing, and an entry can be taken out again', () => {
  assert.equal(addUnmappedFile(mount, 'phantom', 0o600), true);
  assert.equal(readShadowFile(shadowPath(mount, 'phantom')), undefined);
  addDirectory(mount, 'dir', { mode: 0o755, uid: 0, gid: 0 });
  removeEntry(mount, 'phantom');
  removeEntry(mount, 'dir');
  assert.deepEqual(readdirSync(path.join(mount.shadow, 'root')), []);
});

test('what a file maps reads back as it was written, whatever its name', () => {
  const big = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  const plain = { noNullPrototype: true } as const;
  const id = fc.integer({ min: 0, max: 0xffff_ffff });
  const extents = fc.array(fc.record({ offsetBytes: big, lengthBytes: big }, plain), {
    minLength: 1,
    maxLength: 16,
  });
  const shape = { sizeBytes: big, mode: fc.integer({ min: 0, max: 0o7777 }), uid: id, gid: id, extents };
  const files = fc.oneof(fc.record(shape, plain), fc.record({ ...shape, chunkBytes: big }, plain));
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), files, (name, one) => {
      assert.deepEqual(parseShadowFile(encodeShadowFile(name, one)), one);
    }),
  );
});

test('the daemon reads the command line that it is started with, and shows the real one', () => {
  const daemon = {
    source: '/dev/dax0.0',
    mountPoint: '/mnt/famfs',
    shadow: '/tmp/famfs_shadow_dQfGG9',
    timeoutSeconds: 31_536_000,
    allowOther: true,
    defaultPermissions: true,
    mode: 'standalone',
    readyFd: 3,
  } as const;
  assert.deepEqual(parseDaemonArguments(encodeDaemonArguments(daemon)), daemon);
  assert.equal(
    daemonTitle(daemon),
    '/dev/dax0.0 -o daxdev=/dev/dax0.0,shadow=/tmp/famfs_shadow_dQfGG9,fsname=/dev/dax0.0,' +
      'timeout=31536000.000000,allow_other,default_permissions /mnt/famfs',
  );
});

test('a daemon does not start without a device, with an unknown option, or with a comma in a path', () => {
  for (const argv of [
    [],
    ['-o', 'shadow=/s', '/m'],
    ['-o', 'daxdev=/d,shadow=/s,odd', '/m'],
    ['-o', 'daxdev=/d,shadow=/a,b', '/m'],
  ]) {
    assert.throws(() => parseDaemonArguments(argv), { reason: 'invalid-argument' }, argv.join(' '));
  }
});
