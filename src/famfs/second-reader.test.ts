// The driver's reader of logs against a second one, in another language: over logs by dice, good, damaged and forged,
// both read the same or refuse the same entry.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { brokenPromise } from '../../test/log-promise.ts';
import { MemoryPool } from '../../test/memory-pool.ts';
import { type RandomLog, randomLog } from '../../test/random-logs.ts';
import { Dice } from '../../test/stress/dice.ts';
import { DriverError } from '../errors.ts';
import type { LogEntry } from './log-entry.ts';
import { PoolLog } from './pool-log.ts';
import { refusalOf } from './refusal.ts';

const seed = 20_26;
const logs = 1000;
const secondReader = path.join(import.meta.dirname, '../../test/second-reader.py');

function whyNot(): string | false {
  const { status } = spawnSync('python3', ['-c', 'import json, struct, zlib'], { stdio: 'ignore' });
  return status === 0 ? false : 'the second reader is a Python program, and there is no python3';
}

/** What the driver reads, in the words of the second reader: every number as text. */
async function firstReading({ superblock, log: bytes, mischief }: RandomLog): Promise<unknown> {
  const pool = new MemoryPool();
  pool.superblockData = superblock;
  pool.log = bytes;
  const log = new PoolLog(pool);
  try {
    await log.refresh();
  } catch (error) {
    const refusal = refusalOf(error);
    if (!(error instanceof DriverError) || refusal === undefined) throw error;
    const whole = error.reason === 'superblock-refused' ? 'superblock' : 'header';
    return { refused: String(refusal.entry ?? whole) };
  }
  assert.equal(brokenPromise(log), undefined, mischief.join('; '));
  return {
    uuid: log.superblock.fileSystemUuid.replaceAll('-', ''),
    entries: log.entries.map(entryAsText),
    free: String(log.space.freeBytes),
    longest: String(log.space.longestFreeRunBytes),
  };
}

function entryAsText(entry: LogEntry): object {
  const { path: where, mode, uid, gid } = entry;
  const owner = { path: where, mode: String(mode), uid: String(uid), gid: String(gid) };
  if (entry.kind === 'directory') return { type: 'dir', ...owner };
  const extents = entry.extents.map((each) => [String(each.offsetBytes), String(each.lengthBytes)]);
  const file = { type: 'file', ...owner, size: String(entry.sizeBytes), extents };
  return entry.interleave === undefined ? file : { ...file, chunk: String(entry.interleave.chunkBytes) };
}

function secondReadings(all: readonly RandomLog[]): unknown[] {
  const input = all.flatMap(({ superblock, log }) => [lengthOf(superblock), superblock, lengthOf(log), log]);
  const { status, stdout, stderr } = spawnSync('python3', [secondReader], {
    input: Buffer.concat(input),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  assert.equal(status, 0, stderr);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return length;
}

test('1,000 logs by dice are read by two readers as the same, or refused at the same entry', async (t) => {
  const dice = new Dice(seed);
  const all = Array.from({ length: logs }, () => randomLog(dice));
  const first = [];
  for (const each of all) first.push(await firstReading(each));
  const isRefused = (reading: unknown) => JSON.stringify(reading).startsWith('{"refused"');
  const refused = first.filter(isRefused).length;
  t.diagnostic(`${logs} logs with seed ${seed}, ${refused} of them refused`);
  for (const [i, each] of all.entries()) {
    if (each.mischief.length === 0) assert.ok(!isRefused(first[i]), `log ${i} is good, yet refused`);
  }
  // Mischief that harms nothing (an owner, a padding) is part of it, but most has to be of the other kind.
  assert.ok(refused > logs / 4 && refused < (logs * 3) / 4, `${refused} of ${logs} refused`);
  const reason = whyNot();
  if (reason !== false) return t.skip(reason);
  for (const [i, second] of secondReadings(all).entries()) {
    assert.deepEqual(second, first[i], `log ${i}: ${all[i]?.mischief.join('; ') || 'a good one'}`);
  }
});
