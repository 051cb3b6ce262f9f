import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { directory, file } from '../../test/memory-pool.ts';
import { EntryBatch } from './entry-batch.ts';
import { entryCrc } from './entry-crc.ts';
import { encodeLogEntry, type LogEntry, logEntryBytes, parseLogEntry } from './log-entry.ts';
import { encodeLogHeader, parseLogHeader, requireTrustworthyLogHeader } from './log-header.ts';
import { emptyLogHeader } from './log-writer.ts';
import { isNotYet, refusalOf } from './refusal.ts';

const uint32 = fc.nat(0xffffffff);
const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const path = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .filter((text) => !text.includes('\0') && text.isWellFormed() && Buffer.byteLength(text) <= 79);
const extents = fc.array(fc.record({ offsetBytes: uint64, lengthBytes: uint64 }, { noNullPrototype: true }), {
  minLength: 1,
  maxLength: 16,
});
const common = { path, mode: uint32, uid: uint32, gid: uint32 };
const simpleFile = fc.record(
  { kind: fc.constant('file' as const), sizeBytes: uint64, extents, ...common },
  { noNullPrototype: true },
);
const anyEntry: fc.Arbitrary<LogEntry> = fc.oneof(
  fc.record({ kind: fc.constant('directory' as const), ...common }, { noNullPrototype: true }),
  simpleFile,
  fc
    .tuple(simpleFile, uint64)
    .map(([each, chunkBytes]) => ({ ...each, interleave: { chunkBytes, stripCount: each.extents.length } })),
);

function refusal(act: () => unknown): { entry: number | null; field: string; reason: string } | undefined {
  try {
    act();
  } catch (error) {
    return refusalOf(error);
  }
  return undefined;
}

/** An entry's bytes with a change and the right CRC. */
function forged(entry: LogEntry, change: (data: Buffer) => void): Buffer {
  const data = encodeLogEntry(entry, 7);
  change(data);
  data.writeBigUInt64LE(BigInt(crc32(data.subarray(0, 536))), 536);
  return data;
}

test('any entry survives being written and read', () => {
  fc.assert(
    fc.property(anyEntry, fc.nat(0xffffffff), (entry, index) => {
      assert.deepEqual(parseLogEntry(encodeLogEntry(entry, index), index), entry);
    }),
  );
});

test('no flip of bits in an entry is read as something else', () => {
  fc.assert(
    fc.property(
      anyEntry,
      fc.uniqueArray(fc.nat(logEntryBytes * 8 - 1), { minLength: 1, maxLength: 4 }),
      (entry, bits) => {
        const data = encodeLogEntry(entry, 3);
        for (const bit of bits) data.writeUInt8(data.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        assert.equal(refusal(() => parseLogEntry(data, 3))?.field, 'crc');
      },
    ),
  );
});

test('the fast CRC is zlib’s, with and without zeros at the end', () => {
  const bytes = fc.uint8Array({ minLength: logEntryBytes, maxLength: logEntryBytes });
  fc.assert(
    fc.property(bytes, fc.nat(536), (content, end) => {
      const batch = new EntryBatch(2);
      batch.bytes.set(content.subarray(0, end), logEntryBytes);
      const expected = crc32(batch.bytes.subarray(logEntryBytes, logEntryBytes + 536));
      assert.equal(entryCrc(batch.words, logEntryBytes / 4), expected);
    }),
  );
});

test('what has no meaning by the layout is refused by entry and field', () => {
  const plain = file('a');
  const striped: LogEntry = { ...plain, interleave: { chunkBytes: 0x200000n, stripCount: 1 } };
  const field = (data: Buffer) => refusal(() => parseLogEntry(data, 7))?.field;
  assert.equal(field(encodeLogEntry(plain, 8)), 'seqnum');
  assert.equal(field(forged(plain, (data) => data.writeUInt32LE(1, 4))), 'seqnum');
  assert.equal(field(forged(plain, (data) => data.writeUInt32LE(2, 8))), 'type');
  assert.equal(field(forged(plain, (data) => data.writeUInt32LE(3, 8))), 'type');
  assert.equal(field(forged(plain, (data) => data.writeUInt32LE(0xffffffff, 8))), 'type');
  assert.equal(field(forged(plain, (data) => data.fill('x', 40, 120))), 'path');
  assert.equal(field(forged(plain, (data) => data.writeUInt8(0xff, 40))), 'path');
  assert.equal(field(forged(directory('d'), (data) => data.writeUInt16LE(0x80c0, 28))), 'path');
  assert.equal(field(forged(plain, (data) => data.writeUInt32LE(2, 120))), 'extent type');
  assert.equal(field(forged(plain, (data) => data.writeUInt32LE(0, 128))), 'extent count');
  assert.equal(field(forged(plain, (data) => data.writeUInt32LE(17, 128))), 'extent count');
  assert.equal(field(forged(plain, (data) => data.writeUInt8(1, 136))), 'extent 0 devindex');
  assert.equal(field(forged(striped, (data) => data.writeUInt32LE(2, 128))), 'extent count');
  assert.equal(field(forged(striped, (data) => data.writeUInt32LE(17, 136))), 'strip count');
  assert.equal(field(forged(striped, (data) => data.writeUInt32LE(0, 136))), 'strip count');
  assert.equal(field(forged(striped, (data) => data.writeUInt8(1, 156))), 'extent 0 devindex');
  assert.equal(field(encodeLogEntry(plain, 7).subarray(0, 543)), 'length');
  const unknown = refusal(() =>
    parseLogEntry(
      forged(plain, (data) => data.writeUInt8(9, 8)),
      7,
    ),
  );
  assert.deepEqual(unknown, { entry: 7, field: 'type', reason: 'is 9, which is unknown' });
});

test('the message of a refusal names entry, field and reason, too', () => {
  assert.throws(
    () => parseLogEntry(encodeLogEntry(file('a'), 8), 7),
    /Log entry 7 .* seqnum is 8 and has to be 7/,
  );
});

test('a log header is read as it was written, and no flip under its CRC is read as something else', () => {
  const header = { ...emptyLogHeader(0x800000n), nextIndex: 5n, nextSequence: 5n };
  const bytes = encodeLogHeader(header);
  assert.deepEqual(parseLogHeader(bytes), header);
  fc.assert(
    fc.property(fc.nat(32 * 8 - 1), (bit) => {
      const data = Buffer.from(bytes);
      data.writeUInt8(data.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      assert.match(String(refusal(() => parseLogHeader(data))?.field), /^header (magic|crc)$/);
    }),
  );
});

test('a log header that contradicts itself or the superblock is refused by field', () => {
  const header = emptyLogHeader(0x800000n);
  const field = (change: object, length = 0x800000n) =>
    refusal(() => requireTrustworthyLogHeader({ ...header, ...change }, length))?.field;
  assert.equal(header.lastIndex, 15419n);
  assert.equal(field({}), undefined);
  assert.equal(field({ nextIndex: 15420n, nextSequence: 15420n }), undefined);
  assert.equal(field({}, 0x1000000n), 'header log length');
  assert.equal(field({ lastIndex: 15420n }), 'header last_index');
  assert.equal(field({ nextIndex: 15421n, nextSequence: 15421n }), 'header next_index');
  assert.equal(field({ nextIndex: 1n }), 'header next_seqnum');
  const caught = (change: object) => {
    try {
      requireTrustworthyLogHeader({ ...header, ...change }, 0x800000n);
    } catch (error) {
      return isNotYet(error);
    }
    return undefined;
  };
  assert.equal(caught({ nextSequence: 1n }), true);
  assert.equal(caught({ nextSequence: 2n }), false);
});
