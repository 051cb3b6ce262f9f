// The command `famfs`: global options, then one of its subcommands. Knows only their names.

import {
  type CommandContext,
  type CommandOutcome,
  commandContext,
  exitStatus,
  ProcessDeath,
} from './command-context.ts';
import { cpCommand } from './cp-command.ts';
import { creatCommand } from './creat-command.ts';
import { chkreadCommand, flushCommand, verifyCommand } from './data-commands.ts';
import { fsckCommand } from './fsck-command.ts';
import { getOptions } from './get-options.ts';
import { logplayCommand } from './logplay-command.ts';
import { checkCommand, getmapCommand } from './map-commands.ts';
import { mkdirCommand } from './mkdir-command.ts';
import { mkfsCommand } from './mkfs-command.ts';
import { mountCommand } from './mount-command.ts';
import { printUsage } from './option-reader.ts';
import { cloneUsage, famfsUsage, mkmetaUsage } from './usage-texts.ts';

type Subcommand = (context: CommandContext, argv: readonly string[]) => Promise<number>;

const unknownCommand = 3;
const signalNumbers = { SIGABRT: 6, SIGSEGV: 11 } as const;

const subcommands: ReadonlyMap<string, Subcommand> = new Map<string, Subcommand>([
  ['mount', mountCommand],
  ['fsck', fsckCommand],
  ['check', checkCommand],
  ['mkdir', mkdirCommand],
  ['cp', cpCommand],
  ['creat', creatCommand],
  ['flush', flushCommand],
  ['verify', verifyCommand],
  ['mkmeta', async (context) => notSimulated(context, 'mkmeta', mkmetaUsage, 0)],
  ['logplay', logplayCommand],
  ['getmap', getmapCommand],
  ['clone', async (context) => notSimulated(context, 'clone', cloneUsage, 1)],
  ['chkread', chkreadCommand],
]);

/** How a command is run; see ContextOptions. Without `onComplaint` both streams are only in the outcome. */
export interface RunOptions {
  readonly nodeRoot: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly kernelRelease?: string;
  /** Is given each line of stderr at once, newline included, as the real program writes it unbuffered. */
  readonly onComplaint?: (text: string) => void;
}

/** Runs `famfs ARGV…` on a simulated node, in this process. */
export async function runFamfs(argv: readonly string[], options: RunOptions): Promise<CommandOutcome> {
  return await run(options, async (context) => exitStatus(await dispatch(context, argv)));
}

/** Runs `mkfs.famfs ARGV…` on a simulated node, in this process. */
export async function runMkfs(argv: readonly string[], options: RunOptions): Promise<CommandOutcome> {
  return await run(options, async (context) => await mkfsCommand(context, argv));
}

async function run(
  options: RunOptions,
  work: (context: CommandContext) => Promise<number>,
): Promise<CommandOutcome> {
  const output = { stdout: '', stderr: '' };
  const { nodeRoot, environment, kernelRelease, onComplaint } = options;
  const context = commandContext({
    nodeRoot,
    ...(environment === undefined ? {} : { environment }),
    ...(kernelRelease === undefined ? {} : { kernelRelease }),
    print: (line) => {
      output.stdout += `${line}\n`;
    },
    complain: (line) => {
      output.stderr += `${line}\n`;
      onComplaint?.(`${line}\n`);
    },
  });
  try {
    return { exit: await work(context), ...output };
  } catch (error) {
    if (!(error instanceof ProcessDeath)) throw error;
    // What stands in the buffer of stdout dies with the process.
    return {
      exit: 128 + signalNumbers[error.signal],
      signal: error.signal,
      stdout: '',
      stderr: output.stderr,
    };
  }
}

async function dispatch(context: CommandContext, argv: readonly string[]): Promise<number> {
  const table = { short: '+h?:', long: [{ name: 'dryrun', takesValue: false, key: 'n' }] };
  const { options, operands } = getOptions('famfs', argv, table);
  for (const option of options) {
    if (option.message !== undefined) context.complain(option.message);
    if (option.key === 'h' || option.key === '?') {
      printUsage(context, famfsUsage);
      return 0;
    }
  }
  const [name, ...rest] = operands;
  if (name === undefined) {
    context.complain('famfs_cli: missing command\n');
    printUsage(context, famfsUsage);
    return 1;
  }
  const subcommand = subcommands.get(name);
  if (subcommand === undefined) {
    context.complain(`famfs cli: Unrecognized command ${name}`);
    printUsage(context, famfsUsage);
    return unknownCommand;
  }
  return await subcommand(context, rest);
}

/** Commands for famfs's own tests, which no driver needs. */
function notSimulated(context: CommandContext, name: string, usage: string, result: number): number {
  printUsage(context, usage);
  context.complain(`famfs simulator: famfs ${name} is not simulated`);
  return result;
}
