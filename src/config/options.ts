// Reads a table of options from flags and environment, tells all mistakes at once, prints help. Knows no
// particular option: those stand in config.ts.
import { parseArgs } from 'node:util';
import { didYouMean } from '../errors/closest-name.ts';
import { printable } from '../errors/printable.ts';
import { DriverError } from '../errors.ts';

/** One option: `--flag VALUE`, or FAMFS_CSI_FLAG in the environment. */
export interface Option<T> {
  readonly flag: string;
  readonly group: string;
  readonly help: string;
  /** What stands for the value in the help, such as DURATION; a switch has none. */
  readonly placeholder: string | undefined;
  /** The value when nothing is given; a function, so that it is made for each use. */
  readonly fallback: (() => T) | undefined;
  readonly fallbackText: string | undefined;
  /** Further environment variables that mean the same, after our own. */
  readonly aliases: readonly string[];
  /** Takes all values given (one, unless repeatable) and throws an Error whose message completes "--flag …". */
  read(values: readonly string[]): T;
  readonly repeatable: boolean;
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** The values that a table of options yields. */
export type Config<O extends OptionTable> = {
  readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never;
};

/** A role of the program, as far as its command line goes. */
export interface RoleOptions<O extends OptionTable> {
  readonly name: string;
  readonly summary: string;
  readonly options: O;
}

interface OptionFacts {
  readonly group: string;
  readonly help: string;
  readonly aliases?: readonly string[];
  /** For the help, when the default depends on something else. */
  readonly fallbackText?: string;
}

/** A parser of one value with the word that stands for it in the help. */
export interface ValueType<T> {
  readonly placeholder: string;
  parse(text: string): T;
}

/** An option with one value that has to be given. */
export function required<T>(flag: string, type: ValueType<T>, facts: OptionFacts): Option<T> {
  return makeOption(flag, type, facts, undefined);
}

/** An option with one value and a default. `value` is written as a user would write it. */
export function withDefault<T>(
  flag: string,
  type: ValueType<T>,
  value: string,
  facts: OptionFacts,
): Option<T> {
  return makeOption(flag, type, { fallbackText: value, ...facts }, () => type.parse(value));
}

/** An option with one value that may be missing. */
export function optional<T>(flag: string, type: ValueType<T>, facts: OptionFacts): Option<T | undefined> {
  return makeOption<T | undefined>(flag, type, facts, () => undefined);
}

/** An option that can be given several times, or once with commas. */
export function repeatable<T>(
  flag: string,
  type: ValueType<T>,
  values: readonly string[],
  facts: OptionFacts,
): Option<readonly T[]> {
  const readAll = (texts: readonly string[]): readonly T[] =>
    texts.flatMap((text) => text.split(',')).map((text) => type.parse(text.trim()));
  return {
    ...makeOption<readonly T[]>(
      flag,
      { placeholder: type.placeholder, parse: (text) => readAll([text]) },
      { fallbackText: values.join(','), ...facts },
      () => readAll(values),
    ),
    read: readAll,
    repeatable: true,
  };
}

/** A switch: `--flag`, `--flag=false`; off unless given. */
export function toggle(flag: string, facts: OptionFacts): Option<boolean> {
  const parse = (text: string): boolean => {
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    throw new Error(`is on or off: give true or false, not ${JSON.stringify(text)}`);
  };
  return { ...makeOption(flag, { placeholder: '', parse }, facts, () => false), placeholder: undefined };
}

function makeOption<T>(
  flag: string,
  type: ValueType<T>,
  facts: OptionFacts,
  fallback: (() => T) | undefined,
): Option<T> {
  return {
    flag,
    group: facts.group,
    help: facts.help,
    placeholder: type.placeholder,
    fallback,
    fallbackText: facts.fallbackText,
    aliases: facts.aliases ?? [],
    repeatable: false,
    read([text, ...more]) {
      if (more.length > 0) throw new Error('can be given once only');
      return type.parse(text ?? '');
    },
  };
}

/** The environment variable of a flag. */
export function environmentName(flag: string): string {
  return `FAMFS_CSI_${flag.replaceAll('-', '_').toUpperCase()}`;
}

/**
 * Reads the configuration of a role. A flag wins over the environment. Variables that belong to no option are
 * ignored: Kubernetes puts FAMFS_CSI_…_SERVICE_HOST and the like there when a Service is named so.
 * @throws {DriverError} config-invalid, its message a line for each mistake.
 */
export function readConfig<O extends OptionTable>(
  role: RoleOptions<O>,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Config<O> {
  const mistakes: string[] = [];
  const given = readFlags(role, argv, mistakes);
  const config: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(role.options)) {
    const source = given.get(option.flag) ?? fromEnvironment(option, environment);
    try {
      config[key] = readOption(option, source);
    } catch (error) {
      const where = source === undefined ? `--${option.flag}` : source.name;
      mistakes.push(`${where} ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (mistakes.length > 0) {
    const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`;
    const lines = mistakes.map((mistake) => `  ${printable(mistake)}`);
    throw new DriverError(
      'config-invalid',
      [`the configuration of famfs-csi ${role.name} holds ${count}:`, ...lines].join('\n'),
    );
  }
  return config as Config<O>;
}

interface Source {
  /** As the user wrote it: --flag or the variable. */
  readonly name: string;
  readonly values: readonly string[];
}

function readOption(option: Option<unknown>, source: Source | undefined): unknown {
  if (source !== undefined) return option.read(source.values);
  if (option.fallback !== undefined) return option.fallback();
  throw new Error(`is missing; give it or set ${environmentName(option.flag)}`);
}

function fromEnvironment(
  option: Option<unknown>,
  environment: Readonly<Record<string, string | undefined>>,
): Source | undefined {
  for (const name of [environmentName(option.flag), ...option.aliases]) {
    const value = environment[name];
    if (value !== undefined && value !== '') return { name, values: [value] };
  }
  return undefined;
}

function readFlags(
  role: RoleOptions<OptionTable>,
  argv: readonly string[],
  mistakes: string[],
): Map<string, Source> {
  const byFlag = new Map(Object.values(role.options).map((option) => [option.flag, option]));
  const types = Object.fromEntries(
    [...byFlag].map(([flag, option]) => [
      flag,
      { type: option.placeholder === undefined ? 'boolean' : 'string', multiple: true } as const,
    ]),
  );
  // There are no short options: `-node-id` is one mistake and not one for each letter, which parseArgs would make of it
  // in a time that grows with the square of its length.
  const args = argv.map((argument) => (/^-[^-]/.test(argument) ? argument.slice(0, 2) : argument));
  const { tokens } = parseArgs({ args, options: types, strict: false, tokens: true });
  const given = new Map<string, { name: string; values: string[] }>();
  for (const token of tokens) {
    if (token.kind === 'positional') {
      mistakes.push(`${JSON.stringify(argv[token.index])} is not expected here; options start with --`);
    }
    if (token.kind !== 'option') continue;
    const option = byFlag.get(token.name);
    if (option === undefined) {
      const written = token.rawName.startsWith('--') ? token.rawName : (argv[token.index] ?? '');
      const name = written.replace(/^--?/, '');
      mistakes.push(`${written.slice(0, 200)} is not an option.${didYouMean(name, byFlag.keys())}`);
      continue;
    }
    const value = token.inlineValue === false ? argv[token.index + 1] : token.value;
    const swallowed = token.inlineValue === false && token.value.startsWith('--');
    if (option.placeholder !== undefined && (value === undefined || swallowed)) {
      mistakes.push(`--${option.flag} needs a value: --${option.flag} ${option.placeholder}`);
      continue;
    }
    const source = given.get(option.flag) ?? { name: `--${option.flag}`, values: [] };
    source.values.push(value ?? 'true');
    given.set(option.flag, source);
  }
  return given;
}

const helpColumn = 30;
const helpWidth = 100;

/** The help of a role, grouped as its options are. */
export function helpText(role: RoleOptions<OptionTable>): string {
  const options = Object.values(role.options);
  const groups = [...new Set(options.map((option) => option.group))];
  const sections = groups.map((group) => {
    const members = options.filter((option) => option.group === group);
    return [`${group}:`, ...members.map(helpEntry)].join('\n');
  });
  return [
    `Usage: famfs-csi ${role.name} [options]`,
    wrap(role.summary, helpWidth).join('\n'),
    ...sections,
    'Every option can be set in the environment too: --log-level as FAMFS_CSI_LOG_LEVEL. A flag wins.',
  ].join('\n\n');
}

function helpEntry(option: Option<unknown>): string {
  const head = `  --${option.flag}${option.placeholder === undefined ? '' : ` ${option.placeholder}`}`;
  const notes = [
    option.repeatable ? 'repeatable' : '',
    option.fallback === undefined ? 'required' : '',
    option.fallbackText === undefined ? '' : `default: ${option.fallbackText}`,
  ].filter((note) => note !== '');
  const text = notes.length === 0 ? option.help : `${option.help} (${notes.join('; ')})`;
  const [first = '', ...rest] = wrap(text, helpWidth - helpColumn);
  const indent = ' '.repeat(helpColumn);
  const start = head.length < helpColumn ? [head.padEnd(helpColumn) + first] : [head, indent + first];
  return [...start, ...rest.map((line) => indent + line)].join('\n');
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
