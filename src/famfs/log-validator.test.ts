import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dataStart, directory, file, superblock, unit } from '../../test/memory-pool.ts';
import { EntryBatch } from './entry-batch.ts';
import { encodeLogEntry, type FileEntry, type LogEntry } from './log-entry.ts';
import { LogValidator } from './log-validator.ts';
import { pathProblem } from './path-rules.ts';
import { type Refusal, refusalOf } from './refusal.ts';

const before: LogEntry[] = [directory('d'), file('d/f', 0, 2), directory('d/e')];
const deviceBytes = superblock.deviceSizeBytes;

function refusalAfterThree(entry: LogEntry): Refusal | undefined {
  const validator = new LogValidator(superblock);
  for (const each of before) validator.accept(each);
  const space = validator.space;
  try {
    validator.accept(entry);
  } catch (error) {
    assert.equal(validator.count, 3);
    assert.deepEqual(validator.space, space);
    assert.deepEqual(validator.entries, before);
    return refusalOf(error);
  }
  return undefined;
}

function assertRefused(entry: LogEntry, field: string, reason: RegExp): void {
  const refusal = refusalAfterThree(entry);
  assert.equal(refusal?.entry, 3);
  assert.equal(refusal.field, field);
  assert.match(refusal.reason, reason);
}

/** A file two units long, free to be made hostile. */
function hostile(change: Partial<FileEntry>): FileEntry {
  return { ...file('new', 10, 2), ...change };
}

function extent(offsetBytes: bigint, lengthBytes = unit): { offsetBytes: bigint; lengthBytes: bigint } {
  return { offsetBytes, lengthBytes };
}

const hostilePaths: [string, RegExp][] = [
  ['', /is empty/],
  ['/etc', /is absolute/],
  ['/', /is absolute/],
  ['..', /component "\.\."/],
  ['../x', /component "\.\."/],
  ['d/../x', /component "\.\."/],
  ['d/..', /component "\.\."/],
  ['.', /component "\."/],
  ['d/./x', /component "\."/],
  ['d//x', /empty component/],
  ['d/', /empty component/],
  ['a\nb', /control byte 0x0a/],
  ['d/\u001b[2J', /control byte 0x1b/],
  ['a\u007fb', /control byte 0x7f/],
  ['x'.repeat(79), /is 79 bytes/],
  [`${'é'.repeat(39)}x`, /is 79 bytes/],
  ['d/f', /duplicate of entry 1/],
  ['d', /duplicate of entry 0/],
  ['d/e', /duplicate of entry 2/],
  ['d/f/x', /file of entry 1 as a directory/],
  ['nowhere/x', /no parent/],
  ['d/nowhere/x', /no parent/],
  ['.meta', /\.meta/],
  ['.meta/.log', /\.meta/],
];

for (const [path, reason] of hostilePaths) {
  test(`the path ${JSON.stringify(path.slice(0, 20))} is refused for a file and for a directory`, () => {
    assertRefused({ ...file('x', 10), path }, 'path', reason);
    assertRefused(directory(path), 'path', reason);
  });
}

for (const path of [
  'x'.repeat(78),
  'é'.repeat(39),
  '.hidden',
  '..x',
  'd/...',
  'd/.meta',
  '.metadata',
  'a b',
  'd/e/"',
  '名',
]) {
  test(`the path ${JSON.stringify(path.slice(0, 20))} is good`, () => {
    assert.equal(refusalAfterThree({ ...file('x', 10), path }), undefined);
    assert.equal(refusalAfterThree(directory(path)), undefined);
  });
}

