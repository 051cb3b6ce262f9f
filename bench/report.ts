// Measurements as a person reads them (a table) and as a program does (JSON lines).
import { describeGoal, formatValue, type Measurement, meetsGoal } from './measurement.ts';

const headings = ['figure', 'value', '', 'of the rounds', 'goal', ''] as const;

/** A table with a line for each measurement; columns are as wide as their widest cell. */
export function reportTable(measurements: readonly Measurement[]): string {
  const rows = [headings, ...measurements.map(cells)];
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0, column === 1))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  return [line(headings), rule, ...rows.slice(1).map(line)].join('\n');
}

function cells(measurement: Measurement): readonly string[] {
  const { title, value, unit, range, goal } = measurement;
  const met = meetsGoal(measurement);
  return [
    title,
    formatValue(value),
    unit,
    range === undefined ? '' : `${formatValue(range[0])} … ${formatValue(range[1])}`,
    goal === undefined ? '' : describeGoal(goal),
    met === undefined ? '' : met ? '✔ met' : '✘ missed',
  ];
}

function pad(cell: string, width: number, toTheRight: boolean): string {
  const blank = ' '.repeat(Math.max(0, width - [...cell].length));
  return toTheRight ? blank + cell : cell + blank;
}

/** One JSON object a line: `{name, value, unit, goal, met}`; goal and met are null where there is no goal. */
export function reportJsonLines(measurements: readonly Measurement[]): string {
  return measurements
    .map((measurement) => {
      const { name, value, unit, goal } = measurement;
      const met = meetsGoal(measurement) ?? null;
      return `${JSON.stringify({ name, value, unit, goal: goal === undefined ? null : describeGoal(goal), met })}\n`;
    })
    .join('');
}
