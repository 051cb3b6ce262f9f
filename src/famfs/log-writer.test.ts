import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { directory, file, MemoryPool, superblock, unit } from '../../test/memory-pool.ts';
import { DriverError } from '../errors.ts';
import type { Extent, FileEntry } from './log-entry.ts';
import { encodeLogHeader } from './log-header.ts';
import { LogValidator } from './log-validator.ts';
import { allocateContiguous, allocateInterleaved, appendLogEntry, emptyLogHeader } from './log-writer.ts';
import { PoolLog } from './pool-log.ts';
import { SpaceAccount } from './space.ts';
import { UnitBitmap } from './unit-bitmap.ts';

test('an entry is appended before the header’s counters move, sequence number first', () => {
  const header = emptyLogHeader(0x800000n);
  const { header: next, writes } = appendLogEntry(header, directory('d'));
  assert.deepEqual(next, { ...header, nextIndex: 1n, nextSequence: 1n });
  assert.deepEqual(
    writes.map(({ offsetBytes, bytes }) => [offsetBytes, bytes.length]),
    [
      [48, 544],
      [32, 8],
      [40, 8],
    ],
  );
  const log = encodeLogHeader(header);
  for (const { offsetBytes, bytes } of writes.slice(1)) bytes.copy(log, offsetBytes);
  assert.deepEqual(log, encodeLogHeader(next));
});

test('a full log takes no entry', () => {
  const full = { ...emptyLogHeader(0x800000n), nextIndex: 15420n, nextSequence: 15420n };
  assert.throws(
    () => appendLogEntry(full, directory('d')),
    (error) => error instanceof DriverError && error.reason === 'log-full',
  );
  const last = { ...full, nextIndex: 15419n, nextSequence: 15419n };
  assert.equal(appendLogEntry(last, directory('d')).header.nextIndex, 15420n);
});

test('a bitmap agrees with a plain list of what is taken', () => {
  const run = fc.record({ first: fc.nat(99), count: fc.integer({ min: 0, max: 70 }) });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.array(run, { maxLength: 12 }),
      fc.nat(40),
      run,
      (size, runs, wanted, within) => {
        const bitmap = new UnitBitmap(size);
        const taken = new Array<boolean>(size).fill(false);
        for (const { first, count } of runs) {
          const units = Array.from({ length: count }, (_, i) => first + i).filter((each) => each < size);
          const inside = first + count <= size;
          const free = units.every((each) => taken[each] === false);
          const collisions = units.filter((each) => taken[each]).length;
          assert.equal(
            bitmap.firstTaken({ first, count: units.length }),
            units.find((each) => taken[each]),
          );
          if (inside && count % 2 === 1) assert.equal(bitmap.takeIfFree(first, count), free);
          else assert.equal(bitmap.take({ first, count }), collisions);
          if (free || !(inside && count % 2 === 1)) for (const each of units) taken[each] = true;
        }
        assert.deepEqual(
          taken.map((_, i) => bitmap.isTaken(i)),
          taken,
        );
        assert.equal(bitmap.takenCount, taken.filter(Boolean).length);
        const text = taken.map((each) => (each ? 'x' : '.')).join('');
        const longest = Math.max(0, ...text.split(/x+/).map((each) => each.length));
        assert.equal(bitmap.longestFreeRun().count, longest);
        const from = Math.min(within.first, size);
        const to = Math.min(from + within.count, size);
        const at = text.slice(from, to).indexOf('.'.repeat(wanted + 1));
        assert.deepEqual(
          bitmap.firstFit(wanted + 1, from, to),
          at < 0 ? undefined : { first: from + at, count: wanted + 1 },
        );
      },
    ),
    { numRuns: 300 },
  );
});

/** Units of an independent model: a set of numbers, by famfs's rule of whole units. */
function unitsOf(extents: readonly Extent[]): bigint[] {
  return extents.flatMap(({ offsetBytes, lengthBytes }) =>
    Array.from(
      { length: Number((lengthBytes + unit - 1n) / unit) },
      (_, i) => offsetBytes / unit + BigInt(i),
    ),
  );
}

const request = fc.record({
  sizeBytes: fc.oneof(fc.bigInt({ min: 1n, max: 64n << 20n }), fc.bigInt({ min: 1n, max: 3n << 30n })),
  strips: fc.option(fc.integer({ min: 1, max: 4 })),
  chunkShift: fc.integer({ min: 0, max: 3 }),
  seed: fc.double({ min: 0, max: 0.999, noNaN: true }),
});

