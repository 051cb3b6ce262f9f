import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { ioctl } from './ioctl.ts';

const fionread = 0x541b;
const folder = mkdtempSync(path.join(os.tmpdir(), 'ioctl-'));
writeFileSync(path.join(folder, 'file'), 'ten bytes!');
const fd = openSync(path.join(folder, 'file'), 'r');
after(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

test('a request fills its buffer', () => {
  const answer = Buffer.alloc(4);
  assert.equal(ioctl(fd, fionread, answer), 0);
  assert.equal(answer.readInt32LE(), 10);
  readSync(fd, Buffer.alloc(4));
  ioctl(fd, fionread, answer);
  assert.equal(answer.readInt32LE(), 6);
});

test('a request that the file does not know is an error with a code', () => {
  assert.throws(() => ioctl(fd, 0x8008_7f7f, Buffer.alloc(8)), {
    name: 'SyscallError',
    syscall: 'ioctl',
    code: 'ENOTTY',
  });
  assert.throws(() => ioctl(9999, fionread, Buffer.alloc(4)), { code: 'EBADF' });
});
