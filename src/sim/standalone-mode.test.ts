// What a mount in standalone mode answers: names and sizes are refused cleanly, locks are the kernel's own.
import assert from 'node:assert/strict';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { readExtendedAttribute } from '../linux/extended-attributes.ts';
import { acquireFileLock, tryFileLock } from '../linux/file-lock.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { processState } from '../linux/processes.ts';
import { addDirectory, addFile } from './shadow.ts';
import type { SimulatedMount } from './simulated-mount.ts';
import { codeOf, makeFile, passthroughMissing, SimulatedRig } from './simulated-rig.ts';

const { skipUnlessRoot } = enterPrivateMounts();
const skip = skipUnlessRoot || passthroughMissing();
const sizeBytes = 5_000_000;
let rig: SimulatedRig;
let mount: SimulatedMount;

/** A path in the mount. */
function at(relativePath: string): string {
  return path.join(mount.mountPoint, relativePath);
}

before(async () => {
  if (skip !== false) return;
  process.umask(0);
  rig = new SimulatedRig();
  mount = await rig.mount(rig.node({ presentation: 'fuse' }), 'standalone');
  addDirectory(mount, 'v', { mode: 0o755, uid: 1000, gid: 1000 });
  makeFile(rig.device, [mount], 'v/data', { uid: 1000, gid: 1000 });
  writeFileSync(at('v/data'), 'as it was', { flag: 'r+' });
});

after(async () => {
  await rig?.dispose();
  await assertNothingLeaked();
});

test('the mount table names famfs and the flags of the kernel module', { skip }, () => {
  const entry = readMountTable().find(({ mountPoint }) => mountPoint === mount.mountPoint);
  assert.equal(entry?.fileSystemType, 'fuse.famfs');
  assert.equal(entry.source, mount.source);
  assert.deepEqual(entry.mountOptions, ['rw', 'nosuid', 'nodev', 'noexec', 'noatime']);
});

test('no process goes by the name of a famfs daemon', { skip }, () => {
  assert.equal(processState(mount.pid)?.comm, 'famfs-simulator');
});

test('what would resize or remove a file is refused and leaves it as it was', { skip }, () => {
  assert.equal(
    codeOf(() => truncateSync(at('v/data'), 0)),
    'EPERM',
  );
  assert.equal(
    codeOf(() => truncateSync(at('v/data'), 77)),
    'EPERM',
  );
  assert.equal(
    codeOf(() => writeFileSync(at('v/data'), 'x')),
    'EPERM',
  );
  assert.equal(
    codeOf(() => unlinkSync(at('v/data'))),
    'EPERM',
  );
  assert.equal(
    codeOf(() => rmdirSync(at('v'))),
    'EPERM',
  );
  assert.equal(
    codeOf(() => renameSync(at('v'), at('w'))),
    'EPERM',
  );
  assert.equal(
    codeOf(() => symlinkSync('v', at('w'))),
    'EPERM',
  );
  assert.equal(
    codeOf(() => linkSync(at('v/data'), at('w'))),
    'EPERM',
  );
  truncateSync(at('v/data'), sizeBytes);
  assert.equal(statSync(at('v/data')).size, sizeBytes);
  assert.equal(readFileSync(at('v/data')).toString('latin1', 0, 9), 'as it was');
});

test('a name made by a program has no memory, stays, and takes the place of a logged one', { skip }, () => {
  writeFileSync(at('junk'), '');
  assert.equal(statSync(at('junk')).size, 0);
  assert.equal(
    codeOf(() => readFileSync(at('junk'))),
    'EIO',
  );
  assert.equal(
    codeOf(() => unlinkSync(at('junk'))),
    'EPERM',
  );
  mkdirSync(at('squatted'));
  const file = {
    sizeBytes: 1n,
    mode: 0o644,
    uid: 0,
    gid: 0,
    extents: [{ offsetBytes: 0n, lengthBytes: 1n }],
  };
  assert.equal(addFile(mount, 'squatted', file), false);
  assert.ok(statSync(at('squatted')).isDirectory());
});

test('a lock is waited for, and a close by somebody else does not give it up', { skip }, async () => {
  const lock = tryFileLock(at('.meta/.log'));
  assert.ok(lock);
  readFileSync(at('.meta/.log'));
  assert.equal(tryFileLock(at('.meta/.log')), undefined);
  const waiting = acquireFileLock(at('.meta/.log'), { timeoutMs: 10_000 });
  lock.release();
  (await waiting).release();
});

test('statfs counts nothing and directories have no size', { skip }, () => {
  const { blocks, bfree, bavail, files, ffree } = statfsSync(mount.mountPoint);
  assert.deepEqual([blocks, bfree, bavail, files, ffree], [0, 0, 0, 0, 0]);
  assert.equal(statSync(at('v')).size, 0);
});

test('a changed mode is shown, and no extended attribute is', { skip }, () => {
  chmodSync(at('v/data'), 0o600);
  assert.equal(statSync(at('v/data')).mode, 0o100600);
  assert.equal(
    codeOf(() => readExtendedAttribute(at('v/data'), 'user.famfs.shadow')),
    'ENOTSUP',
  );
});
