// The allocator: where files go, and its mistake near the end of the device.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PoolAllocator } from './pool-allocator.ts';

const unit = 1n << 21n;
const messages: string[] = [];

function allocatorOf(units: bigint, taken: readonly [bigint, bigint][] = []): PoolAllocator {
  messages.length = 0;
  const allocator = new PoolAllocator(units * unit, unit, (line) => messages.push(line));
  for (const [first, count] of taken) {
    allocator.take({ offsetBytes: first * unit, lengthBytes: count * unit });
  }
  return allocator;
}

test('a file takes the first run that is long enough, in whole units', () => {
  const allocator = allocatorOf(20n, [
    [0n, 5n],
    [7n, 1n],
  ]);
  assert.deepEqual(allocator.allocateContiguous(2n * unit + 1n), {
    offsetBytes: 8n * unit,
    lengthBytes: 3n * unit,
  });
  assert.equal(allocator.allocatedBytes, 9n * unit);
});

test('places of the first file of a command never overlap and stay on the device', () => {
  const run = fc.tuple(fc.bigInt({ min: 0n, max: 99n }), fc.bigInt({ min: 1n, max: 10n }));
  fc.assert(
    fc.property(fc.array(run, { maxLength: 15 }), fc.bigInt({ min: 1n, max: 60n }), (taken, count) => {
      const allocator = allocatorOf(100n, taken);
      const before = allocator.allocatedBytes;
      const place = allocator.allocateContiguous(count * unit);
      if (place === undefined) return;
      assert.equal(allocator.allocatedBytes, before + count * unit);
      assert.ok(place.offsetBytes + place.lengthBytes <= 100n * unit);
    }),
  );
});

test('the second file of one command can be placed past the end of the device, as with famfs', () => {
  const allocator = allocatorOf(16n, [[0n, 5n]]);
  assert.ok(allocator.allocateContiguous(unit));
  const place = allocator.allocateContiguous(12n * unit);
  assert.deepEqual(place, { offsetBytes: 6n * unit, lengthBytes: 12n * unit });
  assert.equal(16n * unit - allocator.allocatedBytes, -2n * unit);
});

test('strips lie in different buckets, and a lack of them is told', () => {
  const allocator = allocatorOf(4096n, [[0n, 5n]]);
  const geometry = { stripCount: 4n, bucketCount: 4n, chunkBytes: unit };
  const strips = allocator.allocateStriped(9n * unit, geometry);
  const buckets = strips?.map(({ offsetBytes }) => offsetBytes / (1024n * unit)).sort();
  assert.deepEqual(buckets, [0n, 1n, 2n, 3n]);
  assert.ok(strips?.every(({ lengthBytes }) => lengthBytes === 3n * unit));
  assert.equal(allocator.allocateStriped(unit, { ...geometry, chunkBytes: 3n * unit }), undefined);
  assert.match(messages.at(-1) ?? '', /must be a power of 2/);
});
