// What a mount in fuse mode answers, on a real mount of the kernel's FUSE.
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { readExtendedAttribute } from '../linux/extended-attributes.ts';
import { tryFileLock } from '../linux/file-lock.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { commandLine, processState } from '../linux/processes.ts';
import { ensureExtent, extentPath, writeLog, writeSuperblockBytes } from './device.ts';
import { addDirectory, addFile } from './shadow.ts';
import { findMount, type SimulatedMount } from './simulated-mount.ts';
import { codeOf, ended, makeFile, passthroughMissing, SimulatedRig } from './simulated-rig.ts';

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
  mount = await rig.mount(rig.node({ presentation: 'fuse' }), 'fuse');
  addDirectory(mount, 'v', { mode: 0o755, uid: 1000, gid: 1000 });
  makeFile(rig.device, [mount], 'v/data', { uid: 1000, gid: 1000 });
});

after(async () => {
  await rig?.dispose();
  await assertNothingLeaked();
});

test('the mount table shows what the real fuse mode shows', { skip }, () => {
  const entry = readMountTable().find(({ mountPoint }) => mountPoint === mount.mountPoint);
  assert.equal(entry?.fileSystemType, 'fuse');
  assert.equal(entry.source, mount.source);
  assert.deepEqual(entry.mountOptions, ['rw', 'nosuid', 'nodev', 'relatime']);
  assert.deepEqual(entry.superOptions, [
    'rw',
    'user_id=0',
    'group_id=0',
    'default_permissions',
    'allow_other',
  ]);
});

test('the daemon goes by the name and the command line of the real one', { skip }, () => {
  assert.equal(processState(mount.pid)?.comm, 'famfs_fused');
  const shown = commandLine(mount.pid)?.join(' ').trimEnd();
  assert.equal(
    shown,
    `${mount.source} -o daxdev=${mount.source},shadow=${mount.shadow},fsname=${mount.source},` +
      `timeout=31536000.000000,allow_other,default_permissions ${mount.mountPoint}`,
  );
});

test('files and directories show size, mode and owner as given', { skip }, () => {
  const file = statSync(at('v/data'));
  assert.deepEqual([file.size, file.mode, file.uid, file.gid], [sizeBytes, 0o100644, 1000, 1000]);
  const directory = statSync(at('v'));
  assert.deepEqual([directory.mode, directory.uid, directory.gid], [0o40755, 1000, 1000]);
  assert.deepEqual(readdirSync(mount.mountPoint).sort(), ['.meta', 'v']);
});

test('the .meta files are the bytes of the device', { skip }, () => {
  writeSuperblockBytes(rig.device, Buffer.from('superblock'));
  writeLog(rig.device, 544, Buffer.from('an entry'));
  assert.equal(readFileSync(at('.meta/.superblock')).toString('latin1', 0, 10), 'superblock');
  assert.equal(readFileSync(at('.meta/.log')).toString('latin1', 544, 552), 'an entry');
  const fd = openSync(at('.meta/.log'), 'r+');
  writeSync(fd, Buffer.from('by the mount'), 0, 12, 544);
  closeSync(fd);
  assert.equal(readFileSync(extentPath(rig.device, 0x200000n)).toString('latin1', 544, 556), 'by the mount');
});

test('names cannot be made, removed or moved', { skip }, () => {
  assert.equal(
    codeOf(() => writeFileSync(at('new'), '')),
    'ENOTSUP',
  );
  assert.equal(
    codeOf(() => mkdirSync(at('new'))),
    'ENOSYS',
  );
  assert.equal(
    codeOf(() => unlinkSync(at('v/data'))),
    'ENOSYS',
  );
  assert.equal(
    codeOf(() => rmdirSync(at('v'))),
    'ENOSYS',
  );
  assert.equal(
    codeOf(() => renameSync(at('v'), at('w'))),
    'ENOSYS',
  );
  assert.equal(
    codeOf(() => symlinkSync('v', at('w'))),
    'ENOSYS',
  );
  assert.equal(
    codeOf(() => linkSync(at('v/data'), at('w'))),
    'EPERM',
  );
});

test('a truncate to nothing and an O_DIRECT open are refused', { skip }, () => {
  assert.equal(
    codeOf(() => truncateSync(at('v/data'), 0)),
    'EINVAL',
  );
  assert.equal(
    codeOf(() => openSync(at('v/data'), constants.O_RDONLY | constants.O_DIRECT)),
    'EINVAL',
  );
});

test('an append leaves the file and its memory as long as they are', { skip }, () => {
  writeFileSync(at('v/data'), 'past the end', { flag: 'a' });
  assert.equal(statSync(at('v/data')).size, sizeBytes);
  assert.equal(readFileSync(at('v/data')).length, sizeBytes);
  assert.equal(statSync(extentPath(rig.device, 0xa00000n)).size, sizeBytes);
});

test('a changed mode or owner lives on this mount alone, and not in what is replayed', { skip }, async () => {
  const other = await rig.mount(rig.node(), 'fuse');
  makeFile(rig.device, [mount, other], 'own', { offsetBytes: 0x2000000n, mode: 0o600 });
  chmodSync(at('own'), 0o640);
  chownSync(at('own'), 77, 88);
  const changed = statSync(at('own'));
  assert.deepEqual([changed.mode, changed.uid, changed.gid], [0o100640, 77, 88]);
  const elsewhere = statSync(path.join(other.mountPoint, 'own'));
  assert.deepEqual([elsewhere.mode, elsewhere.uid, elsewhere.gid], [0o100600, 0, 0]);
  await rig.unmount(other);
});

