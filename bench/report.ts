// Measurements as a person reads them (a table) and as a program does (JSON lines, which can be read back).
import { describeGoal, formatValue, type Measurement, meetsGoal, parseGoal } from './measurement.ts';

/** What came of one figure. */
export interface FigureResult {
  readonly figure: string;
  readonly measurements: readonly Measurement[];
  /** Why there are none. */
  readonly missing?: string;
  /** That it should have measured, and could not. */
  readonly hasFailed?: boolean;
}

const headings = ['figure', 'value', '', 'of the rounds', 'goal', ''] as const;

export function measurementsOf(results: readonly FigureResult[]): readonly Measurement[] {
  return results.flatMap(({ measurements }) => measurements);
}

/** A table with a line for each measurement, its columns as wide as their widest cell; then what is missing, and why. */
export function reportTable(results: readonly FigureResult[]): string {
  const rows = [headings, ...measurementsOf(results).map(cells)];
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0, column === 1))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  const missing = results.flatMap(({ figure, missing: why }) =>
    why === undefined ? [] : [`${figure} is not measured: ${why}`],
  );
  return [line(headings), rule, ...rows.slice(1).map(line), ...missing].join('\n');
}

function cells(measurement: Measurement): readonly string[] {
  const { title, value, unit, range, goal } = measurement;
  return [
    title,
    formatValue(value),
    unit,
    range === undefined ? '' : `${formatValue(range[0])} … ${formatValue(range[1])}`,
    goal === undefined ? '' : describeGoal(goal),
    verdict(measurement),
  ];
}

/** "✔ met", "✘ missed", or nothing where there is no goal. */
export function verdict(measurement: Measurement): string {
  const met = meetsGoal(measurement);
  return met === undefined ? '' : met ? '✔ met' : '✘ missed';
}

function pad(cell: string, width: number, toTheRight: boolean): string {
  const blank = ' '.repeat(Math.max(0, width - [...cell].length));
  return toTheRight ? blank + cell : cell + blank;
}

/**
 * One JSON object a line: `{name, value, unit, goal, met}`, then what a picture of it needs: `figure`, `title`, and
 * where there is one `range` and `curve`. goal and met are null where there is no goal; a figure that could not be had
 * is a line with its own name, nulls, and `missing`.
 */
export function reportJsonLines(results: readonly FigureResult[]): string {
  return results
    .flatMap(({ figure, measurements, missing }) => [
      ...measurements.map((measurement) => jsonOf(figure, measurement)),
      ...(missing === undefined
        ? []
        : [{ name: figure, value: null, unit: null, goal: null, met: null, figure, missing }]),
    ])
    .map((object) => `${JSON.stringify(object)}\n`)
    .join('');
}

function jsonOf(figure: string, measurement: Measurement): object {
  const { name, title, value, unit, goal, range, curve } = measurement;
  return {
    ...{ name, value, unit, goal: goal === undefined ? null : describeGoal(goal) },
    ...{ met: meetsGoal(measurement) ?? null, figure, title },
    ...(range === undefined ? {} : { range }),
    ...(curve === undefined ? {} : { curve }),
  };
}

/** Reads what `reportJsonLines` has written: the same results, in the same order. */
export function parseJsonLines(text: string): readonly FigureResult[] {
  const results = new Map<string, FigureResult>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const read = JSON.parse(line) as JsonLine;
    const { measurements } = results.get(read.figure) ?? { measurements: [] };
    results.set(read.figure, {
      figure: read.figure,
      measurements: read.value === null ? measurements : [...measurements, measurementOf(read, read.value)],
      ...(read.missing === undefined ? {} : { missing: read.missing }),
    });
  }
  return [...results.values()];
}

/** A line as `reportJsonLines` writes it. */
interface JsonLine extends Omit<Measurement, 'value' | 'goal'> {
  readonly figure: string;
  readonly value: number | null;
  readonly goal: string | null;
  readonly missing?: string;
}

function measurementOf({ name, title, unit, goal, range, curve }: JsonLine, value: number): Measurement {
  return {
    ...{ name, title, value, unit },
    ...(goal === null ? {} : { goal: parseGoal(goal) }),
    ...(range === undefined ? {} : { range }),
    ...(curve === undefined ? {} : { curve }),
  };
}
