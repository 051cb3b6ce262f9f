import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { directory, file, MemoryPool, superblock } from '../../test/memory-pool.ts';
import { DriverError } from '../errors.ts';
import { encodeLogEntry, type LogEntry } from './log-entry.ts';
import { logEntryOffset } from './log-header.ts';
import { PoolLog } from './pool-log.ts';
import { isNotYet, refusalOf } from './refusal.ts';
import { encodeSuperblock } from './superblock.ts';

const entries: LogEntry[] = [
  directory('d'),
  file('d/a', 0, 3),
  directory('e'),
  file('e/b', 3),
  file('c', 9, 2),
];

async function failureOf(work: Promise<unknown>): Promise<DriverError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof DriverError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

test('an empty log has no entries and all its space but the superblock’s and its own', async () => {
  const log = new PoolLog(new MemoryPool());
  assert.deepEqual(await log.refresh(), { changed: true, added: 0 });
  assert.deepEqual(log.entries, []);
  assert.equal(log.superblock.fileSystemUuid, superblock.fileSystemUuid);
  assert.equal(log.space.freeBytes, (8n << 30n) - 0xa00000n);
  assert.equal(log.space.longestFreeRunBytes, log.space.freeBytes);
});

test('a log that did not move costs one read of 48 bytes', async () => {
  const pool = new MemoryPool(entries);
  const log = new PoolLog(pool);
  await log.refresh();
  pool.reads.length = 0;
  pool.superblockReads = 0;
  assert.deepEqual(await log.refresh(), { changed: false, added: 0 });
  assert.equal(await log.hasMoved(), false);
  assert.deepEqual(pool.reads, [
    { offset: 0, length: 48 },
    { offset: 0, length: 48 },
  ]);
  assert.equal(pool.superblockReads, 0);
});

test('only new entries are read', async () => {
  const pool = new MemoryPool(entries);
  const log = new PoolLog(pool);
  await log.refresh();
  pool.append(file('d/new', 20), directory('d/more'));
  pool.reads.length = 0;
  assert.equal(await log.hasMoved(), true);
  assert.deepEqual(await log.refresh(), { changed: true, added: 2 });
  assert.deepEqual(pool.reads.slice(2), [{ offset: logEntryOffset(5), length: 2 * 544 }]);
  assert.deepEqual(log.find('d/new'), file('d/new', 20));
  assert.deepEqual(
    log.below('d').map((entry) => entry.path),
    ['d/a', 'd/new', 'd/more'],
  );
  assert.equal(log.header.nextIndex, 7n);
});

test('nothing is known before the first refresh', () => {
  const log = new PoolLog(new MemoryPool());
  for (const ask of [
    () => log.superblock,
    () => log.header,
    () => log.entries,
    () => log.space,
    () => log.find('x'),
  ]) {
    assert.throws(ask, (error) => error instanceof DriverError && error.reason === 'pool-not-ready');
  }
});

/** Good entries in a possible order: each file below a directory that came before. */
const someEntries = fc
  .array(fc.record({ isFile: fc.boolean(), parent: fc.nat(), units: fc.integer({ min: 1, max: 4 }) }), {
    maxLength: 30,
  })
  .map((choices) => {
    const directories = [''];
    let next = 0;
    return choices.map(({ isFile, parent, units }, i): LogEntry => {
      const path = `${directories[parent % directories.length]}${i}`;
      if (!isFile) {
        if (path.length < 60) directories.push(`${path}/`);
        return directory(path);
      }
      next += units;
      return file(path, next - units, units);
    });
  });

test('reading a log as it grows gives the same as reading it at once, wherever it is split', async () => {
  await fc.assert(
    fc.asyncProperty(someEntries, async (all) => {
      const whole = new PoolLog(new MemoryPool(all));
      await whole.refresh();
      assert.deepEqual(whole.entries, all);
      for (let split = 0; split <= all.length; split += 1) {
        const pool = new MemoryPool(all.slice(0, split));
        const log = new PoolLog(pool);
        await log.refresh();
        pool.append(...all.slice(split));
        await log.refresh();
        assert.deepEqual(log.entries, whole.entries);
        assert.deepEqual(log.space, whole.space);
        assert.deepEqual(log.header, whole.header);
      }
    }),
    { numRuns: 10 },
  );
});

