// Damage of every kind to a superblock and a log: refused, or read as if it were not there; never read as something
// else, never with more work than a whole log takes. And damage with right CRCs, as a hostile writer makes it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { DriverError } from '../../src/errors.ts';
import type { LogEntry } from '../../src/famfs/log-entry.ts';
import { logEntryOffset, logHeaderBytes } from '../../src/famfs/log-header.ts';
import { PoolLog } from '../../src/famfs/pool-log.ts';
import { type Refusal, refusalOf } from '../../src/famfs/refusal.ts';
import { type Superblock, superblockBytes } from '../../src/famfs/superblock.ts';
import { brokenPromise } from '../log-promise.ts';
import { dataStart, directory, file, MemoryPool, superblock as sample, unit } from '../memory-pool.ts';

const superblock: Superblock = { ...sample, logLengthBytes: unit };
const striped: LogEntry = {
  ...file('d/striped'),
  sizeBytes: 7n * unit + 4096n,
  extents: [3n, 30n, 60n].map((first) => ({ offsetBytes: dataStart + first * unit, lengthBytes: 3n * unit })),
  interleave: { chunkBytes: unit, stripCount: 3 },
};
const entries: readonly LogEntry[] = [directory('d', 0o2755), file('d/plain', 0, 2), striped];
const logBytes = logEntryOffset(entries.length);
/** What the CRC of the superblock covers, with the CRC itself. */
const guardedBytes = 104;
const deviceSizeField = { from: 112, to: 120 };
/** Twice the header and every entry, and each entry once more alone. */
const mostReads = 2 + 1 + 2 * entries.length;

interface Reading {
  readonly superblock: Superblock;
  readonly entries: readonly LogEntry[];
  readonly freeBytes: bigint;
  readonly longestFreeRunBytes: bigint;
}

const undamaged: Reading = {
  superblock,
  entries,
  freeBytes: superblock.deviceSizeBytes - 2n * unit - 11n * unit,
  longestFreeRunBytes: superblock.deviceSizeBytes - dataStart - 63n * unit,
};

/** Reads a pool as new; throws what is not a refusal, and fails on more work than a log of that length takes. */
async function read(pool: MemoryPool): Promise<{ log: PoolLog } | { refusal: Refusal }> {
  const log = new PoolLog(pool);
  try {
    await log.refresh();
    return { log };
  } catch (error) {
    const refusal = refusalOf(error);
    if (!(error instanceof DriverError) || refusal === undefined) throw error;
    assert.ok(['superblock-refused', 'log-refused'].includes(error.reason), error.reason);
    return { refusal };
  } finally {
    assert.ok(pool.reads.length <= mostReads && pool.superblockReads <= 2, `${pool.reads.length} reads`);
    assert.ok(
      pool.reads.every(({ length }) => length <= 2 ** 20),
      'a read of more than 1 MiB',
    );
  }
}

function readingOf({ superblock: own, entries: all, space }: PoolLog): Reading {
  const { freeBytes, longestFreeRunBytes } = space;
  return { superblock: own, entries: all, freeBytes, longestFreeRunBytes };
}

/** Every pool that differs from the undamaged one in a single bit of its superblock or of its log. */
function* flipped(): Generator<{ pool: MemoryPool; part: 'superblock' | 'log'; at: number; what: string }> {
  for (const part of ['superblock', 'log'] as const) {
    const length = part === 'superblock' ? superblockBytes : logBytes;
    for (let bit = 0; bit < length * 8; bit += 1) {
      const pool = newPool();
      const data = part === 'superblock' ? pool.superblockData : pool.log;
      const at = bit >> 3;
      data.writeUInt8(data.readUInt8(at) ^ (1 << (bit & 7)), at);
      yield { pool, part, at, what: `bit ${bit & 7} of byte ${at} of the ${part}` };
    }
  }
}

const whole = new MemoryPool(entries, superblock);

