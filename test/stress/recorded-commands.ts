// What famfs commands were given as arguments, written down by the programs of a node themselves. Knows no call.
import assert from 'node:assert/strict';

/** Shell text that writes down program and arguments, parted by a character that no argument has; for `ClusterNode.spoil`. */
export const recordArguments = `{ printf '%s' "\${0##*/}"; for each in "$@"; do printf '\\037%s' "$each"; done; echo; } >> "$NOTES"`;

/** What a node that only reads gives famfs besides paths. */
export const wordsOfReaders = /^(?:mount|logplay|fsck|--fuse|--nofuse|-D|-M|-L)$/;
/** What one that makes files gives it besides: commands, options and their numbers. */
export const wordsOfMakers =
  /^(?:mount|logplay|fsck|--fuse|--nofuse|-D|-M|-L|mkdir|creat|flush|-[pmugs]|\d+)$/;

/** The commands of a node's notes: program and arguments of each. */
export function recordedCommands(notes: readonly string[]): string[][] {
  return notes.map((line) => line.split('\u001f'));
}

/** Each argument is a word of the driver's own, an option of its own, or a path of the node. */
export function assertPlainArguments(
  [program = '', ...args]: readonly string[],
  nodeRoot: string,
  words: RegExp,
): void {
  for (const argument of args) {
    const shown = `${program} ${JSON.stringify(args)}`;
    if (words.test(argument)) continue;
    const value = argument.startsWith('--shadow=') ? argument.slice('--shadow='.length) : argument;
    assert.ok(value.startsWith(`${nodeRoot}/`), `an argument that is no path of the node: ${shown}`);
    assert.match(value, /^[A-Za-z0-9/._-]+$/, `a path with more than plain characters: ${shown}`);
    assert.ok(
      value.split('/').every((part) => !part.startsWith('-')),
      `a part of a path like an option: ${shown}`,
    );
  }
}
