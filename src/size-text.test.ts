import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { shortSize, sizeText, sizeWithBytes } from './size-text.ts';

test('a size is told in a unit that loses nothing, or with its bytes', () => {
  for (const [bytes, text] of [
    [0n, '0 bytes'],
    [1n, '1 byte'],
    [1000n, '1000 bytes'],
    [4096n, '4 KiB'],
    [2n << 20n, '2 MiB'],
    [1026n << 20n, '1026 MiB'],
    [5n << 30n, '5 GiB'],
    [8n << 50n, '8 PiB'],
    [20_000n << 50n, '20000 PiB (22517998136852480000 bytes)'],
    [5_366_611_968n, '5118 MiB'],
    [5_366_611_969n, '5.00 GiB (5366611969 bytes)'],
    [(6n << 40n) + (2n << 20n), '6.00 TiB (6597071863808 bytes)'],
  ] as const)
    assert.equal(sizeText(bytes), text);
});

test('two sizes are told alike only when they are', () => {
  const size = fc.bigInt({ min: 0n, max: (1n << 63n) - 1n });
  fc.assert(fc.property(size, size, (one, other) => one === other || sizeText(one) !== sizeText(other)));
});

test('a size in short has three digits', () => {
  assert.equal(shortSize(0n), '0 B');
  assert.equal(shortSize(1023n), '1023 B');
  assert.equal(shortSize(1024n), '1.00 KiB');
  assert.equal(shortSize(1n << 20n), '1.00 MiB');
  assert.equal(shortSize((1n << 20n) - 1n), '1.00 MiB');
  assert.equal(shortSize(50_000_000n), '47.7 MiB');
  assert.equal(shortSize(314_572_800n), '300 MiB');
  assert.equal(shortSize(5n << 50n), '5.00 PiB');
  assert.equal(shortSize(-4194304n), '-4.00 MiB');
  assert.equal(sizeWithBytes(5_366_611_968n), '5.00 GiB (5366611968 bytes)');
});
