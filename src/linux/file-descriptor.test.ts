import assert from 'node:assert/strict';
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  closeFd,
  openat2,
  openPath,
  openPathBeneath,
  resolveBeneath,
  withDescriptors,
} from './file-descriptor.ts';
import { SyscallError } from './syscall-error.ts';

let folder = '';
let rootFd = -1;

before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'descriptors-'));
  mkdirSync(path.join(folder, 'root/deep/er'), { recursive: true });
  writeFileSync(path.join(folder, 'root/deep/file'), 'inside');
  writeFileSync(path.join(folder, 'outside'), 'outside');
  symlinkSync('deep', path.join(folder, 'root/link-within'));
  symlinkSync('../outside', path.join(folder, 'root/link-out'));
  symlinkSync('/etc', path.join(folder, 'root/link-absolute'));
  rootFd = openPath(path.join(folder, 'root'));
});

after(() => {
  closeFd(rootFd);
  rmSync(folder, { recursive: true });
});

function opensAs(relativePath: string): string {
  const fd = openPathBeneath(rootFd, relativePath);
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } finally {
    closeFd(fd);
  }
}

function refusal(relativePath: string, fd = rootFd): string {
  try {
    closeFd(openPathBeneath(fd, relativePath));
  } catch (error) {
    if (error instanceof SyscallError) return error.code;
    throw error;
  }
  return assert.fail(`${relativePath} was opened`);
}

test('a plain path below the root is opened, the root itself too', () => {
  assert.equal(opensAs('deep/er'), path.join(folder, 'root/deep/er'));
  assert.equal(opensAs('deep/file'), path.join(folder, 'root/deep/file'));
  assert.equal(opensAs('.'), path.join(folder, 'root'));
  assert.equal(opensAs('deep/../deep/er'), path.join(folder, 'root/deep/er'));
});

test('a path that leaves the root is refused', () => {
  assert.equal(refusal('..'), 'EXDEV');
  assert.equal(refusal('deep/../../outside'), 'EXDEV');
  assert.equal(refusal('/etc/passwd'), 'EXDEV');
});

test('a symbolic link is refused anywhere, wherever it leads', () => {
  for (const name of ['link-within', 'link-within/er', 'link-out', 'link-absolute', 'link-absolute/passwd']) {
    assert.equal(refusal(name), 'ELOOP', name);
  }
});

test('a magic link is refused', () => {
  const procFd = openPath('/proc/self');
  try {
    assert.equal(refusal('cwd', procFd), 'ELOOP');
    assert.equal(refusal('cwd/etc', procFd), 'ELOOP');
  } finally {
    closeFd(procFd);
  }
});

test('a directory can be insisted on', () => {
  assert.throws(() => openPathBeneath(rootFd, 'deep/file', { directory: true }), { code: 'ENOTDIR' });
  const fd = openPathBeneath(rootFd, 'deep', { directory: true });
  assert.ok(fstatSync(fd).isDirectory());
  closeFd(fd);
});

test('what is missing says so and names the path', () => {
  assert.throws(() => openPathBeneath(rootFd, 'deep/none'), {
    code: 'ENOENT',
    path: 'deep/none',
    syscall: 'openat2',
  });
  assert.equal(refusal(''), 'ENOENT');
});

test('a NUL byte cannot cut a path short', () => {
  assert.throws(() => openPathBeneath(rootFd, 'deep\0/er'), TypeError);
});

test('a file is made with the mode that was asked for, and never through a link', () => {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  const fd = openat2(rootFd, 'deep/made', { flags, mode: 0o600, resolve: resolveBeneath });
  assert.equal(fstatSync(fd).mode & 0o777, 0o600);
  closeFd(fd);
  assert.throws(() => openat2(rootFd, 'link-out', { flags, mode: 0o600, resolve: resolveBeneath }), {
    code: /EEXIST|ELOOP/,
  });
});

test('descriptors are closed on exec', () => {
  const fd = openPathBeneath(rootFd, 'deep');
  const flags = /flags:\t(\d+)/.exec(readFlags(fd))?.[1];
  assert.ok((Number.parseInt(flags ?? '0', 8) & 0o2000000) !== 0);
  closeFd(fd);
});

function readFlags(fd: number): string {
  const infoFd = openat2(-100, `/proc/self/fdinfo/${fd}`, { flags: constants.O_RDONLY });
  const bytes = Buffer.alloc(200);
  try {
    return bytes.toString('latin1', 0, readSync(infoFd, bytes));
  } finally {
    closeSync(infoFd);
  }
}

test('descriptors of a body are closed whether it returns or throws', () => {
  const seen: number[] = [];
  withDescriptors((own) => seen.push(own(openPathBeneath(rootFd, 'deep'))));
  assert.throws(
    () =>
      withDescriptors((own) => {
        seen.push(own(openPathBeneath(rootFd, 'deep')));
        throw new RangeError('in the middle');
      }),
    RangeError,
  );
  for (const fd of seen) assert.throws(() => fstatSync(fd), { code: 'EBADF' });
});
