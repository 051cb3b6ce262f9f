// The catalogue of what famfs says: every message the driver may meet, with its meaning. Data and its lookup only;
// what follows for a command is outcome.ts's to decide.
import type { CatalogueRow } from './catalogue-row.ts';
import type { CommandName } from './command-line.ts';
import { messagesOfDevice } from './messages-of-device.ts';
import { messagesOfFiles, remarksOfFiles } from './messages-of-files.ts';
import { messagesOfMount, remarksOfMount } from './messages-of-mount.ts';
import { messagesOfPool, remarksOfPool } from './messages-of-pool.ts';
import { messagesOfStart } from './messages-of-start.ts';

/** All rows, the telling ones before the vague ones: the first that matches an output decides. */
export const messageCatalogue: readonly CatalogueRow[] = [
  ...messagesOfStart,
  ...messagesOfDevice,
  ...messagesOfMount,
  ...messagesOfPool,
  ...messagesOfFiles,
  ...remarksOfMount,
  ...remarksOfPool,
  ...remarksOfFiles,
];

/** What one run of a command said, and how it ended (128 + n for signal n). */
export interface Utterance {
  readonly command: CommandName;
  /** stderr followed by stdout */
  readonly text: string;
  readonly exitCode: number;
}

/** A row that matched, with the named parts of what it matched. */
export interface CatalogueMatch {
  readonly row: CatalogueRow;
  readonly groups: Readonly<Record<string, string>>;
}

function concerns(row: CatalogueRow, { command, exitCode }: Utterance): boolean {
  if (row.commands !== 'all' && !row.commands.includes(command)) return false;
  if (row.exit === undefined) return true;
  return row.exit === 'nonzero' ? exitCode !== 0 : exitCode === row.exit;
}

function definedGroups(groups: Readonly<Record<string, string | undefined>> = {}): Record<string, string> {
  const defined: Record<string, string> = {};
  for (const [name, value] of Object.entries(groups)) if (value !== undefined) defined[name] = value;
  return defined;
}

/** Every row that an output matches, in the order of the catalogue. */
export function matchingRows(utterance: Utterance): CatalogueMatch[] {
  const matches: CatalogueMatch[] = [];
  for (const row of messageCatalogue) {
    if (!concerns(row, utterance)) continue;
    const match = row.pattern.exec(utterance.text);
    if (match !== null) matches.push({ row, groups: definedGroups(match.groups) });
  }
  return matches;
}

/** The row that decides about an output: the first that is not a mere remark. */
export function decidingRow(utterance: Utterance): CatalogueMatch | undefined {
  return matchingRows(utterance).find(({ row }) => row.reason !== 'information');
}

const maxShownLength = 200;

/** Text of an output made fit for a message: one line, no control characters, at most 200 characters. */
export function shownText(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cs}]+/gu, ' ').trim();
  return plain.length > maxShownLength ? `${plain.slice(0, maxShownLength)}…` : plain;
}

/** The first line of an output that no row explains: what an unknown failure is told by. */
export function unknownLine(utterance: Utterance): string | undefined {
  const rows = messageCatalogue.filter((row) => concerns(row, utterance) && row.exit === undefined);
  const lines = utterance.text.split('\n').filter((line) => line.trim() !== '');
  const unknown = lines.find((line) => !rows.some((row) => row.pattern.test(line)));
  return unknown === undefined ? undefined : shownText(unknown);
}

/** Fills the `{group}` places of a meaning or remedy with what was matched; an absent group leaves nothing. */
export function fillIn(template: string, groups: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => shownText(groups[name] ?? ''));
}
