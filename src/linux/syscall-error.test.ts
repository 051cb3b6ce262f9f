import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { errorCodeOf, errorName, errorNumber, SyscallError } from './syscall-error.ts';

test('an error names the call, the object, the kernel text and the code', () => {
  const error = new SyscallError('umount2', 16, '/mnt/pool');
  assert.equal(error.code, 'EBUSY');
  assert.equal(error.errno, 16);
  assert.match(error.message, /^umount2 on \/mnt\/pool failed: .+ \(EBUSY\)$/);
});

test('a failed memory page has a name although Node knows none', () => {
  assert.equal(errorName(133), 'EHWPOISON');
  assert.equal(errorNumber('EHWPOISON'), 133);
  assert.match(new SyscallError('read', 133).message, /hardware error \(EHWPOISON\)/);
});

test("codes are those of Node's own errors", () => {
  assert.equal(errorName(95), 'ENOTSUP');
  assert.equal(errorName(11), 'EAGAIN');
  for (const [name, number] of Object.entries(os.constants.errno))
    assert.equal(errorNumber(errorName(number)), number, name);
});

test('an errno that nobody knows still has a code', () => {
  assert.equal(errorName(4000), 'E4000');
  assert.equal(errorNumber('ENOSUCHNAME'), 0);
});

test("an error of Node's becomes a SyscallError and stays as the cause", () => {
  const caught = errorOf(() => readFileSync('/no/such/file'));
  const error = SyscallError.from(caught);
  assert.ok(error instanceof SyscallError);
  assert.deepEqual([error.syscall, error.code, error.path], ['open', 'ENOENT', '/no/such/file']);
  assert.equal(error.cause, caught);
});

test('anything else passes unchanged', () => {
  const plain = new TypeError('no call failed here');
  assert.equal(SyscallError.from(plain), plain);
  assert.equal(SyscallError.from('text'), 'text');
});

test('the code of a caught error is found whatever made it', () => {
  assert.equal(errorCodeOf(new SyscallError('mount', 1)), 'EPERM');
  assert.equal(errorCodeOf(errorOf(() => readFileSync('/'))), 'EISDIR');
  const unknownToNode = Object.assign(new Error('read'), {
    code: 'Unknown system error -133',
    errno: -133,
    syscall: 'read',
  });
  assert.equal(errorCodeOf(unknownToNode), 'EHWPOISON');
  assert.equal(errorCodeOf(new Error('plain')), undefined);
  assert.equal(errorCodeOf(null), undefined);
});

function errorOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return assert.fail('did not throw');
}