test('no flipped bits anywhere in superblock, header or entries are read as another pool', async () => {
  const expected = new PoolLog(new MemoryPool(entries));
  await expected.refresh();
  const used = logEntryOffset(entries.length);
  // Of the superblock only what its CRC covers: device size and path lie outside.
  const bit = fc.oneof(
    fc.nat(104 * 8 - 1).map((at) => at - 104 * 8),
    fc.nat(used * 8 - 1),
  );
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(bit, { minLength: 1, maxLength: 3 }), async (bits) => {
      const pool = new MemoryPool(entries);
      for (const each of bits) {
        const [data, at] = each < 0 ? [pool.superblockData, each + 104 * 8] : [pool.log, each];
        data.writeUInt8(data.readUInt8(at >> 3) ^ (1 << (at & 7)), at >> 3);
      }
      const log = new PoolLog(pool);
      try {
        await log.refresh();
      } catch (error) {
        assert.notEqual(refusalOf(error), undefined);
        return;
      }
      // next_seqnum and next_index agreeing on less is a shorter log, not another one.
      assert.deepEqual(log.superblock, superblock);
      assert.deepEqual(log.entries, entries.slice(0, log.entries.length));
    }),
    { numRuns: 500 },
  );
});

test('what was accepted before a refused entry stays, and the next refresh begins at that entry', async () => {
  const pool = new MemoryPool(entries);
  pool.entryBytes(3).writeUInt8(0xff, 20);
  const log = new PoolLog(pool);
  const refused = await failureOf(log.refresh());
  assert.equal(refused.reason, 'log-refused');
  assert.equal(refusalOf(refused)?.entry, 3);
  assert.equal(refusalOf(refused)?.field, 'crc');
  assert.equal(isNotYet(refused), false);
  assert.deepEqual(log.entries, entries.slice(0, 3));
  assert.equal((await failureOf(log.refresh())).details.entry, 3);
  encodeLogEntry(file('e/b', 3), 3).copy(pool.entryBytes(3));
  assert.deepEqual(await log.refresh(), { changed: true, added: 2 });
  assert.deepEqual(log.entries, entries);
});

test('a torn entry at the end is read again, and one that stays torn is called not yet', async () => {
  const pool = new MemoryPool(entries);
  const log = new PoolLog(pool);
  await log.refresh();
  pool.setCount(7n);
  const refused = await failureOf(log.refresh());
  assert.equal(isNotYet(refused), true);
  assert.deepEqual(refusalOf(refused)?.entry, 5);
  assert.match(refused.message, /read again/);
  encodeLogEntry(directory('x'), 5).copy(pool.entryBytes(5));
  // The last entry arrives between the first look at it and the second.
  pool.reads.length = 0;
  pool.beforeRead = (count) => {
    if (count === 2) encodeLogEntry(directory('y'), 6).copy(pool.entryBytes(6));
  };
  assert.deepEqual(await log.refresh(), { changed: true, added: 2 });
  assert.deepEqual(pool.reads.at(-1), { offset: logEntryOffset(6), length: 544 });
});

test('a torn entry with whole ones behind it is damage', async () => {
  const pool = new MemoryPool(entries);
  pool.entryBytes(2).fill(0);
  assert.equal(isNotYet(await failureOf(new PoolLog(pool).refresh())), false);
});

test('a hostile entry with a right CRC is not called not yet', async () => {
  const pool = new MemoryPool(entries);
  pool.append(directory('../x'));
  const refused = await failureOf(new PoolLog(pool).refresh());
  assert.deepEqual(
    [isNotYet(refused), refusalOf(refused)?.entry, refusalOf(refused)?.field],
    [false, 5, 'path'],
  );
});

test('a header caught between its two counters is read again', async () => {
  const pool = new MemoryPool(entries);
  const log = new PoolLog(pool);
  await log.refresh();
  const before = Buffer.from(pool.log.subarray(0, 48));
  pool.append(directory('x'));
  const after = Buffer.from(pool.log.subarray(0, 48));
  pool.log.set(before.subarray(40, 48), 40);
  assert.equal(isNotYet(await failureOf(log.refresh())), true);
  pool.reads.length = 0;
  pool.beforeRead = (count) => {
    if (count === 1) after.copy(pool.log);
  };
  assert.deepEqual(await log.refresh(), { changed: true, added: 1 });
});

