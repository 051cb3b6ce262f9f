// What is told of the times of scenarios: a line of each, and a table of all; and the file by which the processes of scenarios
// hand them to who runs them. Must not know any scenario.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Ratios } from './stopwatch.ts';
import type { KeptTimes } from './timekeeper.ts';

export interface ScenarioTimes extends KeptTimes {
  readonly name: string;
}

/** Adds those of a scenario to a file, which need not be there. */
export function addTimes(file: string, times: ScenarioTimes): void {
  appendFileSync(file, `${JSON.stringify(times)}\n`);
}

/** All that were added to a file. */
export function readTimes(file: string): ScenarioTimes[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
}

/** Of one scenario, for a person who watches it. */
export function timesLine({ withoutMs, pods, claims }: ScenarioTimes): string {
  const parts = [
    `a pod without a volume is ready after ${withoutMs.toFixed(0)} ms`,
    told(pods, 'pod with volumes of famfs', 'ready'),
    told(claims, 'claim', 'bound'),
  ];
  const leftOut = pods.leftOut + claims.leftOut;
  if (leftOut > 0) parts.push(`${leftOut} not counted: the scenario did something else first`);
  return `times: ${parts.join('; ')}`;
}

function told({ count, atOnce, median, longest }: Ratios, what: string, outcome: string): string {
  if (count === 0) return `no ${what} was waited for`;
  if (count === 1) return `1 ${what} ${outcome} after ${multiple(median)} that`;
  const together = atOnce > 1 ? `, up to ${atOnce} at once,` : '';
  return `${count} ${what.replace(/^\w+/, '$&s')}${together} ${outcome} after ${multiple(median)} that (median; longest ${multiple(longest)})`;
}

function multiple(ratio: number | undefined): string {
  return ratio === undefined ? '' : `${ratio.toFixed(2)} ×`;
}

const heads = ['pods', 'at once', 'median', 'longest', 'claims', 'median', 'longest', 'scenario'];

/** Of all scenarios, those first whose pods take longest; claims and pods as multiples of a pod without a volume. */
export function timesTable(all: readonly ScenarioTimes[]): string {
  const rank = ({ pods, claims }: ScenarioTimes): number => pods.median ?? (claims.median ?? 0) - 1e6;
  const sorted = all.toSorted(
    (one, other) => rank(other) - rank(one) || one.name.localeCompare(other.name, 'en'),
  );
  const rows = sorted.map(({ name, pods, claims }) => [
    ...[`${pods.count}`, several(pods.atOnce), multiple(pods.median), multiple(pods.longest)],
    ...[`${claims.count}`, multiple(claims.median), multiple(claims.longest), name],
  ]);
  const grid = [heads, ...rows];
  const widths = heads.map((_, column) => Math.max(...grid.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  const title = `Times of scenarios that passed, as multiples of what a pod without a volume takes until it is ready (${span(all)}): pods with volumes of famfs from created to ready, claims from created to bound.`;
  return [title, ...grid.map(line)].join('\n');
}

/** Pods at once are told only where there are several. */
function several(atOnce: number): string {
  return atOnce > 1 ? `${atOnce}` : '';
}

function span(all: readonly ScenarioTimes[]): string {
  if (all.length === 0) return 'no scenario was timed';
  const milliseconds = all.map(({ withoutMs }) => Math.round(withoutMs));
  return `${Math.min(...milliseconds)} to ${Math.max(...milliseconds)} ms`;
}