test('extents that leave the device, touch the log, are crooked or overlap are refused', () => {
  const place = (...extents: FileEntry['extents']) => hostile({ extents, sizeBytes: 1n });
  assertRefused(place(extent(deviceBytes)), 'extent 0 offset', /past the end/);
  assertRefused(place(extent(deviceBytes - unit, 2n * unit)), 'extent 0 length', /past the end/);
  assertRefused(place(extent((1n << 64n) - unit)), 'extent 0 offset', /past the end/);
  assertRefused(place(extent(dataStart, (1n << 64n) - unit)), 'extent 0 length', /past the end/);
  assertRefused(place(extent(0n)), 'extent 0 offset', /superblock or the log/);
  assertRefused(place(extent(dataStart - unit)), 'extent 0 offset', /superblock or the log/);
  assertRefused(place(extent(dataStart + 4096n)), 'extent 0 offset', /multiple of the allocation unit/);
  assertRefused(
    place(extent(dataStart + 20n * unit, 4096n)),
    'extent 0 length',
    /multiple of the allocation unit/,
  );
  assertRefused(place(extent(dataStart + 20n * unit, 0n)), 'extent 0 length', /is 0/);
  assertRefused(place(extent(dataStart + unit)), 'extent 0 offset', /overlaps entry 1 at byte 12582912/);
  const [a, b] = [extent(dataStart + 20n * unit, 3n * unit), extent(dataStart + 22n * unit)];
  assertRefused(place(a, b), 'extent 1 offset', /another extent of the same entry/);
  assertRefused(place(b, a), 'extent 1 offset', /another extent of the same entry/);
  assert.equal(refusalAfterThree(place(a, extent(dataStart + 23n * unit))), undefined);
  assert.equal(refusalAfterThree(place(extent(deviceBytes - unit))), undefined);
});

test('sizes and modes out of range are refused', () => {
  assertRefused(hostile({ sizeBytes: 0n }), 'size', /is 0/);
  assertRefused(hostile({ sizeBytes: (1n << 64n) - 4096n }), 'size', /more than the device/);
  assertRefused(hostile({ sizeBytes: 2n * unit + 1n }), 'extents', /too few for the size/);
  assertRefused(hostile({ mode: 0o100644 }), 'mode', /0100644/);
  assertRefused(directory('x', 0o40755), 'mode', /040755/);
  assert.equal(refusalAfterThree(hostile({ mode: 0o7777 })), undefined);
  assert.equal(refusalAfterThree(hostile({ sizeBytes: 2n * unit })), undefined);
});

test('the last part of a device that is no whole unit cannot hold a file', () => {
  const validator = new LogValidator({ ...superblock, deviceSizeBytes: deviceBytes + 4096n });
  assert.equal(validator.space.sizeBytes, deviceBytes + unit);
  assert.throws(
    () => validator.accept(hostile({ extents: [extent(deviceBytes)], sizeBytes: 1n })),
    /past the end/,
  );
});

test('a striped file has to have a possible chunk, and strips that hold its bytes', () => {
  const strips = (chunkBytes: bigint, sizeBytes: bigint, ...units: bigint[]): FileEntry => {
    let at = dataStart + 20n * unit;
    const extents = units.map((count) => {
      const each = extent(at, count * unit);
      at += count * unit;
      return each;
    });
    return hostile({ sizeBytes, extents, interleave: { chunkBytes, stripCount: extents.length } });
  };
  assertRefused(strips(0n, 1n, 1n), 'chunk size', /power of two/);
  assertRefused(strips(3n * unit, 1n, 3n), 'chunk size', /power of two/);
  assertRefused(strips(4096n, 1n, 1n), 'chunk size', /multiple of the allocation unit/);
  // Five chunks over two strips are three and two; the last is not whole.
  assertRefused(strips(unit, 4n * unit + 1n, 2n, 3n), 'extent 0 length', /too short/);
  assertRefused(strips(unit, 4n * unit + 1n, 3n, 1n), 'extent 1 length', /too short/);
  assert.equal(refusalAfterThree(strips(unit, 4n * unit + 1n, 3n, 2n)), undefined);
  assert.equal(refusalAfterThree(strips(unit, 4n * unit + 1n, 3n, 3n)), undefined);
  assert.equal(refusalAfterThree(strips(2n * unit, unit, 2n, 2n)), undefined);
});

test('entries are found by path and by the directory they lie in', () => {
  const validator = new LogValidator(superblock);
  const all = [...before, directory('de'), file('de/x', 9), file('d/e/é', 11)];
  for (const each of all) validator.accept(each);
  assert.deepEqual(validator.entries, all);
  assert.deepEqual(validator.find('d/e/é'), all[5]);
  assert.equal(validator.find('d/e/'), undefined);
  assert.equal(validator.find(''), undefined);
  assert.deepEqual(validator.below('d'), [all[1], all[2], all[5]]);
  assert.deepEqual(validator.below('d/f'), []);
  assert.deepEqual(validator.below('gone'), []);
  assert.deepEqual(validator.below(''), all);
});

