import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { closeFd, openPath } from './file-descriptor.ts';
import { listmount, mountIdAt, mountIdOf, sourceFromTable, statmount } from './mount-id.ts';
import { parseMountTable, readMountTable } from './mount-table.ts';
import { mountFileSystem, mountFlags, openTree, unmount } from './mounts.ts';

const { skip } = enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'mount-id-'));
after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

function place(name: string): string {
  const directory = path.join(folder, name);
  mkdirSync(directory, { recursive: true });
  return directory;
}

function tmpfs(target: string, source = 'test'): void {
  mountFileSystem({ source, target, type: 'tmpfs', flags: mountFlags.nodev, data: 'size=64k' });
}

function identityAt(target: string) {
  const fd = openPath(target);
  try {
    return mountIdOf(fd);
  } finally {
    closeFd(fd);
  }
}

describe('the id of a mount', { skip }, () => {
  test('tells the root of a mount from a directory on it', () => {
    const target = place('root');
    const outer = identityAt(target);
    assert.equal(outer.isMountRoot, false);
    tmpfs(target);
    mkdirSync(path.join(target, 'inner'));
    const root = identityAt(target);
    assert.equal(root.isMountRoot, true);
    assert.notEqual(root.mountId, outer.mountId);
    assert.deepEqual(identityAt(path.join(target, 'inner')), { mountId: root.mountId, isMountRoot: false });
    unmount(target);
  });

  test('is never used again', () => {
    const target = place('again');
    const seen = new Set<bigint>();
    for (let round = 0; round < 20; round++) {
      tmpfs(target);
      seen.add(identityAt(target).mountId);
      unmount(target);
    }
    assert.equal(seen.size, 20);
  });

  test('is found by name below a directory, without following a link', () => {
    const target = place('named');
    tmpfs(target);
    const expected = identityAt(target);
    symlinkSync('named', path.join(folder, 'link-to-named'));
    const parentFd = openPath(folder);
    assert.deepEqual(mountIdAt(parentFd, 'named'), expected);
    assert.equal(mountIdAt(parentFd, 'link-to-named').mountId, mountIdOf(parentFd).mountId);
    assert.throws(() => mountIdAt(parentFd, 'missing'), { code: 'ENOENT' });
    closeFd(parentFd);
    unmount(target);
  });
});

describe('statmount', { skip }, () => {
  test('tells what the mount table tells, of every mount there is', () => {
    tmpfs(place('table'), '/dev/dax0.0');
    const infos = listmount().flatMap((mountId) => statmount(mountId) ?? []);
    const fromKernel = infos.map((info) => ({
      device: `${info.deviceMajor}:${info.deviceMinor}`,
      type:
        info.fileSystemSubtype === ''
          ? info.fileSystemType
          : `${info.fileSystemType}.${info.fileSystemSubtype}`,
      source: info.source,
      root: info.root,
      mountPoint: info.mountPoint,
      options: [info.readOnly, info.nosuid, info.nodev, info.noexec],
      superblockReadOnly: info.superblockReadOnly,
    }));
    const fromTable = readMountTable().map((entry) => ({
      device: `${entry.deviceMajor}:${entry.deviceMinor}`,
      type: entry.fileSystemType,
      source: entry.source,
      root: entry.root,
      mountPoint: entry.mountPoint,
      options: ['ro', 'nosuid', 'nodev', 'noexec'].map((option) => entry.mountOptions.includes(option)),
      superblockReadOnly: entry.superOptions.includes('ro'),
    }));
    const byPlace = (list: typeof fromTable) => list.map((each) => JSON.stringify(each)).sort();
    assert.deepEqual(byPlace(fromKernel), byPlace(fromTable));
    unmount(place('table'));
  });

  test('knows the parent of a mount', () => {
    const target = place('parent');
    const { mountId: parentMountId } = identityAt(target);
    tmpfs(target);
    assert.equal(statmount(identityAt(target).mountId)?.parentMountId, parentMountId);
    unmount(target);
  });

  test('has nothing to say of a mount that is gone, or was never attached', () => {
    const target = place('gone');
    tmpfs(target);
    const { mountId } = identityAt(target);
    const fd = openPath(target);
    const treeFd = openTree(fd, { clone: true });
    assert.equal(statmount(mountIdOf(treeFd).mountId), undefined);
    closeFd(treeFd);
    closeFd(fd);
    unmount(target);
    assert.equal(statmount(mountId), undefined);
    assert.equal(statmount(1n), undefined);
  });

  test('gives names whole, however long and strange', () => {
    // Deeper than its first buffer is long, in the root of the mount and in its place; both below PATH_MAX.
    const step = 'x'.repeat(250);
    const deep = Array.from({ length: 10 }, () => step).join('/');
    const source = place(`long/source ü\n\\040/${deep}`);
    const target = place(`long/target/${deep}`);
    mountFileSystem({ source, target, type: 'none', flags: mountFlags.bind });
    const info = statmount(identityAt(target).mountId);
    unmount(target);
    assert.equal(info?.mountPoint, target);
    assert.ok(info?.root.endsWith(`/long/source ü\n\\040/${deep}`));
  });
});

describe('listmount', { skip }, () => {
  test('lists every mount once, beyond one answer of the kernel', () => {
    const target = place('many');
    const before = listmount();
    for (let count = 0; count < 600; count++) tmpfs(target);
    const during = listmount();
    assert.equal(during.length, before.length + 600);
    assert.equal(new Set(during).size, during.length);
    for (let count = 0; count < 600; count++) unmount(target);
    assert.deepEqual(listmount(), before);
  });
});

test('on kernels that do not tell, source and subtype come from the mount table', () => {
  const [entry] = parseMountTable('40 30 0:50 / /mnt rw - fuse.famfs /dev/dax0.0 rw');
  assert.ok(entry !== undefined);
  const incomplete = {
    mountId: 1n << 33n,
    parentMountId: 1n,
    deviceMajor: 0,
    deviceMinor: 50,
    fileSystemType: 'fuse',
    fileSystemSubtype: '',
    source: '',
    root: '/',
    mountPoint: '/mnt',
    readOnly: false,
    nosuid: false,
    nodev: false,
    noexec: false,
    superblockReadOnly: false,
  };
  const complete = { ...incomplete, fileSystemSubtype: 'famfs', source: '/dev/dax0.0' };
  assert.deepEqual(sourceFromTable(incomplete, entry), complete);
});