test('allocations never overlap, are accepted by the validator, and their space is what a plain model counts', () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 25 }), (requests) => {
      const account = new SpaceAccount(superblock);
      const validator = new LogValidator(superblock);
      const taken = new Set<bigint>([0n, 1n, 2n, 3n, 4n]);
      const total = superblock.deviceSizeBytes / unit;
      for (const [i, { sizeBytes, strips, chunkShift, seed }] of requests.entries()) {
        const chunkBytes = unit << BigInt(chunkShift);
        const plain = () => {
          const extents = allocateContiguous(account.bitmap, unit, sizeBytes);
          return extents === undefined ? undefined : { extents };
        };
        const place =
          strips === null
            ? plain()
            : allocateInterleaved(
                account.bitmap,
                unit,
                sizeBytes,
                { stripCount: strips, bucketCount: 4, chunkBytes },
                () => seed,
              );
        if (place === undefined) continue;
        const entry: FileEntry = { ...file(`f${i}`), sizeBytes, ...place };
        validator.accept(entry);
        account.add(entry);
        for (const each of unitsOf(entry.extents)) {
          assert.equal(taken.has(each), false);
          taken.add(each);
        }
      }
      let longest = 0n;
      for (let at = 0n, run = 0n; at < total; at += 1n) {
        run = taken.has(at) ? 0n : run + 1n;
        if (run > longest) longest = run;
      }
      const allocatedBytes = BigInt(taken.size) * unit;
      const expected = {
        sizeBytes: total * unit,
        allocatedBytes,
        freeBytes: total * unit - allocatedBytes,
        longestFreeRunBytes: longest * unit,
        collisions: 0,
      };
      assert.deepEqual(account.space, expected);
      assert.deepEqual(validator.space, expected);
    }),
    { numRuns: 60 },
  );
});

test('a contiguous file takes the first run that is long enough, in whole units', () => {
  const bitmap = new UnitBitmap(20);
  bitmap.take({ first: 0, count: 5 });
  bitmap.take({ first: 7, count: 1 });
  assert.deepEqual(allocateContiguous(bitmap, unit, 1n), [{ offsetBytes: 5n * unit, lengthBytes: unit }]);
  assert.deepEqual(allocateContiguous(bitmap, unit, 2n * unit + 1n), [
    { offsetBytes: 8n * unit, lengthBytes: 3n * unit },
  ]);
  assert.equal(allocateContiguous(bitmap, unit, 13n * unit), undefined);
  assert.deepEqual(allocateContiguous(bitmap, unit, 12n * unit), [
    { offsetBytes: 8n * unit, lengthBytes: 12n * unit },
  ]);
});

test('a striped file lies in as many different buckets as it has strips', () => {
  const { bitmap } = new SpaceAccount(superblock);
  const place = allocateInterleaved(bitmap, unit, 50_000_000n, {
    stripCount: 3,
    bucketCount: 4,
    chunkBytes: unit,
  });
  assert.deepEqual(place?.interleave, { chunkBytes: unit, stripCount: 3 });
  const buckets = new Set(place.extents.map(({ offsetBytes }) => offsetBytes / (2n << 30n)));
  assert.equal(buckets.size, 3);
  assert.deepEqual(
    place.extents.map(({ lengthBytes }) => lengthBytes),
    [8n * unit, 8n * unit, 8n * unit],
  );
  const small = allocateInterleaved(bitmap, unit, 4n, { stripCount: 3, bucketCount: 4, chunkBytes: unit });
  assert.deepEqual(small, { extents: [{ offsetBytes: 5n * unit, lengthBytes: unit }] });
});

test('a geometry that famfs refuses is refused', () => {
  const { bitmap } = new SpaceAccount(superblock);
  const good = { stripCount: 2, bucketCount: 4, chunkBytes: unit };
  const bad = [
    { stripCount: 0 },
    { stripCount: 17, bucketCount: 20 },
    { stripCount: 5 },
    { bucketCount: 65 },
    { bucketCount: 9 },
    { chunkBytes: 3n * unit },
    { chunkBytes: 4096n },
    { chunkBytes: 0n },
  ];
  for (const change of bad) {
    assert.throws(
      () => allocateInterleaved(bitmap, unit, 1n << 28n, { ...good, ...change }),
      (error) => error instanceof DriverError && error.reason === 'invalid-argument',
    );
  }
});

test('space counts collisions and what lies past the end, as famfs’s fsck does', () => {
  const account = new SpaceAccount(superblock);
  account.add(file('a', 0, 2));
  account.add(file('b', 1, 2));
  assert.equal(account.space.collisions, 1);
  assert.equal(account.space.allocatedBytes, 8n * unit);
  const units = Number(superblock.deviceSizeBytes / unit);
  account.add({ ...file('c'), extents: [{ offsetBytes: 8n * unit, lengthBytes: BigInt(units - 6) * unit }] });
  assert.equal(account.space.freeBytes, -2n * unit);
  assert.equal(account.space.longestFreeRunBytes, 0n);
});

test('what the writer writes, the reader reads', async () => {
  const pool = new MemoryPool();
  const entries = [directory('a'), file('a/b', 0, 4), directory('a/c')];
  pool.append(...entries);
  const log = new PoolLog(pool);
  await log.refresh();
  assert.deepEqual(log.entries, entries);
});
