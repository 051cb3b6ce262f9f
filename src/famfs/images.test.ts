// Every image that the real famfs made is read exactly as its facts say.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { encodeLogEntry } from './log-entry.ts';
import { encodeLogHeader, logEntryOffset } from './log-header.ts';
import { openLogSource } from './log-source.ts';
import { PoolLog } from './pool-log.ts';
import { type PoolReport, poolReport, type ReportedEntry } from './pool-report.ts';
import { encodeSuperblock, logOffsetBytes, superblockBytes } from './superblock.ts';

const folder = path.join(import.meta.dirname, '../../test/fixtures/famfs/images');
const images = globSync('*.img.gz', { cwd: folder }).sort();

interface Fixture {
  readonly deviceBytes: number;
  readonly logBytes: number;
  readonly facts: PoolReport;
}

function fixtureOf(image: string): Fixture {
  const [facts = ''] = globSync(`${image.replace(/\.img\.gz$/, '')}.json*`, { cwd: folder });
  const bytes = readFileSync(path.join(folder, facts));
  return JSON.parse(String(facts.endsWith('.gz') ? gunzipSync(bytes) : bytes));
}

function byPath(entries: readonly ReportedEntry[]): ReportedEntry[] {
  return [...entries].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

test('there are seven images', () => {
  assert.equal(images.length, 7);
});

for (const image of images) {
  test(`${image} is read as its facts say`, async () => {
    const { deviceBytes, logBytes, facts } = fixtureOf(image);
    const log = new PoolLog(await openLogSource(path.join(folder, image)));
    await log.refresh();
    const report = poolReport(log);
    assert.deepEqual(
      { ...report, entries: byPath(report.entries) },
      { ...facts, entries: byPath(facts.entries) },
    );
    assert.equal(log.superblock.deviceSizeBytes, BigInt(deviceBytes));
    assert.equal(log.superblock.logLengthBytes, BigInt(logBytes));
    assert.equal(log.space.collisions, 0);
  });

  test(`${image} is written again byte for byte from what was read`, async () => {
    const bytes = gunzipSync(readFileSync(path.join(folder, image)));
    const log = new PoolLog(await openLogSource(path.join(folder, image)));
    await log.refresh();
    const start = Number(logOffsetBytes);
    assert.deepEqual(encodeSuperblock(log.superblock), bytes.subarray(0, superblockBytes));
    assert.deepEqual(encodeLogHeader(log.header), bytes.subarray(start, start + 48));
    for (const [index, entry] of log.entries.entries()) {
      const at = start + logEntryOffset(index);
      assert.ok(encodeLogEntry(entry, index).equals(bytes.subarray(at, at + 544)), `entry ${index}`);
    }
  });
}
