import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { closestName } from './errors/closest-name.ts';
import { DriverError, isReason, reasons } from './errors.ts';
import { statusNameOf } from './rpc/status.ts';

const page = readFileSync(path.join(import.meta.dirname, '../docs/errors.md'), 'utf8');

/** The rows of the page's tables: reason, code, meaning, what to do. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

describe('docs/errors.md', () => {
  it('lists exactly the reasons of the code, each once', () => {
    const listed = rows.map(([reason = '']) => reason.replaceAll('`', ''));
    assert.deepEqual(listed.toSorted(), Object.keys(reasons).toSorted());
  });

  it('has the gRPC code of each reason, a meaning and something to do', () => {
    for (const [reason = '', code, meaning = '', advice = '', ...rest] of rows) {
      const name = reason.replaceAll('`', '');
      assert.ok(isReason(name), name);
      assert.equal(code, statusNameOf(name), name);
      assert.match(meaning, /^[A-Z].{10,}\.$/, name);
      assert.match(advice, /^[A-Z`].{5,}\.$/, name);
      assert.deepEqual(rest, [], name);
    }
  });
});

describe('DriverError', () => {
  it('keeps what it is made from', () => {
    const cause = new TypeError('why');
    const error = DriverError.from(cause);
    assert.equal(error.reason, 'internal');
    assert.equal(error.message, 'why');
    assert.equal(error.cause, cause);
    assert.equal(DriverError.from(error), error);
    assert.equal(DriverError.from('text').message, 'text');
  });

  it('tells which limit of the node a call of the kernel has met', () => {
    const failed = (code: string, syscall: string): DriverError =>
      DriverError.from(Object.assign(new Error(`${syscall} failed`), { code, syscall }));
    for (const [code, syscall, limit] of [
      ['EMFILE', 'open', /RLIMIT_NOFILE/],
      ['ENFILE', 'openat2', /fs\.file-max/],
      ['ENOMEM', 'statx', /memory/],
      ['ENOSPC', 'write', /disk/],
      ['ENOSPC', 'move_mount', /fs\.mount-max/],
      ['EDQUOT', 'mkdir', /quota/],
      ['EAGAIN', 'spawn famfs', /PID limit/],
    ] as const) {
      assert.equal(failed(code, syscall).reason, 'resource-exhausted', code);
      assert.match(failed(code, syscall).message, limit);
    }
    for (const code of ['EAGAIN', 'EIO', 'constructor'])
      assert.equal(failed(code, 'read').reason, 'internal');
    assert.equal(DriverError.from(Object.assign(new Error('x'), { code: 'EMFILE' })).reason, 'internal');
  });

  it('does not take what every object has for a reason', () => {
    for (const text of ['constructor', 'toString', '__proto__', '']) assert.equal(isReason(text), false);
  });
});

describe('the closest name', () => {
  const names = ['pool', 'path', 'access'];

  it('is found for a typing error, not for something else', () => {
    assert.equal(closestName('pol', names), 'pool');
    assert.equal(closestName('paht', names), 'path');
    assert.equal(closestName('ACCESS', names), 'access');
    assert.equal(closestName('replicas', names), undefined);
  });

  it('is found for every name with one character changed', () => {
    const changed = fc.record({
      name: fc.constantFrom(...names),
      at: fc.nat({ max: 3 }),
      letter: fc.constantFrom(...'xyz'),
    });
    fc.assert(
      fc.property(changed, ({ name, at, letter }) => {
        assert.equal(closestName(name.slice(0, at) + letter + name.slice(at + 1), names), name);
      }),
    );
  });
});