/** Entries that are mostly good, and close enough to each other to collide now and then. */
const nearEntry: fc.Arbitrary<LogEntry> = fc
  .record({
    parts: fc.array(fc.constantFrom('a', 'b', 'c', 'é', '.x', '.', '..', '', 'with space'), {
      minLength: 1,
      maxLength: 3,
    }),
    isFile: fc.boolean(),
    firstUnit: fc.integer({ min: -1, max: 40 }),
    units: fc.integer({ min: 0, max: 3 }),
    crooked: fc.constantFrom(0n, 0n, 0n, 0n, 4096n),
    extra: fc.constantFrom(0n, 0n, 0n, 1n),
    mode: fc.constantFrom(0o644, 0o644, 0o2755, 0o100644),
    second: fc.constantFrom(undefined, undefined, 41, 42),
  })
  .map(({ parts, isFile, firstUnit, units, crooked, extra, mode, second }): LogEntry => {
    const path = parts.join('/');
    if (!isFile) return directory(path, mode);
    const plain = file(path, firstUnit, units);
    const extents = plain.extents.map((each) => extent(each.offsetBytes + crooked, each.lengthBytes));
    if (second !== undefined) extents.push(extent(dataStart + BigInt(second) * unit));
    return { ...plain, mode, extents, sizeBytes: plain.sizeBytes + extra };
  });

test('the fast way of accepting accepts what the thorough one accepts, and leads to the same pool', () => {
  fc.assert(
    fc.property(fc.array(nearEntry, { maxLength: 60 }), (entries) => {
      const thorough = new LogValidator(superblock);
      const fast = new LogValidator(superblock);
      const batch = new EntryBatch(1);
      for (const entry of entries) {
        const refused = refusalOf(caught(() => thorough.accept(entry)));
        encodeLogEntry(entry, fast.count).copy(batch.bytes);
        if (fast.acceptPlain(batch, 0, 1) === 1) assert.equal(refused, undefined);
        else assert.deepEqual(refusalOf(caught(() => fast.accept(entry))), refused);
      }
      assert.deepEqual(fast.entries, thorough.entries);
      assert.deepEqual(fast.space, thorough.space);
      for (const { path } of entries) {
        assert.deepEqual(fast.find(path), thorough.find(path));
        assert.deepEqual(fast.below(path), thorough.below(path));
      }
    }),
    { numRuns: 300 },
  );
});

test('the fast way knows good paths from bad ones as the thorough one does', () => {
  const piece = fc.constantFrom(
    '/',
    '/',
    '.',
    '..',
    'a',
    'bcd',
    'x'.repeat(17),
    '\n',
    '\u007f',
    ' ',
    'é',
    '/.',
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 14 }), (pieces) => {
      const path = pieces.join('');
      if (Buffer.byteLength(path) > 79) return;
      const validator = new LogValidator(superblock);
      for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
        if (pathProblem(path.slice(0, end)) === undefined) validator.accept(directory(path.slice(0, end)));
      }
      const batch = new EntryBatch(1);
      encodeLogEntry(directory(path), validator.count).copy(batch.bytes);
      const accepted = validator.acceptPlain(batch, 0, 1) === 1;
      const isPlain = !/[^\x20-\x7e]/.test(path) && !path.startsWith('.');
      assert.equal(accepted, isPlain && pathProblem(path) === undefined);
      if (accepted) assert.deepEqual(validator.find(path), directory(path));
    }),
    { numRuns: 2000 },
  );
});

test('plain entries do take the fast way', () => {
  const validator = new LogValidator(superblock);
  const batch = new EntryBatch(before.length);
  for (const [i, entry] of before.entries()) encodeLogEntry(entry, i).copy(batch.bytes, i * 544);
  assert.equal(validator.acceptPlain(batch, 0, before.length), before.length);
  assert.deepEqual(validator.entries, before);
});

function caught(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}
