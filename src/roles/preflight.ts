// `famfs-csi preflight`: looks at a node before the driver is on it, or in the mounter's place, and says what is missing, for
// a person or, as JSON, for a program.
import { readConfig } from '../config/options.ts';
import { type PreflightConfig, preflightRole } from '../config.ts';
import { printable, printableJson } from '../errors/printable.ts';
import type { NodeCheck } from '../mounter/node-check.ts';
import { type CheckGroup, preflight } from '../mounter/preflight.ts';
import { commandLocationOf, launcherOf } from './mounter-parts.ts';

const words: Readonly<Record<NodeCheck['state'], string>> = { ok: 'ok', note: 'note', missing: 'MISSING' };

/** Looks and prints. Returns the exit status: 1 when something is missing. */
export async function runPreflight(argv: readonly string[], stdout: NodeJS.WritableStream): Promise<number> {
  const config = readConfig(preflightRole, argv, process.env);
  const groups = await preflight(placesOf(config));
  const isServing = groups.every(({ checks }) => checks.every(({ state }) => state !== 'missing'));
  stdout.write(config.json ? jsonOf(groups, isServing) : pageOf(groups, isServing));
  return isServing ? 0 : 1;
}

function placesOf(config: PreflightConfig) {
  const location = commandLocationOf(config);
  return { ...config, location, launcher: launcherOf(config, location).name };
}

function jsonOf(groups: readonly CheckGroup[], isServing: boolean): string {
  const checks = groups.flatMap(({ title, checks: found }) =>
    found.map((check) => ({ group: title, ...check })),
  );
  return `${printableJson(JSON.stringify({ ok: isServing, checks }))}\n`;
}

function pageOf(groups: readonly CheckGroup[], isServing: boolean): string {
  const lines = groups.flatMap(({ title, checks }) => [title, ...checks.flatMap(linesOf), '']);
  const end = isServing
    ? 'This node can serve famfs.'
    : 'This node cannot serve famfs yet: see what is MISSING above.';
  return `${[...lines, end].join('\n')}\n`;
}

function linesOf({ state, found, why, remedy }: NodeCheck): string[] {
  const indent = ' '.repeat(10);
  return [
    `  ${words[state].padEnd(8)}${printable(found)}`,
    ...(why === undefined ? [] : [`${indent}why: ${printable(why)}`]),
    ...(remedy === undefined ? [] : [`${indent}do:  ${printable(remedy)}`]),
  ];
}
