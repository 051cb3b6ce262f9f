// The log of a process: constant messages with data in fields, as JSON or as text, always on stderr. Knows
// nothing of what it logs, except that errors and bigints have to survive the trip.
import winston from 'winston';
import { printableJson, printableLines } from '../errors/printable.ts';
import { type LogFormat, type LogLevel, logLevels } from './log-levels.ts';
import { serialiseError } from './serialise-error.ts';

/** The `MESSAGE` of winston's own package triple-beam. */
const winstonMessage = Symbol.for('message');

export type LogFields = Readonly<Record<string, unknown>>;

/** What every part of the driver logs with. Messages are constant sentences; what varies goes into `fields`. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
  /** Whether a line of this level would be written; ask before preparing costly fields. */
  enabled(level: LogLevel): boolean;
}

/** The logger of a process, whose level can change while it runs (all children follow). */
export interface ProcessLogger extends Logger {
  readonly level: LogLevel;
  setLevel(level: LogLevel): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Fields of every line, such as the role and the version. */
  readonly fields?: LogFields;
  /** Where lines go; stderr when not given, so that stdout stays free for what a command prints. */
  readonly stream?: NodeJS.WritableStream;
}

/** Makes the logger of a process. */
export function createLogger(options: LoggerOptions): ProcessLogger {
  const { combine, timestamp, json, printf } = winston.format;
  const lines =
    options.format === 'json'
      ? [json({ replacer: jsonValue }), shown(printableJson)]
      : [printf(textLine), shown(printableLines)];
  const sink = winston.createLogger({
    level: options.level,
    levels: winston.config.npm.levels,
    format: combine(timestamp(), ...lines),
    transports: [
      options.stream === undefined
        ? new winston.transports.Console({ stderrLevels: [...logLevels] })
        : new winston.transports.Stream({ stream: options.stream }),
    ],
  });
  const root = boundLogger(sink, options.fields ?? {});
  return {
    ...root,
    get level() {
      return sink.level as LogLevel;
    },
    setLevel(level) {
      sink.level = level;
    },
  };
}

/** A logger that writes nothing, for code that is given none. */
export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => silentLogger,
  enabled: () => false,
};

/** What winston writes is under a symbol; it may hold names from outside, and people read it on terminals. */
function shown(made: (line: string) => string): winston.Logform.Format {
  return winston.format((info) => {
    const line = info[winstonMessage];
    if (typeof line === 'string') info[winstonMessage] = made(line);
    return info;
  })();
}

function boundLogger(sink: winston.Logger, bound: LogFields): Logger {
  const rank = winston.config.npm.levels;
  const enabled = (level: LogLevel): boolean => (rank[level] ?? 0) <= (rank[sink.level] ?? 0);
  const write = (level: LogLevel, message: string, fields: LogFields | undefined): void => {
    if (enabled(level)) sink.log({ ...bound, ...serialisable(fields), level, message });
  };
  return {
    error: (message, fields) => write('error', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    info: (message, fields) => write('info', message, fields),
    debug: (message, fields) => write('debug', message, fields),
    child: (fields) => boundLogger(sink, { ...bound, ...fields }),
    enabled,
  };
}

/** winston prints an Error as {} and glues a field named `message` onto the message: neither gets that far. */
function serialisable(fields: LogFields | undefined): LogFields {
  if (fields === undefined) return {};
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const name = key === 'message' || key === 'level' || key === 'timestamp' ? `${key}Field` : key;
    result[name] = value instanceof Error ? serialiseError(value) : value;
  }
  return result;
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  if (value instanceof Error) return serialiseError(value);
  return value;
}

function textLine(info: winston.Logform.TransformableInfo): string {
  const { timestamp, level, message, ...fields } = info;
  const stacks: string[] = [];
  const parts = Object.entries(fields).map(([key, value]) => `${key}=${textValue(value, stacks)}`);
  const line = [String(timestamp), level.padEnd(5), String(message), ...parts].join(' ');
  return [line, ...stacks].join('\n');
}

function textValue(value: unknown, stacks: string[]): string {
  if (typeof value === 'object' && value !== null && 'stack' in value && 'message' in value) {
    if (typeof value.stack === 'string') stacks.push(value.stack.replaceAll(/^/gm, '    '));
    return JSON.stringify(value.message);
  }
  if (typeof value === 'string') return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value, jsonValue) ?? 'undefined';
}
