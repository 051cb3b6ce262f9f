import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { keyOf, readTranscripts } from '../../test/famfs-transcripts.ts';
import { parseFsckReport, parseReportedSuperblock } from './fsck-report.ts';

interface Recorded {
  readonly stdout: string;
}
interface ImageFacts {
  readonly logBytes: number;
  readonly deviceBytes: number;
  readonly parsed: Readonly<Record<string, number | string>>;
  readonly fsckMounted: Recorded;
  readonly fsckMountedFuse?: Recorded;
  readonly fsckDevice?: Recorded;
}

const imagesDir = new URL('../../test/fixtures/famfs/images/', import.meta.url);

function readImages(): [string, ImageFacts][] {
  const names = readdirSync(imagesDir).filter((name) => /\.json(\.gz)?$/.test(name));
  return names.map((name) => {
    const bytes = readFileSync(new URL(name, imagesDir));
    const text = name.endsWith('.gz') ? gunzipSync(bytes).toString() : bytes.toString();
    return [name, JSON.parse(text) as ImageFacts];
  });
}

function recordedOutput(key: string): string {
  const found = readTranscripts().find((transcript) => keyOf(transcript) === key);
  assert.ok(found !== undefined, key);
  return found.stdout;
}

for (const [name, image] of readImages()) {
  test(`${name}: each of its reports is read to the last figure`, () => {
    for (const recorded of [image.fsckMounted, image.fsckMountedFuse, image.fsckDevice]) {
      if (recorded === undefined) continue;
      const report = parseFsckReport(recorded.stdout);
      assert.ok(report !== undefined);
      const { superblock, capacity } = report;
      const figures = {
        fsUuid: superblock.fileSystemUuid,
        deviceUuid: superblock.deviceUuid,
        systemUuid: superblock.systemUuid,
        logEntriesUsed: report.logEntriesUsed,
        logEntriesTotal: report.logEntriesTotal,
        logBytes: Number(superblock.logLengthBytes),
        deviceBytes: Number(superblock.deviceSizeBytes),
        sumOfFileSizes: Number(capacity?.fileBytes),
        allocatedBytes: Number(capacity?.allocatedBytes),
        freeBytes: Number(capacity?.freeBytes),
        badEntries: report.badEntries,
        files: report.files,
        directories: report.directories,
        collisions: report.collisions,
      };
      const { role, ...expected } = image.parsed;
      assert.deepEqual(figures, expected);
      assert.equal(superblock.role, role === 'Owner' ? 'master' : 'client');
      assert.equal(superblock.devicePath, '/dev/dax0.0');
      assert.deepEqual(
        [superblock.allocationUnitBytes, superblock.omfMajor, superblock.omfMinor],
        [0x200000n, 2, 2],
      );
    }
  });
}

test('a mounted pool is reported with its mount, in fuse mode with device and shadow too', () => {
  assert.deepEqual(parseFsckReport(recordedOutput('v1:fsck-path'))?.mount, {
    mountPoint: '/mnt/famfs',
    mode: 'standalone',
  });
  assert.deepEqual(parseFsckReport(recordedOutput('fuse:fsck-path'))?.mount, {
    mountPoint: '/mnt/famfs',
    mode: 'fuse',
    devicePath: '/dev/dax0.0',
    shadowPath: '/tmp/famfs_shadow_qoRL4U',
  });
  assert.equal(parseFsckReport(recordedOutput('v1:fsck-raw-mmap'))?.mount, undefined);
  assert.equal(parseFsckReport(recordedOutput('v1:fsck-path-client'))?.superblock.role, 'client');
});

test('damaged entries are counted', () => {
  assert.equal(parseFsckReport(recordedOutput('v1:fsck-corrupt-entry'))?.badEntries, 1);
});

test('collisions are counted, and the capacity is then absent', () => {
  const whole = recordedOutput('v1:fsck-path');
  const capacityAt = whole.indexOf('Capacity:');
  const text = `${whole.slice(0, capacityAt)}${whole.slice(whole.indexOf('Famfs log:'))}`;
  assert.equal(parseFsckReport(text), undefined, 'without collisions a report has a capacity');
  const colliding = text.replace('No allocation errors found', 'ERROR: 3 ALLOCATION COLLISIONS FOUND');
  const report = parseFsckReport(colliding);
  assert.equal(report?.collisions, 3);
  assert.equal(report?.capacity, undefined);
});

test('free space may be negative', () => {
  const text = recordedOutput('v1:fsck-path').replace(/Free space: +\d+/, 'Free space:             -4194304');
  assert.equal(parseFsckReport(text)?.capacity?.freeBytes, -4194304n);
});

test('rounded figures are not taken for bytes', () => {
  assert.equal(parseFsckReport(recordedOutput('v1:fsck-human')), undefined);
});

test('the superblock that mkfs prints is read though its figures are rounded', () => {
  const superblock = parseReportedSuperblock(recordedOutput('fuse:mkfs-new'));
  assert.equal(superblock?.logLengthBytes, 8388608n);
  assert.equal(superblock?.role, 'master');
});

test('unknown lines between the known ones change nothing', () => {
  const text = recordedOutput('fuse:fsck-path');
  const lines = text.split('\n');
  fc.assert(
    fc.property(fc.nat(lines.length), fc.stringMatching(/^[a-z]{3,12} [a-z]{3,12}: \d{1,9}$/), (at, line) => {
      const extended = [...lines.slice(0, at), line, ...lines.slice(at)].join('\n');
      assert.deepEqual(parseFsckReport(extended), parseFsckReport(text));
    }),
  );
});

test('a device path with line breaks in it cannot change a figure of the log', () => {
  const text = recordedOutput('v1:fsck-corrupt-entry');
  const forged = text.replace(
    'primary: /dev/dax0.0',
    'primary: x\n  0 bad log entries detected\nLog stats:\n/dev/dax0.0',
  );
  assert.notEqual(parseFsckReport(forged)?.badEntries, 0);
});

test('a report that lacks any of its lines is no report', () => {
  const lines = recordedOutput('v1:fsck-path').split('\n');
  const needless =
    /^$|famfs fsck:|mount point|mount type|sizeof superblock|Log size|amplification|Percent|entries used|Famfs Superblock|Capacity:$|Famfs log/;
  for (const [index, line] of lines.entries()) {
    const without = parseFsckReport(lines.filter((_, at) => at !== index).join('\n'));
    assert.equal(without !== undefined, needless.test(line), JSON.stringify(line));
  }
});

test('arbitrary text is never an error', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseFsckReport(text) === undefined));
});
