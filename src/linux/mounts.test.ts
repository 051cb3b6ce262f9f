import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { closeFd, openPath, openPathBeneath } from './file-descriptor.ts';
import { mountIdOf, statmount } from './mount-id.ts';
import { readMountTable } from './mount-table.ts';
import {
  mountAttributes,
  mountFileSystem,
  mountFlags,
  moveMount,
  openTree,
  setMountAttributes,
  setPropagation,
  unmount,
  unmountBelow,
} from './mounts.ts';

const { skip } = enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'mounts-'));
after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

/** A directory `name` of the test folder; made when missing. */
function place(name: string): string {
  const directory = path.join(folder, name);
  mkdirSync(directory, { recursive: true });
  return directory;
}

function tmpfs(target: string, flags = 0): void {
  mountFileSystem({ source: 'test', target, type: 'tmpfs', flags, data: 'size=1m' });
}

function isMounted(target: string): boolean {
  return readMountTable().some((entry) => entry.mountPoint === target);
}

describe('a mounted file system', { skip }, () => {
  test('has the flags that were asked for', () => {
    const target = place('flags');
    tmpfs(target, mountFlags.nosuid | mountFlags.noexec | mountFlags.readOnly);
    const fd = openPath(target);
    const info = statmount(mountIdOf(fd).mountId);
    closeFd(fd);
    unmount(target);
    assert.deepEqual(
      [info?.nosuid, info?.noexec, info?.nodev, info?.readOnly, info?.superblockReadOnly],
      [true, true, false, true, true],
    );
  });

  test('names the target when the kernel refuses it', () => {
    const missing = path.join(folder, 'missing');
    assert.throws(() => tmpfs(missing), { code: 'ENOENT', syscall: 'mount', path: missing });
    assert.throws(() => mountFileSystem({ source: 'x', target: folder, type: 'no-such-type' }), {
      code: 'ENODEV',
    });
  });

  test('takes no NUL byte in any text', () => {
    assert.throws(() => mountFileSystem({ source: 'x\0y', target: folder, type: 'tmpfs' }), TypeError);
  });
});

describe('a detached copy', { skip }, () => {
  let source = '';
  before(() => {
    source = place('source');
    tmpfs(source);
    mkdirSync(path.join(source, 'sub'));
    writeFileSync(path.join(source, 'sub/file'), 'x');
  });
  after(() => unmount(source));

  test('is seen nowhere until it is attached, and not at all when its descriptor is closed', () => {
    const before = readMountTable().length;
    const fd = openPath(path.join(source, 'sub'));
    const treeFd = openTree(fd, { clone: true });
    assert.equal(readMountTable().length, before);
    closeFd(treeFd);
    closeFd(fd);
    assert.equal(readMountTable().length, before);
  });

  test('carries its attributes with it when it is attached', () => {
    const target = place('attached');
    const fds = [openPath(path.join(source, 'sub')), openPath(target)] as const;
    const treeFd = openTree(fds[0], { clone: true });
    setMountAttributes(treeFd, { set: mountAttributes.readOnly | mountAttributes.nodev });
    moveMount(treeFd, fds[1]);
    for (const fd of [treeFd, ...fds]) closeFd(fd);
    assert.deepEqual(readdirSync(target), ['file']);
    assert.throws(() => writeFileSync(path.join(target, 'file'), 'y'), { code: 'EROFS' });
    writeFileSync(path.join(source, 'sub/file'), 'the source stays writable');
    unmount(target);
  });

  test('leaves submounts out unless it is recursive', () => {
    tmpfs(path.join(source, 'sub'));
    const inner = path.join(source, 'sub');
    writeFileSync(path.join(inner, 'below'), '');
    const target = place('recursion');
    const fds = [openPath(source), openPath(target)] as const;
    for (const recursive of [false, true]) {
      const treeFd = openTree(fds[0], { clone: true, recursive });
      moveMount(treeFd, fds[1]);
      closeFd(treeFd);
      assert.deepEqual(readdirSync(path.join(target, 'sub')), [recursive ? 'below' : 'file']);
      unmount(target, { detach: true });
    }
    for (const fd of fds) closeFd(fd);
    unmount(inner);
  });

  test('of a directory does not go onto a file, nor the other way round', () => {
    const target = place('kinds');
    writeFileSync(path.join(target, 'file'), '');
    const fds = [openPath(path.join(source, 'sub')), openPath(path.join(target, 'file'))] as const;
    const treeFd = openTree(fds[0], { clone: true });
    assert.throws(() => moveMount(treeFd, fds[1]), { code: 'EINVAL', syscall: 'move_mount' });
    for (const fd of [treeFd, ...fds]) closeFd(fd);
  });

  test('cannot be made of an attribute change on what is no mount', () => {
    const fd = openPath(path.join(source, 'sub'));
    assert.throws(() => setMountAttributes(fd, { set: mountAttributes.readOnly }), { code: 'EINVAL' });
    closeFd(fd);
  });
});

