// What the demo shows: steps, progress, tables. Lines stay plain where nobody watches a terminal.
import { stripVTControlCharacters } from 'node:util';

const isTerminal = process.stdout.isTTY === true;
const barCells = 28;

/** Begins a part of the demo. */
export function heading(text: string): void {
  console.log(`\n${bold(text)}`);
}

export function line(text: string): void {
  console.log(`  ${text}`);
}

function bold(text: string): string {
  return isTerminal ? `\u001b[1m${text}\u001b[0m` : text;
}

/** A bar that moves on a terminal; elsewhere a line at each quarter. */
export class Progress {
  readonly #label: string;
  readonly #total: number;
  #lastQuarter = -1;

  constructor(label: string, total: number) {
    this.#label = label;
    this.#total = total;
  }

  update(done: number, note = ''): void {
    const share = this.#total === 0 ? 1 : Math.min(1, done / this.#total);
    const text = `  ${this.#label} ${bar(share)} ${String(Math.floor(share * 100)).padStart(3)} %  ${bytesText(done)} of ${bytesText(this.#total)}  ${note}`;
    if (isTerminal) {
      process.stdout.write(`\r\u001b[K${text}`);
      if (share === 1) process.stdout.write('\n');
      return;
    }
    const quarter = Math.floor(share * 4);
    if (quarter > this.#lastQuarter) console.log(text.trimEnd());
    this.#lastQuarter = quarter;
  }
}

function bar(share: number): string {
  const full = Math.round(share * barCells);
  return `${'█'.repeat(full)}${'░'.repeat(barCells - full)}`;
}

/** Rows of cells under a header, columns as wide as they need to be; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const isNumeric = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^[\d.,]+( \S+)?$/.test(row[column] ?? '')),
  );
  const show = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        isNumeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  line(bold(show(header)));
  for (const row of rows) line(show(row));
}

/** 1234567 as "1.2 MiB". */
export function bytesText(bytes: number | bigint): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Text as it was said by a program, without its colours. */
export function plain(text: string): string {
  return stripVTControlCharacters(text).trimEnd();
}
