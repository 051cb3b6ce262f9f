import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import {
  formatMountTable,
  type MountTableEntry,
  mountOf,
  parseMountTable,
  readMountTable,
} from './mount-table.ts';
import { mountFileSystem, unmount } from './mounts.ts';

const { skip } = enterPrivateMounts();
after(assertNothingLeaked);

interface FixtureStep {
  readonly mode: string;
  readonly step: string;
  readonly mountinfo: readonly string[];
}

const steps = readFileSync(
  path.join(import.meta.dirname, '../../test/fixtures/famfs/mount-table.jsonl'),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map((line): FixtureStep => JSON.parse(line));

function stepOf(mode: string, name: string): MountTableEntry[] {
  const step = steps.find((each) => each.mode === mode && each.step === name);
  return parseMountTable((step?.mountinfo ?? []).join('\n'));
}

test('a line of a standalone famfs mount is taken apart', () => {
  assert.deepEqual(stepOf('v1', 'after mount'), [
    {
      mountId: 30,
      parentMountId: 18,
      deviceMajor: 252,
      deviceMinor: 0,
      root: '/',
      mountPoint: '/mnt/famfs',
      mountOptions: ['rw', 'nosuid', 'nodev', 'noexec', 'noatime'],
      optionalFields: ['shared:13'],
      fileSystemType: 'famfs',
      source: '/dev/dax0.0',
      superOptions: ['rw'],
    },
  ]);
});

test('a read-only bind differs from its pool in the options of the mount alone', () => {
  const [pool, , readOnly] = stepOf('v1', 'bind of a single file');
  assert.equal(readOnly?.mountOptions[0], 'ro');
  assert.deepEqual(readOnly?.superOptions, pool?.superOptions);
  assert.equal(readOnly?.root, '/vol-1');
});

test('every recorded line is given back as it was', () => {
  for (const { mountinfo } of steps) {
    const text = mountinfo.map((line) => `${line}\n`).join('');
    assert.equal(formatMountTable(parseMountTable(text)), text);
  }
});

test('the table of this machine is given back as it is', () => {
  assert.equal(formatMountTable(readMountTable()), readFileSync('/proc/thread-self/mountinfo', 'utf8'));
});

test('any entry survives being written and read', () => {
  // What a path can hold: everything but NUL. An entry of the table is never empty but for the source.
  const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((each) => !each.includes('\0'));
  const awkward = fc.string({
    unit: fc.constantFrom(' ', '\t', '\n', '\\', '#', '-', '0', '4', 'a', '/'),
    minLength: 1,
  });
  const field = fc.oneof(text, awkward).filter((each) => each.isWellFormed() && !each.includes('\ufffd'));
  const word = fc.stringMatching(/^[a-z][a-z0-9_:=-]{0,12}$/);
  const number = fc.nat({ max: 2 ** 31 - 1 });
  const entry: fc.Arbitrary<MountTableEntry> = fc.record(
    {
      mountId: number,
      parentMountId: number,
      deviceMajor: fc.nat({ max: 4095 }),
      deviceMinor: fc.nat({ max: 1048575 }),
      root: field.map((each) => `/${each}`),
      mountPoint: field.map((each) => `/${each}`),
      mountOptions: fc.array(word, { minLength: 1, maxLength: 5 }),
      optionalFields: fc.array(fc.constantFrom('shared:1', 'master:22', 'propagate_from:3', 'unbindable'), {
        maxLength: 3,
      }),
      fileSystemType: fc.oneof(
        word,
        word.map((each) => `fuse.${each}`),
      ),
      source: fc.oneof(field, fc.constant('')),
      superOptions: fc.array(fc.oneof(word, field), { minLength: 1, maxLength: 5 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), (entries) => {
      assert.deepEqual(parseMountTable(formatMountTable(entries)), entries);
    }),
    { numRuns: 500 },
  );
});

test('text that is no mount table is refused with the line, never misread', () => {
  for (const text of [
    'nonsense',
    '30 18 252:0 / /mnt rw',
    '30 18 252 / /mnt rw - famfs src rw',
    '30 18 252:0 / /mnt rw - famfs',
  ]) {
    assert.throws(() => parseMountTable(text), {
      name: 'TypeError',
      message: new RegExp(`"${text.slice(0, 8)}`),
    });
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      try {
        parseMountTable(text);
      } catch (error) {
        assert.ok(error instanceof TypeError);
      }
    }),
  );
});

test('a mount point with every awkward character is read as it was named', { skip }, () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'table-'));
  const target = path.join(folder, 'a b\tc\nd\\e#f-\u00fc\u20ac \\040 -');
  mkdirSync(target);
  mountFileSystem({ source: 'so urce,\\#', target, type: 'tmpfs' });
  const entry = readMountTable().at(-1);
  unmount(target);
  rmSync(folder, { recursive: true });
  assert.equal(entry?.mountPoint, target);
  assert.equal(entry?.source, 'so urce,\\#');
});

test('a path is on the mount next above it, and of those at one place on the last', () => {
  const table = parseMountTable(
    [
      '20 1 8:1 / / rw - ext4 /dev/sda1 rw',
      '21 20 0:5 / /var rw shared:1 - tmpfs var rw',
      '22 21 0:6 / /var/lib/kubelet rw master:3 - tmpfs kubelet rw',
      '23 21 0:7 / /var rw - tmpfs upper rw',
      '',
    ].join('\n'),
  );
  const idOf = (place: string): number | undefined => mountOf(place, table)?.mountId;
  assert.deepEqual(
    ['/var/lib/kubelet/pods', '/var/lib/kubelet', '/var/lib/kubelets', '/var', '/various', '/'].map(idOf),
    [22, 22, 23, 23, 20, 20],
  );
  assert.equal(mountOf('/var', []), undefined);
});

test('the table of a process that is not there is an error with a code', () => {
  assert.throws(() => readMountTable(2 ** 22 + 1), { name: 'SyscallError', code: 'ENOENT' });
});
