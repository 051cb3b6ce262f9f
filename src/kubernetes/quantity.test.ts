import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { reasonIs } from '../../test/reason-is.ts';
import { bytesOf, quantityOf } from './quantity.ts';

test('a size is written with the largest suffix that loses nothing', () => {
  for (const [bytes, text] of [
    [0n, '0'],
    [1000n, '1000'],
    [1024n, '1Ki'],
    [64n << 30n, '64Gi'],
    [(64n << 30n) + 1n, '68719476737'],
    [1536n << 20n, '1536Mi'],
  ] as const)
    assert.equal(quantityOf(bytes), text);
});

test('whatever is written is read back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }), (bytes) => {
      assert.equal(bytesOf(quantityOf(bytes)), bytes);
    }),
  );
});

test('what is no whole number of bytes is refused', () => {
  for (const text of ['', '-1', '1.5Gi', '1G', '1ki', 'Gi', '1Gi ', '1e3', '99999999999999999999'])
    assert.throws(() => bytesOf(text), reasonIs('invalid-argument'), text);
});