function newPool(): MemoryPool {
  const pool = new MemoryPool([], superblock);
  pool.superblockData = Buffer.from(whole.superblockData);
  pool.log = Buffer.from(whole.log);
  return pool;
}

/** Makes every CRC right again, as who writes such a log on purpose does. */
function rightCrcs(pool: MemoryPool): void {
  const { superblockData, log } = pool;
  superblockData.writeUInt32LE(crc32(superblockData.subarray(0, 96)), 96);
  log.writeUInt32LE(crc32(log.subarray(0, 24)), 24);
  for (let index = 0; index < entries.length; index += 1) {
    const at = logEntryOffset(index);
    log.writeUInt32LE(crc32(log.subarray(at, at + 536)), at + 536);
  }
}

test('the undamaged pool is read as it was written', async () => {
  const found = await read(newPool());
  assert.ok('log' in found);
  assert.deepEqual(readingOf(found.log), undamaged);
  assert.equal(brokenPromise(found.log), undefined);
});

test('a flip of any bit of superblock, header and entries is refused or changes nothing', async (t) => {
  let refused = 0;
  let cases = 0;
  for (const { pool, part, at, what } of flipped()) {
    cases += 1;
    const found = await read(pool);
    if ('refusal' in found) {
      refused += 1;
      continue;
    }
    // famfs's CRC covers the first 96 bytes of a superblock: of what follows, only two fields are read at all.
    assert.ok(part === 'superblock' && at >= guardedBytes, `${what} was accepted`);
    assert.deepEqual(found.log.entries, entries, what);
    assert.equal(brokenPromise(found.log), undefined, what);
    const { deviceSizeBytes, devicePath, ...rest } = found.log.superblock;
    assert.deepEqual({ ...superblock, ...rest }, superblock, what);
    const isSize = at >= deviceSizeField.from && at < deviceSizeField.to;
    assert.equal(deviceSizeBytes !== superblock.deviceSizeBytes, isSize, what);
    assert.equal(devicePath === superblock.devicePath || at >= 136, true, what);
  }
  assert.equal(cases, (superblockBytes + logBytes) * 8);
  // All that the CRCs and counters guard, and the sizes that cannot be.
  assert.ok(refused >= (guardedBytes + logBytes) * 8, `${refused} refused`);
  t.diagnostic(`${cases} flips, ${refused} refused`);
});

test('a superblock that ends anywhere is refused', async () => {
  for (let length = 0; length < superblockBytes; length += 1) {
    const pool = newPool();
    pool.superblockData = pool.superblockData.subarray(0, length);
    const found = await read(pool);
    assert.equal('refusal' in found && found.refusal.field, 'superblock size', `${length} bytes`);
  }
});

test('a log that ends anywhere before its last entry is refused at the entry that is not whole', async () => {
  for (let length = 0; length < logBytes; length += 1) {
    const pool = newPool();
    pool.log = pool.log.subarray(0, length);
    const found = await read(pool);
    assert.ok('refusal' in found, `${length} bytes`);
    const inHeader = length < logHeaderBytes;
    assert.equal(found.refusal.entry, inHeader ? null : Math.floor((length - logHeaderBytes) / 544));
    assert.equal(found.refusal.field, inHeader ? 'header size' : 'length');
  }
});

test('a flip of any bit with CRCs that are right is refused or keeps what an accepted log promises', async (t) => {
  let refused = 0;
  let cases = 0;
  for (const { pool, what } of flipped()) {
    cases += 1;
    rightCrcs(pool);
    const found = await read(pool);
    if ('refusal' in found) refused += 1;
    else assert.equal(brokenPromise(found.log), undefined, what);
  }
  // Both have to happen: names, owners, padding may be anything, while places and counts may not.
  assert.ok(refused > 1000 && cases - refused > 1000, `${refused} of ${cases} refused`);
  t.diagnostic(`${cases} flips, ${refused} refused`);
});
