// Parses command lines exactly as GNU getopt_long does, errors and abbreviations included.
// Must not know any command.

/** A long option: its name, whether it takes a value, and the key it reports (a short letter or a name of its own). */
export interface LongOption {
  readonly name: string;
  readonly takesValue: boolean;
  readonly key: string;
}

/** What one command accepts. `short` is a getopt string; a leading `+` stops the parse at the first operand. */
export interface OptionTable {
  readonly short: string;
  readonly long: readonly LongOption[];
}

/** One option as met on the command line. An unknown or malformed one has the key `?` and a message. */
export interface ParsedOption {
  readonly key: string;
  readonly value: string | undefined;
  readonly message: string | undefined;
}

/** The options in order, and what is left over once they end. */
export interface ParsedOptions {
  readonly options: readonly ParsedOption[];
  readonly operands: readonly string[];
}

interface Cursor {
  readonly argv: readonly string[];
  index: number;
}

/**
 * Splits `argv` (without the program name) into options and operands the way GNU getopt_long does: `--` ends
 * the options; without a leading `+` operands may stand anywhere; long options may be abbreviated while that
 * is unambiguous. `program` is what error messages begin with (argv[0]).
 */
export function getOptions(program: string, argv: readonly string[], table: OptionTable): ParsedOptions {
  const stopsAtOperand = table.short.startsWith('+');
  const short = stopsAtOperand ? table.short.slice(1) : table.short;
  const options: ParsedOption[] = [];
  const operands: string[] = [];
  const cursor: Cursor = { argv, index: 0 };
  while (cursor.index < argv.length) {
    const word = argv[cursor.index] ?? '';
    if (word === '--') {
      operands.push(...argv.slice(cursor.index + 1));
      return { options, operands };
    }
    if (!word.startsWith('-') || word === '-') {
      if (stopsAtOperand) {
        operands.push(...argv.slice(cursor.index));
        return { options, operands };
      }
      operands.push(word);
      cursor.index += 1;
      continue;
    }
    cursor.index += 1;
    if (word.startsWith('--')) options.push(longOption(program, word.slice(2), table.long, cursor));
    else options.push(...shortOptions(program, word.slice(1), short, cursor));
  }
  return { options, operands };
}

function wrong(message: string): ParsedOption {
  return { key: '?', value: undefined, message };
}

function longOption(
  program: string,
  text: string,
  table: readonly LongOption[],
  cursor: Cursor,
): ParsedOption {
  const equals = text.indexOf('=');
  const name = equals < 0 ? text : text.slice(0, equals);
  const attached = equals < 0 ? undefined : text.slice(equals + 1);
  const matches = table.filter((option) => option.name.startsWith(name));
  const exact = matches.find((option) => option.name === name);
  const option = exact ?? matches[0];
  if (option === undefined) return wrong(`${program}: unrecognized option '--${name}'`);
  const alike = (other: LongOption): boolean =>
    other.key === option.key && other.takesValue === option.takesValue;
  if (exact === undefined && !matches.every(alike)) {
    const names = matches.map((match) => `'--${match.name}'`).join(' ');
    return wrong(`${program}: option '--${name}' is ambiguous; possibilities: ${names}`);
  }
  if (!option.takesValue) {
    if (attached !== undefined)
      return wrong(`${program}: option '--${option.name}' doesn't allow an argument`);
    return { key: option.key, value: undefined, message: undefined };
  }
  const value = attached ?? nextWord(cursor);
  if (value === undefined) return wrong(`${program}: option '--${option.name}' requires an argument`);
  return { key: option.key, value, message: undefined };
}

function shortOptions(program: string, letters: string, table: string, cursor: Cursor): ParsedOption[] {
  const found: ParsedOption[] = [];
  const characters = [...letters];
  for (const [position, letter] of characters.entries()) {
    const at = letter === ':' || letter === ';' ? -1 : table.indexOf(letter);
    if (at < 0) {
      found.push(wrong(`${program}: invalid option -- '${letter}'`));
      continue;
    }
    if (table[at + 1] !== ':') {
      found.push({ key: letter, value: undefined, message: undefined });
      continue;
    }
    const rest = characters.slice(position + 1).join('');
    const value = rest === '' ? nextWord(cursor) : rest;
    if (value === undefined) found.push(wrong(`${program}: option requires an argument -- '${letter}'`));
    else found.push({ key: letter, value, message: undefined });
    break;
  }
  return found;
}

function nextWord(cursor: Cursor): string | undefined {
  const word = cursor.argv[cursor.index];
  if (word !== undefined) cursor.index += 1;
  return word;
}