test('a log that went back is another pool, until the reader is reset', async () => {
  const pool = new MemoryPool(entries);
  const log = new PoolLog(pool);
  await log.refresh();
  pool.setCount(2n);
  assert.equal((await failureOf(log.refresh())).reason, 'pool-reformatted');
  pool.setCount(5n);
  assert.equal((await failureOf(log.refresh())).reason, 'pool-reformatted');
  log.reset();
  assert.deepEqual(await log.refresh(), { changed: true, added: 5 });
});

test('another UUID is another pool, even when its log looks the same', async () => {
  const pool = new MemoryPool(entries);
  const log = new PoolLog(pool);
  await log.refresh();
  pool.superblockData = encodeSuperblock({
    ...superblock,
    fileSystemUuid: '00000000-0000-4000-8000-000000000000',
  });
  const refused = await failureOf(log.verifyIdentity());
  assert.equal(refused.reason, 'pool-reformatted');
  assert.deepEqual(refused.details, {
    expectedUuid: superblock.fileSystemUuid,
    foundUuid: '00000000-0000-4000-8000-000000000000',
  });
  assert.equal((await failureOf(log.refresh())).reason, 'pool-reformatted');
});

test('a format in the middle of a refresh is noticed', async () => {
  const pool = new MemoryPool(entries);
  const log = new PoolLog(pool);
  await log.refresh();
  pool.append(directory('x'));
  pool.reads.length = 0;
  pool.beforeRead = (count) => {
    if (count !== 1) return;
    pool.superblockData = encodeSuperblock({
      ...superblock,
      fileSystemUuid: '00000000-0000-4000-8000-000000000000',
    });
    pool.log.fill(0);
  };
  assert.equal((await failureOf(log.refresh())).reason, 'pool-reformatted');
});

test('a device that changes its size while its UUID stays is refused', async () => {
  const pool = new MemoryPool(entries);
  const log = new PoolLog(pool);
  await log.refresh();
  pool.superblockData = encodeSuperblock({ ...superblock, deviceSizeBytes: 16n << 30n });
  pool.append(directory('x'));
  assert.equal(refusalOf(await failureOf(log.refresh()))?.field, 'superblock device size');
});

test('a log that ends before its last entry is refused at the first one missing', async () => {
  const pool = new MemoryPool(entries);
  pool.log = pool.log.subarray(0, logEntryOffset(3) + 100);
  const refused = await failureOf(new PoolLog(pool).refresh());
  assert.deepEqual([refusalOf(refused)?.entry, refusalOf(refused)?.field], [3, 'length']);
});

test('a full log is read in pieces, in between which others get their turn', async () => {
  const many = Array.from({ length: 15420 }, (_, i) => directory(`d${i}`));
  const pool = new MemoryPool(many);
  const log = new PoolLog(pool);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    ticking = setImmediate(count);
  };
  let ticking = setImmediate(count);
  await log.refresh();
  clearImmediate(ticking);
  assert.equal(log.entryCount, 15420);
  assert.equal(log.space.freeBytes, (8n << 30n) - 0xa00000n);
  assert.ok(turns >= 8, `${turns} turns`);
  assert.ok(pool.reads.every(({ length }) => length <= 0x100000));
});

test('refreshes that meet share one reading, which begins after the last of them was asked for', async () => {
  const pool = new MemoryPool(entries);
  const log = new PoolLog(pool);
  const first = log.refresh();
  pool.beforeRead = (count) => {
    if (count === 1) pool.append(directory('x'));
  };
  const others = [log.refresh(), log.refresh(), log.refresh()];
  assert.deepEqual(await first, { changed: true, added: 5 });
  assert.deepEqual(await Promise.all(others), Array(3).fill({ changed: true, added: 1 }));
  assert.equal(log.entryCount, 6);
});

test('a reader gives its source back', () => {
  const pool = new MemoryPool();
  new PoolLog(pool).close();
  assert.equal(pool.closed, true);
});
