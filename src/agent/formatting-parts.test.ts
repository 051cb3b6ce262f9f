// What is recorded of a mkfs that failed, and when it is tried again.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DriverError, type Reason } from '../errors.ts';
import type { ReportedFormat } from '../kubernetes/famfs-node.ts';
import { silentLogger as log } from '../observe/logger.ts';
import { Retries } from '../pace/retries.ts';
import { recordFailure } from './formatting-parts.ts';

const format: ReportedFormat = { pool: 'models', poolUID: 'uid', device: 'dax0.0', phase: 'Formatting' };
const anHour = { firstBackOffMs: 3_600_000, longestBackOffMs: 3_600_000 };

/** What is recorded, and whether it is tried again at once. */
async function after(reason: Reason, isFirst: boolean): Promise<readonly (string | boolean)[]> {
  const recorded: ReportedFormat[] = [];
  const reports = {
    formats: [],
    recordFormats: async (formats: readonly ReportedFormat[]) => void recorded.push(...formats),
  };
  const retries = new Retries(anHour);
  const error = new DriverError(reason, 'It failed.');
  await recordFailure({ reports, log }, retries, { format, isFirst, message: 'not formatted', error });
  return [...recorded.map(({ phase, problem }) => `${phase} ${problem?.reason}`), retries.isDue('uid')];
}

it('a mkfs that failed is refused, and tried again later', async () => {
  assert.deepEqual(await after('format-refused', true), ['Refused format-refused', false]);
  assert.deepEqual(await after('pool-busy', true), ['Refused pool-busy', false]);
});

it('a mkfs of which nobody knows whether it ran is not refused', async () => {
  assert.deepEqual(await after('deadline-exceeded', true), [false]);
  assert.deepEqual(await after('pool-busy', false), [false], 'an earlier one may hold it');
});

it('a device that carries something is refused for good', async () => {
  assert.deepEqual(await after('device-not-empty', true), ['Refused device-not-empty', true]);
});
