// The command `famfs-csi inspect PATH`: shows a pool to a person, or as JSON to a program. Only opens, asks and prints;
// what is shown is decided in famfs/pool-report.ts.
import { parseArgs } from 'node:util';
import { printable, printableJson, printableLines } from '../errors/printable.ts';
import { DriverError } from '../errors.ts';
import { openLogSource } from '../famfs/log-source.ts';
import { PoolLog } from '../famfs/pool-log.ts';
import { poolPage, poolReport, type RefusalReport } from '../famfs/pool-report.ts';
import { type Refusal, refusalOf } from '../famfs/refusal.ts';
import type { Superblock } from '../famfs/superblock.ts';
import { readSystemUuid, roleOf, systemUuidPath } from '../famfs/system-uuid.ts';

/** Where a command writes. A terminal says so with `isTTY`, and how wide it is with `columns`. */
export interface CommandOutput {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const widthWithoutTerminal = 100;
const entriesForPerson = 200;

const usage = `Usage: famfs-csi inspect PATH [--json] [--all] [--system-uuid-path FILE]

Shows a famfs pool: who it is, how full it is, and what lies where on its device.
Everything is read and checked by the driver itself; nothing is written.

PATH is one of
  a mounted pool           the directory it is mounted at (it has .meta/.superblock)
  a directory              with the files "superblock" and "log" (a simulated device)
  a device image           the first bytes of a device: superblock and log; gzipped is fine

Options
  --json                   one JSON document: uuid, logEntriesUsed, logEntriesTotal,
                           freeBytes, longestFreeRun, entries (in log order)
  --all                    every entry; without it the first ${entriesForPerson}
  --system-uuid-path FILE  this node's famfs identity, to tell master from client
                           (default ${systemUuidPath})
  --help                   this text

Exit status: 0 for a sound pool; 1 for one that must not be trusted or cannot be
read (with --json: {"error": {"entry", "field", "reason"}}); 2 for a wrong call.
`;

/**
 * Runs the command with the arguments that follow its name. Returns the exit status: 0, 1 for a pool that is refused
 * or cannot be read, 2 for wrong arguments. Does not throw.
 */
export async function runInspect(argv: string[], io: CommandOutput): Promise<number> {
  let call: InspectCall;
  try {
    call = parseCall(argv);
  } catch (error) {
    io.stderr.write(`famfs-csi inspect: ${printableLines(messageOf(error))}\n\n${usage}`);
    return 2;
  }
  if (call.help) {
    io.stdout.write(usage);
    return 0;
  }
  try {
    io.stdout.write(await inspect(call, io.stdout));
    return 0;
  } catch (error) {
    const refusal = refusalFor(error);
    if (call.json)
      io.stdout.write(`${printableJson(JSON.stringify({ error: refusal } satisfies RefusalReport))}\n`);
    else io.stderr.write(`famfs-csi inspect: ${sentenceFor(error, call.path, refusal)}\n`);
    return 1;
  }
}

interface InspectCall {
  readonly path: string;
  readonly json: boolean;
  readonly all: boolean;
  readonly help: boolean;
  readonly systemUuidPath: string;
}

function parseCall(argv: string[]): InspectCall {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      all: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      'system-uuid-path': { type: 'string', default: systemUuidPath },
    },
  });
  const [path, ...rest] = positionals;
  if (!values.help && (path === undefined || path === '')) throw new Error('the PATH of a pool is missing');
  if (!values.help && rest.length > 0) throw new Error(`one PATH at a time, not ${positionals.length}`);
  return { ...values, path: path ?? '', systemUuidPath: values['system-uuid-path'] };
}

async function inspect(call: InspectCall, stdout: OutputStream): Promise<string> {
  const source = await openLogSource(call.path);
  const log = new PoolLog(source);
  try {
    await log.refresh();
  } finally {
    log.close();
  }
  if (call.json) return `${printableJson(JSON.stringify(poolReport(log)))}\n`;
  return poolPage(log, {
    where: call.path,
    kind: source.kind,
    roleText: roleText(log.superblock, call.systemUuidPath),
    width: stdout.columns ?? widthWithoutTerminal,
    colour: stdout.isTTY === true && (process.env.NO_COLOR ?? '') === '',
    maxEntries: call.all ? Number.POSITIVE_INFINITY : entriesForPerson,
  });
}

function roleText(superblock: Superblock, path: string): string {
  try {
    const own = readSystemUuid(path);
    if (own === undefined) return `client (it has no famfs identity in ${path})`;
    return `${roleOf(superblock, own)} (system ${own})`;
  } catch (error) {
    return `role unknown: ${messageOf(error)}`;
  }
}

/** What is wrong, as data; a file system's error is about the path. */
function refusalFor(error: unknown): Refusal {
  return refusalOf(error) ?? { entry: null, field: 'path', reason: reasonOf(error) };
}

function sentenceFor(error: unknown, path: string, refusal: Refusal): string {
  if (!(error instanceof DriverError)) return `${printable(path)} cannot be read: it ${refusal.reason}.`;
  return refusal.field === 'path' && refusal.entry === null
    ? printable(error.message)
    : `${printable(path)}: ${printable(error.message)}`;
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return knownErrors.get(code) ?? `failed with ${code === '' ? '' : `${code}: `}${messageOf(error)}`;
}

const knownErrors = new Map([
  ['ENOENT', 'does not exist'],
  ['ENOTDIR', 'does not exist: a part of the path is a file'],
  ['EACCES', 'may not be read by this user'],
  ['EPERM', 'may not be read by this user'],
  ['ENOTCONN', 'is a mount whose famfs daemon has ended'],
  ['EIO', 'answers with an input/output error: a broken mount, or a memory error'],
  ['ENODEV', 'is a mount whose memory is gone'],
]);

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
