// Keeps what a run has measured in docs/performance/, and draws page and pictures from what is kept there.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { driverVersion } from '../src/version.ts';
import { projectRoot } from '../tools/run-tool.ts';
import type { Figure, Setting } from './figure.ts';
import { figures } from './figures.ts';
import { libraryVersions, type Machine, machineLine } from './machine.ts';
import type { Measurement } from './measurement.ts';
import { type FigureText, fillPage, type Kept, type KeptRun } from './page-text.ts';
import { type FigureResult, parseJsonLines, reportJsonLines } from './report.ts';
import { drawChart } from './svg.ts';
import { curvePoints, drawCurves } from './svg-curves.ts';

/** Where the page lies; its pictures and what they are drawn from lie in `performance/` beside it. */
export const docsFolder = path.join(projectRoot, 'docs');

/** What a run tells the page before it measures. */
export interface Run {
  readonly setting: Setting;
  readonly pool: string;
  readonly machine: Machine;
  readonly isQuick: boolean;
  /** Only some figures are measured: the others stay as they were. */
  readonly isPart: boolean;
}

/** What is kept of a run beside its measurements. */
type RunFacts = Omit<KeptRun, 'results'>;

type Column = keyof Kept;

const files: Readonly<Record<Column, { readonly results: string; readonly facts: string }>> = {
  simulated: { results: 'figures.jsonl', facts: 'machine.json' },
  hardware: { results: 'hardware.jsonl', facts: 'hardware-machine.json' },
};

/**
 * Opens the page for a run. What the returned function is given it keeps at once, in place of what was kept of the same figure,
 * and draws page and pictures anew: a run that is cut short leaves what it had.
 * @throws Error when figures would stand beside others that were measured on another machine, with other libraries or in haste
 */
export function openPage(run: Run, docs = docsFolder): (result: FigureResult) => void {
  const folder = path.join(docs, 'performance');
  const column = run.setting === 'hardware' ? 'hardware' : 'simulated';
  const facts: RunFacts = {
    ...{ machine: machineLine(run.machine), pool: run.pool, date: new Date().toISOString().slice(0, 10) },
    ...{ isQuick: run.isQuick, version: driverVersion, libraries: libraryVersions() },
  };
  const kept = run.isPart ? keptRun(folder, column) : undefined;
  let results = resultsBeside(facts, kept);
  const told = { ...facts, version: versionsOf(kept, facts) };
  return (result) => {
    results = figures.flatMap(({ name }) =>
      name === result.figure ? [result] : results.filter(({ figure }) => figure === name),
    );
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, files[column].results), reportJsonLines(results));
    writeFileSync(path.join(folder, files[column].facts), `${JSON.stringify(told, null, 2)}\n`);
    redrawPage(docs);
  };
}

/** All versions of the driver that figures of the page were measured with. */
function versionsOf(kept: RunFacts | undefined, { version }: RunFacts): string {
  if (kept === undefined || kept.version.endsWith(version)) return kept?.version ?? version;
  return `${kept.version}, in part ${version}`;
}

/** What may stand on one page with a run: one machine, one effort. */
function resultsBeside(facts: RunFacts, kept: KeptRun | undefined): readonly FigureResult[] {
  if (kept === undefined) return [];
  for (const fact of ['machine', 'pool', 'libraries', 'isQuick'] as const)
    if (kept[fact] !== facts[fact])
      throw new Error(
        `the page has figures of another run (${fact}: ${kept[fact]}, now ${facts[fact]}); leave out --only to measure all anew`,
      );
  return kept.results;
}

/** Draws page and pictures from what is kept; pictures of what is no longer there go. */
export function redrawPage(docs = docsFolder): void {
  const folder = path.join(docs, 'performance');
  mkdirSync(folder, { recursive: true });
  const { page, pictures } = drawPage(docs);
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.svg') && !pictures.has(file)) rmSync(path.join(folder, file));
  }
  for (const [file, svg] of pictures) writeFileSync(path.join(folder, file), svg);
  writeFileSync(path.join(docs, 'performance.md'), page);
}

/** Page and pictures (by file name) as they should be, from what is kept below `docs`. */
export function drawPage(docs: string): {
  readonly page: string;
  readonly pictures: ReadonlyMap<string, string>;
} {
  const folder = path.join(docs, 'performance');
  const kept: Kept = { simulated: keptRun(folder, 'simulated'), hardware: keptRun(folder, 'hardware') };
  const pictures = new Map<string, string>();
  const texts = figures.map((figure): FigureText => {
    const drawn = (['simulated', 'hardware'] as const).flatMap((column) => drawFigure(figure, column, kept));
    for (const { file, svg } of drawn) pictures.set(file, svg);
    return {
      name: figure.name,
      summary: figure.summary,
      isForHardware: figure.settings?.includes('hardware') ?? false,
      pictures: drawn.map(({ file, caption }) => ({ file: `performance/${file}`, caption })),
    };
  });
  const page = fillPage(readFileSync(path.join(docs, 'performance.md'), 'utf8'), texts, kept);
  return { page, pictures };
}

function keptRun(folder: string, column: Column): KeptRun | undefined {
  const [results, facts] = [files[column].results, files[column].facts].map((file) =>
    path.join(folder, file),
  );
  if (results === undefined || facts === undefined || !existsSync(results)) return undefined;
  const read = JSON.parse(readFileSync(facts, 'utf8')) as RunFacts;
  return { ...read, results: parseJsonLines(readFileSync(results, 'utf8')) };
}

interface Picture {
  readonly file: string;
  readonly caption: string;
  readonly svg: string;
}

/** A chart of what has a goal, or of what compares where nothing has one, and a picture of the curves if there are any. */
function drawFigure({ name, summary }: Figure, column: Column, kept: Kept): readonly Picture[] {
  const run = kept[column];
  const measurements = run?.results.find(({ figure }) => figure === name)?.measurements ?? [];
  if (run === undefined || measurements.length === 0) return [];
  const where = column === 'hardware' ? 'hardware-' : '';
  const memory = column === 'hardware' ? 'Hardware' : 'Simulated memory';
  const subtitle = `${run.isQuick ? 'QUICK RUN · ' : ''}${memory} · ${run.machine}`;
  const pictures: Picture[] = [];
  const bars = worthABar(measurements);
  if (bars.length > 0)
    pictures.push({
      ...{ file: `${where}${name}.svg`, caption: `${name}: ${summary}` },
      svg: drawChart(name, subtitle, bars),
    });
  const points = curvePoints(measurements);
  if (points.length > 0)
    pictures.push({
      ...{ file: `${where}${name}-curves.svg`, caption: `${name}, as curves` },
      svg: drawCurves(name, subtitle, points),
    });
  return pictures;
}

function worthABar(measurements: readonly Measurement[]): readonly Measurement[] {
  const withGoal = measurements.filter(({ goal }) => goal !== undefined);
  return withGoal.length > 0 ? withGoal : measurements.filter(({ unit }) => unit === '×');
}