test('a name that was missing is seen as soon as it is replayed', { skip }, () => {
  assert.equal(existsSync(at('v/later')), false);
  makeFile(rig.device, [mount], 'v/later', { offsetBytes: 0x3000000n, sizeBytes: 1n });
  assert.equal(statSync(at('v/later')).size, 1);
});

test('a striped file has one memory of its own, at its first strip', { skip }, () => {
  const strips = [0x8000000n, 0xc000000n].map((offsetBytes) => ({ offsetBytes, lengthBytes: 0x400000n }));
  ensureExtent(rig.device, 0x8000000n, 7_000_000n);
  const file = { sizeBytes: 7_000_000n, mode: 0o644, uid: 0, gid: 0, extents: strips, chunkBytes: 0x200000n };
  addFile(mount, 'striped', file);
  writeFileSync(at('striped'), Buffer.alloc(7_000_000, 'famfs'), { flag: 'r+' });
  assert.deepEqual(readFileSync(extentPath(rig.device, 0x8000000n)), Buffer.alloc(7_000_000, 'famfs'));
});

test('a directory of a thousand files is listed whole', { skip }, () => {
  addDirectory(mount, 'many', { mode: 0o755, uid: 0, gid: 0 });
  const names = Array.from({ length: 1000 }, (_, index) => `file-${String(index).padStart(4, '0')}`);
  for (const name of names) {
    addFile(mount, `many/${name}`, {
      ...{ sizeBytes: 1n, mode: 0o644, uid: 0, gid: 0 },
      extents: [{ offsetBytes: 0xa00000n, lengthBytes: 0x200000n }],
    });
  }
  assert.deepEqual(readdirSync(at('many')).sort(), names);
});

test('the shadow tree is told by an extended attribute, and statfs shows what holds it', { skip }, () => {
  assert.equal(readExtendedAttribute(at('v/data'), 'user.famfs.shadow').toString(), mount.shadow);
  assert.equal(
    codeOf(() => readExtendedAttribute(at('v/data'), 'user.other')),
    'ENODATA',
  );
  const [shown, shadow] = [statfsSync(mount.mountPoint), statfsSync(mount.shadow)];
  assert.equal(shown.type, 0x65735546);
  assert.deepEqual([shown.blocks, shown.files, shown.bsize], [shadow.blocks, shadow.files, shadow.bsize]);
});

test('there is one lock for the whole file system, which nobody waits for', { skip }, () => {
  const lock = tryFileLock(at('.meta/.log'));
  assert.ok(lock);
  assert.equal(
    codeOf(() => tryFileLock(at('v/data'))),
    'EINVAL',
  );
  lock.release();
  tryFileLock(at('v/data'))?.release();
});

test('any close of the log gives up the lock that somebody else holds on it', { skip }, () => {
  const lock = tryFileLock(at('.meta/.log'));
  readFileSync(at('.meta/.log'));
  const second = tryFileLock(at('.meta/.log'));
  assert.ok(lock !== undefined && second !== undefined);
  second.release();
  lock.release();
});

test('after O_TRUNC a write without a look at the size spoils the file for everybody on the node', {
  skip,
}, () => {
  makeFile(rig.device, [mount], 'v/spoilt', { offsetBytes: 0x4000000n });
  const fd = openSync(at('v/spoilt'), 'w');
  assert.equal(
    codeOf(() => writeSync(fd, 'bytes')),
    'ENXIO',
  );
  assert.equal(
    codeOf(() => writeSync(fd, 'bytes')),
    'EIO',
  );
  closeSync(fd);
  assert.equal(
    codeOf(() => readFileSync(at('v/spoilt'))),
    'EIO',
  );
});

test('after O_TRUNC and fstat a write goes through, and the size stays', { skip }, () => {
  makeFile(rig.device, [mount], 'v/kept', { offsetBytes: 0x5000000n });
  const fd = openSync(at('v/kept'), 'w');
  statSync(at('v/kept'));
  writeSync(fd, 'bytes');
  closeSync(fd);
  assert.equal(readFileSync(at('v/kept')).toString('latin1', 0, 5), 'bytes');
  assert.equal(statSync(at('v/kept')).size, sizeBytes);
});

test('a mount is found by a path below it, and a bind tells which directory it shows', { skip }, () => {
  const found = findMount(rig.nodes[0] ?? rig.node(), at('v/data'));
  assert.deepEqual([found?.mount.id, found?.rootWithin], [mount.id, '/']);
});

test('a truncate to any other size kills the daemon and with it the mount', { skip }, async () => {
  const victim = await rig.mount(rig.node(), 'fuse');
  makeFile(rig.device, [victim], 'data', { offsetBytes: 0x6000000n });
  const file = path.join(victim.mountPoint, 'data');
  // The first close of a mount asks the daemon to flush and learns that it does not; later ones ask no more.
  closeSync(openSync(file, 'r'));
  const fd = openSync(file, 'r+');
  assert.equal(
    codeOf(() => ftruncateSync(fd, statSync(file).size)),
    'ECONNABORTED',
  );
  await ended(victim.pid);
  assert.equal(
    codeOf(() => readdirSync(victim.mountPoint)),
    'ENOTCONN',
  );
  // What was open goes on: its memory is mapped in the kernel.
  assert.equal(readSync(fd, Buffer.alloc(8), 0, 8, 0), 8);
  closeSync(fd);
});
