// `npm run bench`: measures the driver against others on this machine, in one run, and reports what it found as a
// table, as JSON lines, as a chart and as a page. What is said about speed comes from here.
import { readlinkSync, writeFileSync } from 'node:fs';
import { isApiServerBuilt } from '../e2e/kubernetes-program.ts';
import { goVersion } from '../tools/go-program.ts';
import { endOnSignals, privateFolder, runInPrivateNamespaces } from '../tools/private-namespaces.ts';
import type { Bench, Figure, Need } from './figure.ts';
import { describeMachine, machineLine } from './machine.ts';
import { type Measurement, meetsGoal } from './measurement.ts';
import { type Options, readOptions, usage } from './options.ts';
import { openPage, type Run, redrawPage } from './performance-page.ts';
import { type FigureResult, measurementsOf, reportJsonLines, reportTable } from './report.ts';
import { openSession } from './session.ts';
import { drawChart } from './svg.ts';

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  if (options.page === 'redraw') {
    redrawPage();
    return 0;
  }
  const folder = privateFolder();
  if (folder === undefined) return runInPrivateNamespaces();
  endOnSignals();
  // mkfs.famfs leaves its directories behind; in here they go with everything else.
  process.env.FAMFS_SIM_TMP = folder;
  // And so does the folder of an API server, when a run is ended from outside.
  process.env.TMPDIR = folder;
  const results = await measure(folder, options);
  return report(options.setting === 'self-check' ? results.map(expectEquality) : results, options);
}

async function measure(folder: string, options: Options): Promise<readonly FigureResult[]> {
  const { bench, pool, close } = await openSession(folder, options);
  const results: FigureResult[] = [];
  try {
    const keep = options.page === undefined ? undefined : openPage(runOf(options, pool));
    for (const figure of options.chosen) {
      const result = await measureFigure(figure, bench);
      keep?.(result);
      results.push(result);
    }
  } finally {
    await close();
  }
  return results;
}

function runOf({ setting, effort: { isQuick }, isPart }: Options, pool: string): Run {
  return { setting, pool, machine: describeMachine(), isQuick, isPart };
}

/** A figure that cannot be had says why, and the others go on. */
async function measureFigure(figure: Figure, bench: Bench): Promise<FigureResult> {
  const { name, needs = ['go'] } = figure;
  const missing = needs.map(whyNot).find((reason) => reason !== undefined);
  if (missing !== undefined) return { figure: name, measurements: [], missing };
  try {
    return { figure: name, measurements: await figure.measure(bench) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { figure: name, measurements: [], missing: `it failed: ${text}`, hasFailed: true };
  }
}

function whyNot(need: Need): string | undefined {
  switch (need) {
    case 'go':
      return goVersion() === undefined ? 'it needs Go: client and peer are Go programs' : undefined;
    case 'kubernetes':
      return isApiServerBuilt()
        ? undefined
        : 'it needs an API server, which `npm run e2e -- api` builds once (some minutes)';
    case 'root':
      return isRoot() ? undefined : 'it needs root, and a user namespace is not enough';
  }
}

/** With the same server on both sides, whatever compares the two has to find them equal, within what noise allows. */
function expectEquality(result: FigureResult): FigureResult {
  const measurements = result.measurements.map((measurement): Measurement => {
    if (measurement.goal?.kind !== 'at-least') return measurement;
    return { ...measurement, goal: { kind: 'near', value: 1, tolerance: 0.1 } };
  });
  return { ...result, measurements };
}

function report(results: readonly FigureResult[], { json, svg, strict, setting }: Options): number {
  const line = machineLine(describeMachine());
  const measurements = measurementsOf(results);
  const what = titles[setting];
  console.log(`\n${what}\n${line}\n\n${reportTable(results)}\n`);
  if (json !== undefined) writeFileSync(json, reportJsonLines(results));
  const ratios = measurements.filter(({ unit }) => unit === '×');
  if (svg !== undefined) writeFileSync(svg, drawChart(what, line, ratios));
  const missed = measurements.filter((measurement) => meetsGoal(measurement) === false);
  if (results.some(({ hasFailed }) => hasFailed === true)) return 1;
  return strict && missed.length > 0 ? 1 : 0;
}

const titles = {
  simulated: 'famfs-csi, measured',
  'self-check': 'Self-check: the peer in the place of famfs-csi',
  hardware: 'famfs-csi, measured on a pool of this machine',
} as const;

/** Root of the machine, not of a user namespace: of all those the first has a fixed number. */
function isRoot(): boolean {
  return process.getuid?.() === 0 && readlinkSync('/proc/self/ns/user') === 'user:[4026531837]';
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