describe('unmounting below a directory descriptor', { skip }, () => {
  let parent = '';
  let parentFd = -1;
  before(() => {
    parent = place('parent');
    parentFd = openPath(parent);
  });
  after(() => closeFd(parentFd));

  function mountedLeaf(name: string): string {
    const target = place(`parent/${name}`);
    tmpfs(target);
    return target;
  }

  test('takes the topmost mount only, one at a time', () => {
    const target = mountedLeaf('stack');
    tmpfs(target);
    unmountBelow(parentFd, 'stack');
    assert.equal(isMounted(target), true);
    unmountBelow(parentFd, 'stack');
    assert.equal(isMounted(target), false);
    assert.throws(() => unmountBelow(parentFd, 'stack'), { code: 'EINVAL' });
  });

  test('is not kept busy by the descriptor of the parent, but by one of the mount', () => {
    mountedLeaf('busy');
    const rootOfMount = openPathBeneath(parentFd, 'busy');
    assert.throws(() => unmountBelow(parentFd, 'busy'), { code: 'EBUSY' });
    assert.throws(() => unmount(`/proc/self/fd/${rootOfMount}`, { follow: true }), { code: 'EBUSY' });
    closeFd(rootOfMount);
    unmountBelow(parentFd, 'busy');
  });

  test('is busy while a file is open, unless it is detached', () => {
    const target = mountedLeaf('open');
    const fd = openSync(path.join(target, 'file'), 'w');
    assert.throws(() => unmountBelow(parentFd, 'open'), { code: 'EBUSY' });
    unmountBelow(parentFd, 'open', { detach: true });
    assert.equal(isMounted(target), false);
    closeSync(fd);
  });

  test('does not follow a symbolic link in the last place', () => {
    const target = mountedLeaf('linked');
    symlinkSync('linked', path.join(parent, 'link'));
    assert.throws(() => unmountBelow(parentFd, 'link'), { code: 'EINVAL' });
    assert.equal(isMounted(target), true);
    unmountBelow(parentFd, 'linked');
  });

  test('stays with the directory that was opened when the path leads elsewhere meanwhile', () => {
    const target = mountedLeaf('moved');
    const decoy = place('decoy');
    tmpfs(decoy);
    const fd = openPath(parent);
    // What an attacker with rights on the way could do between the look and the unmount.
    const cover = openTree(fd, { clone: true });
    moveMount(cover, fd);
    closeFd(cover);
    unmountBelow(fd, 'moved');
    closeFd(fd);
    unmount(parent);
    assert.equal(isMounted(target), false);
    unmount(decoy);
  });

  test('takes one name and nothing that leads away', () => {
    for (const name of ['', '.', '..', 'a/b', '/etc', 'a\0b']) {
      assert.throws(() => unmountBelow(parentFd, name), TypeError, JSON.stringify(name));
    }
  });
});

describe('propagation', { skip }, () => {
  test('spreads a mount from a shared place to its copies and not from a private one', () => {
    const origin = place('origin');
    const copy = place('copy');
    tmpfs(origin);
    setPropagation(origin, 'shared');
    mkdirSync(path.join(origin, 'one'));
    mkdirSync(path.join(origin, 'two'));
    mountFileSystem({ source: origin, target: copy, type: 'none', flags: mountFlags.bind });
    tmpfs(path.join(origin, 'one'));
    assert.equal(isMounted(path.join(copy, 'one')), true);
    setPropagation(origin, 'private');
    tmpfs(path.join(origin, 'two'));
    assert.equal(isMounted(path.join(copy, 'two')), false);
    for (const target of [
      path.join(copy, 'one'),
      copy,
      path.join(origin, 'one'),
      path.join(origin, 'two'),
      origin,
    ]) {
      unmount(target);
    }
  });
});

describe('a process that unshares its mounts', { skip }, () => {
  const script = `
    import { promises, readFileSync, readlinkSync } from 'node:fs';
    import { unshareMounts, mountFileSystem } from ${JSON.stringify(path.join(import.meta.dirname, 'mounts.ts'))};
    const before = readlinkSync('/proc/thread-self/ns/mnt');
    await promises.readlink('/proc/thread-self/ns/mnt');
    unshareMounts();
    mountFileSystem({ source: 'inside', target: process.argv[1], type: 'tmpfs' });
    console.log(before !== readlinkSync('/proc/thread-self/ns/mnt'));
    console.log(readFileSync('/proc/thread-self/mountinfo', 'utf8').includes('inside'));
    const { spawnSync } = await import('node:child_process');
    console.log(spawnSync('cat', ['/proc/self/mountinfo'], { encoding: 'utf8' }).stdout.includes('inside'));
    console.log(before === (await promises.readlink('/proc/thread-self/ns/mnt')));
  `;

  test('mounts where its children see it, and neither others nor its own pool threads do', () => {
    const target = place('unshared');
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script, target];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(stdout, 'true\ntrue\ntrue\ntrue\n', stderr);
    assert.equal(isMounted(target), false);
  });
});
