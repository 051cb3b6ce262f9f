// famfs logplay: brings the names of a mount up to date with the log (famfs reference 1.6).
import type { CommandContext } from './command-context.ts';
import type { OptionTable } from './get-options.ts';
import { findMountOf, readLogThrough, readSuperblockThrough } from './mounted-pool.ts';
import { printUsage, readOptions } from './option-reader.ts';
import { replayLog } from './replay-log.ts';
import { logplayUsage } from './usage-texts.ts';

const table: OptionTable = {
  short: '+vrcmnhSd:M?',
  long: [
    { name: 'dryrun', takesValue: false, key: 'n' },
    { name: 'verbose', takesValue: false, key: 'v' },
    { name: 'set-daxmode', takesValue: false, key: 'M' },
    { name: 'mmap', takesValue: false, key: 'm' },
    { name: 'read', takesValue: false, key: 'r' },
    { name: 'client', takesValue: false, key: 'c' },
    { name: 'shadowtest', takesValue: false, key: 's' },
    { name: 'shadow', takesValue: true, key: 'S' },
    { name: 'daxdev', takesValue: true, key: 'd' },
  ],
};

/** Runs `famfs logplay`. Returns famfs's result code. --daxdev and --shadow, for famfs's own tests, are refused. */
export async function logplayCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const settings = { isDryRun: false, asClient: false };
  const ways = { mmap: false, read: false };
  let unsupported: string | undefined;
  const parsed = readOptions(context, argv, { table, usage: logplayUsage }, ({ key, value }) => {
    if (key === 'n') {
      settings.isDryRun = true;
      context.print('Logplay: dry_run selected');
    }
    if (key === 'c') settings.asClient = true;
    if (key === 'm') ways.mmap = true;
    if (key === 'r') {
      ways.read = true;
      context.complain('do_famfs_cli_logplay: warning: the read option can cause cache coherency problems');
    }
    if (value !== undefined && (key === 'd' || key === 'S')) unsupported = key === 'd' ? 'daxdev' : 'shadow';
    return undefined;
  });
  if (typeof parsed === 'number') return parsed;
  if (ways.mmap && ways.read) {
    context.complain('Error: The --mmap and --read arguments are mutually exclusive\n');
    printUsage(context, logplayUsage);
    return 1;
  }
  if (unsupported !== undefined) {
    context.complain(`famfs simulator: logplay --${unsupported} is not simulated`);
    return 1;
  }
  const target = parsed.operands[0];
  if (target === undefined) {
    context.complain('Must specify mount_point (actually any path within a famfs file system will work)');
    printUsage(context, logplayUsage);
    return 1;
  }
  const found = findMountOf(context, target);
  const log = readLogThrough(found);
  const superblock = readSuperblockThrough(found);
  if (found === undefined || log === undefined) {
    context.complain(`famfs_logplay: failed to open log file for filesystem ${target}`);
    return -1;
  }
  if (superblock === undefined) {
    context.complain(`famfs_logplay: failed to map superblock for filesystem ${target}`);
    return -1;
  }
  return replayLog(context, found.mount, superblock, log, settings);
}
