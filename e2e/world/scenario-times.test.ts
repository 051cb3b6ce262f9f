import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { addTimes, readTimes, type ScenarioTimes, timesLine, timesTable } from './scenario-times.ts';

const none = { count: 0, atOnce: 0, leftOut: 0 };
const quick: ScenarioTimes = {
  name: 'a quick one',
  withoutMs: 1200.4,
  pods: { count: 1, atOnce: 1, median: 1.1, longest: 1.1, leftOut: 0 },
  claims: { count: 2, atOnce: 2, median: 0.25, longest: 0.5, leftOut: 0 },
};
const slow: ScenarioTimes = {
  name: 'a slow one',
  withoutMs: 1000,
  pods: { count: 21, atOnce: 20, median: 4, longest: 12.345, leftOut: 2 },
  claims: none,
};
const without: ScenarioTimes = { name: 'one without pods', withoutMs: 1100, pods: none, claims: none };

test('the line of a scenario tells the unit, and its pods and claims in that', () => {
  assert.equal(
    timesLine(quick),
    'times: a pod without a volume is ready after 1200 ms; 1 pod with volumes of famfs ready after 1.10 × that; ' +
      '2 claims, up to 2 at once, bound after 0.25 × that (median; longest 0.50 ×)',
  );
});

test('the line of a scenario tells what has no time, and why', () => {
  assert.equal(
    timesLine(slow),
    'times: a pod without a volume is ready after 1000 ms; 21 pods with volumes of famfs, up to 20 at once, ready after ' +
      '4.00 × that (median; longest 12.35 ×); no claim was waited for; 2 not counted: the scenario did something else first',
  );
});

test('the table has a row for each scenario, those first whose pods take longest', () => {
  const [title, ...rows] = timesTable([without, quick, slow]).split('\n');
  assert.match(title ?? '', /1000 to 1200 ms/);
  assert.deepEqual(rows, [
    'pods  at once  median  longest  claims  median  longest  scenario',
    '  21       20  4.00 ×  12.35 ×       0                   a slow one',
    '   1           1.10 ×   1.10 ×       2  0.25 ×   0.50 ×  a quick one',
    '   0                                 0                   one without pods',
  ]);
});

test('the table of no scenario is a table', () => {
  assert.match(timesTable([]), /no scenario was timed/);
});

test('times that were added to a file are read from it, in the order in which they came', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-times-'));
  try {
    const file = path.join(folder, 'times');
    assert.deepEqual(readTimes(file), []);
    for (const times of [quick, slow]) addTimes(file, times);
    assert.deepEqual(readTimes(file), [quick, slow]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
