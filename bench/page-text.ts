// The part of docs/performance.md that is made from measurements: text only, no files.
import { describeGoal, formatValue, type Measurement } from './measurement.ts';
import { type FigureResult, verdict } from './report.ts';

/** One run as it is kept: on what, when, and what came of it. */
export interface KeptRun {
  /** The machine, as one line. */
  readonly machine: string;
  /** What the pool lay on: "simulated", or file system and device. */
  readonly pool: string;
  /** Such as "2026-11-22". */
  readonly date: string;
  readonly version: string;
  /** Versions of what serves calls and mounts, as one line. */
  readonly libraries: string;
  /** Little work was done: the values mean nothing. */
  readonly isQuick: boolean;
  readonly results: readonly FigureResult[];
}

/** What the page is made from; a run that nobody has made yet is not there. */
export interface Kept {
  readonly simulated: KeptRun | undefined;
  readonly hardware: KeptRun | undefined;
}

/** What the page says of a figure whatever has been measured. */
export interface FigureText {
  readonly name: string;
  readonly summary: string;
  readonly isForHardware: boolean;
  /** Pictures by their paths from the page, in order. */
  readonly pictures: readonly { readonly file: string; readonly caption: string }[];
}

export const beginMark = '<!-- figures: made by npm run bench -- --page -->';
export const endMark = '<!-- end of figures -->';

/**
 * Puts what is made from measurements between the marks of a page; the rest of it is a person's.
 * @throws Error when the page has no marks
 */
export function fillPage(page: string, figures: readonly FigureText[], kept: Kept): string {
  const [begin, end] = [page.indexOf(beginMark), page.indexOf(endMark)];
  if (begin < 0 || end < begin) throw new Error(`the page needs the lines ${beginMark} and ${endMark}`);
  const made = [
    runText('Simulated', kept.simulated),
    runText('Hardware', kept.hardware),
    '## Goals',
    goalsText(kept),
    '## Figures',
    ...figures.map((figure) => figureText(figure, kept)),
  ];
  return `${page.slice(0, begin)}${beginMark}\n\n${made.join('\n\n')}\n\n${page.slice(end)}`;
}

function runText(column: string, run: KeptRun | undefined): string {
  if (run === undefined) return `**${column}:** not measured yet.`;
  const { machine, pool, date, version, libraries, isQuick } = run;
  const on = pool === 'simulated' ? '' : ` · pool on ${code(pool)}`;
  const warning = isQuick ? ' **This was a quick run: it shows that everything works, not how fast.**' : '';
  return `**${column}:** ${machine}${on} · famfs-csi ${version} (${libraries}) · ${date}.${warning}`;
}

function goalsText({ simulated, hardware }: Kept): string {
  const measured = (run: KeptRun | undefined) =>
    run?.results.flatMap(({ measurements }) => measurements) ?? [];
  const [here, there] = [measured(simulated), measured(hardware)];
  const goals = [...here, ...there.filter(({ name }) => here.every((each) => each.name !== name))].filter(
    ({ goal }) => goal !== undefined,
  );
  if (goals.length === 0) return 'Nothing has been measured yet.';
  const met = here.filter((measurement) => verdict(measurement) === '✔ met').length;
  const all = here.filter(({ goal }) => goal !== undefined).length;
  const rows = goals.map(({ name, title, unit, goal }) => [
    title.trim(),
    goal === undefined ? '' : `${describeGoal(goal)} ${unit}`,
    cell(here.find((each) => each.name === name)),
    cell(there.find((each) => each.name === name)),
  ]);
  return `${met} of ${all} goals are met with the simulator.\n\n${table(['', 'goal', 'simulated', 'hardware'], rows)}`;
}

function cell(measurement: Measurement | undefined): string {
  if (measurement === undefined) return '—';
  const text = `${formatValue(measurement.value)} ${measurement.unit}`;
  const said = verdict(measurement);
  if (said === '') return text;
  return said === '✔ met' ? `${text} ✔` : `**${text} ${said}**`;
}

function figureText(
  { name, summary, isForHardware, pictures }: FigureText,
  { simulated, hardware }: Kept,
): string {
  const parts = [`### ${name}`, `${summary[0]?.toUpperCase() ?? ''}${summary.slice(1)}.`];
  parts.push(...pictures.map(({ file, caption }) => `![${caption.replaceAll(/[[\]]/g, '')}](${file})`));
  const [here, there] = [resultOf(name, simulated), resultOf(name, hardware)];
  if (here === undefined) parts.push('Not measured yet.');
  if (here?.missing !== undefined) parts.push(`Not measured: ${here.missing}.`);
  if (there?.missing !== undefined) parts.push(`Not measured on hardware: ${there.missing}.`);
  if (!isForHardware) parts.push('Not part of a run on hardware: it makes simulated pools of its own.');
  const rows = allNames(here, there).map((each) => detailsRow(each, here, there));
  if (rows.length > 0) {
    const details = table(['', 'simulated', 'of the rounds', 'hardware', 'of the rounds'], rows);
    parts.push(`<details><summary>All values</summary>\n\n${details}\n\n</details>`);
  }
  return parts.join('\n\n');
}

function resultOf(name: string, run: KeptRun | undefined): FigureResult | undefined {
  return run?.results.find(({ figure }) => figure === name);
}

function allNames(...results: readonly (FigureResult | undefined)[]): readonly string[] {
  return [...new Set(results.flatMap((result) => result?.measurements.map(({ name }) => name) ?? []))];
}

function detailsRow(
  name: string,
  here: FigureResult | undefined,
  there: FigureResult | undefined,
): readonly string[] {
  const find = (result: FigureResult | undefined) => result?.measurements.find((each) => each.name === name);
  const [simulated, hardware] = [find(here), find(there)];
  const title = (simulated ?? hardware)?.title.trim() ?? name;
  return [title, cell(simulated), rangeText(simulated), cell(hardware), rangeText(hardware)];
}

function rangeText(measurement: Measurement | undefined): string {
  const [least, most] = measurement?.range ?? [];
  return least === undefined || most === undefined ? '' : `${formatValue(least)} … ${formatValue(most)}`;
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'")}\``;
}
