// famfs fsck: reports on a mounted pool or on an unmounted device (famfs reference 1.3).
import { statSync } from 'node:fs';
import type { CommandContext } from './command-context.ts';
import { checkDaxMode, isFamfsDriverRequired } from './dax-mode.ts';
import { readLog, readSuperblockBytes } from './device.ts';
import { withDummyMount } from './dummy-mount.ts';
import { type FamfsMode, selectMode } from './famfs-mode.ts';
import { printFsckReport } from './fsck-report.ts';
import type { OptionTable } from './get-options.ts';
import { readLogImage } from './log-image.ts';
import { shownMountPoint } from './mount-fuse.ts';
import {
  findMountOf,
  mountPointOf,
  readLogThrough,
  readSuperblockThrough,
  realPathOf,
} from './mounted-pool.ts';
import { findNodeDevice, type NodeDevice } from './node.ts';
import { printUsage, readOptions } from './option-reader.ts';
import { checkSuperblock } from './pool-identity.ts';
import { fsckUsage } from './usage-texts.ts';

const table: OptionTable = {
  short: '+vh?mrfMLB:DF',
  long: [
    { name: 'human', takesValue: false, key: 'h' },
    { name: 'verbose', takesValue: false, key: 'v' },
    { name: 'force', takesValue: false, key: 'f' },
    { name: 'nbuckets', takesValue: true, key: 'B' },
    { name: 'set-daxmode', takesValue: false, key: 'M' },
    { name: 'load-module', takesValue: false, key: 'L' },
    { name: 'nofuse', takesValue: false, key: 'F' },
    { name: 'fuse', takesValue: false, key: 'fuse' },
    { name: 'mmap', takesValue: false, key: 'm' },
    { name: 'read', takesValue: false, key: 'r' },
    { name: 'nodax', takesValue: false, key: 'D' },
  ],
};
const busy = -16;
const noSuchEntry = -2;
const notConnected = 107;

interface Settings {
  isHuman: boolean;
  maySwitch: boolean;
  mode: FamfsMode | undefined;
}

/** Runs `famfs fsck`. Returns famfs's result code; the number of collisions when there was a report. */
export async function fsckCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const settings: Settings = { isHuman: false, maySwitch: false, mode: undefined };
  const ways = { mmap: false, read: false };
  const description = { table, usage: fsckUsage, helpKeys: ['?'] };
  const parsed = readOptions(context, argv, description, ({ key }) => {
    if (key === 'h') settings.isHuman = true;
    if (key === 'M') settings.maySwitch = true;
    if (key === 'F') settings.mode = 'standalone';
    if (key === 'fuse') settings.mode = 'fuse';
    if (key === 'm') ways.mmap = true;
    if (key === 'r') {
      ways.read = true;
      context.complain('do_famfs_cli_fsck: warning: the read option can cause cache coherency problems');
    }
    return undefined;
  });
  if (typeof parsed === 'number') return parsed;
  if (ways.mmap && ways.read) {
    context.complain('Error: The --mmap and --read arguments are mutually exclusive\n');
    printUsage(context, fsckUsage);
    return -1;
  }
  const target = parsed.operands[0];
  if (target === undefined) {
    context.complain('do_famfs_cli_fsck: Must specify at least one dax device');
    printUsage(context, fsckUsage);
    return -1;
  }
  const device = findNodeDevice(context.node, target);
  if (device !== undefined) return await checkDevice(context, settings, device);
  return checkPath(context, settings, target);
}

async function checkDevice(context: CommandContext, settings: Settings, device: NodeDevice): Promise<number> {
  if (shownMountPoint(context, device) !== undefined) {
    context.complain(`famfs_fsck: error: cannot fsck by device (${device.path}) when mounted`);
    return busy;
  }
  if (!isFamfsDriverRequired(context)) return checkRaw(context, settings, device);
  const { maySwitch } = settings;
  const result = checkDaxMode(context, { devicePath: device.path, command: 'famfs fsck', maySwitch });
  if (result !== 0) return result;
  const mode = settings.mode ?? selectMode(context) ?? 'fuse';
  const onFailure = (failure: number): number => {
    context.complain(`famfs_fsck: dummy mount failed for ${device.path}`);
    return failure;
  };
  return await withDummyMount(context, { device, mode, needsSuperblock: true }, onFailure, (dummy) => {
    printHeader(
      context,
      dummy.mountPoint,
      mode,
      dummy.shadow && { device: device.path, shadow: dummy.shadow },
    );
    const bytes = readSuperblockBytes(device.device);
    const log = (lengthBytes: bigint) =>
      readLogImage((offset, length) => readLog(device.device, offset, length), lengthBytes);
    return report(context, settings, dummy.mountPoint, { bytes, log });
  });
}

/** The way on kernels before 6.15, and with setarch --uname-2.6: the device is mapped, not mounted. */
function checkRaw(context: CommandContext, settings: Settings, device: NodeDevice): number {
  const bytes = readSuperblockBytes(device.device);
  const superblock = checkSuperblock(context, bytes);
  if (superblock === undefined) {
    context.complain(`famfs_fsck: no valid superblock on ${device.path}`);
    return -1;
  }
  const read = (offset: number, length: number): Buffer => readLog(device.device, offset, length);
  const log = readLogImage(read, superblock.logLengthBytes);
  return printFsckReport(context, { superblock, superblockBytes: bytes, log }, settings.isHuman);
}

function checkPath(context: CommandContext, settings: Settings, target: string): number {
  const problem = statProblem(target);
  if (problem !== undefined) {
    context.complain(`famfs_fsck: failed to stat path ${target} (${problem.text})`);
    return problem.result;
  }
  const found = findMountOf(context, target);
  const mountPoint = found?.mountPoint ?? mountPointOf(realPathOf(target) ?? target);
  const details = found && { device: found.mount.source, shadow: found.mount.shadow };
  printHeader(context, mountPoint, found?.mount.mode, details);
  const bytes = readSuperblockThrough(found);
  if (bytes === undefined) {
    context.complain(
      `famfs_map_superblock_by_path: failed to open superblock file read-only for filesystem ${target}`,
    );
    context.complain(`famfs_fsck_mounted: failed to map superblock from file ${target}`);
    return -1;
  }
  return report(context, settings, target, { bytes, log: () => readLogThrough(found) });
}

function statProblem(target: string): { result: number; text: string } | undefined {
  try {
    statSync(target);
    return undefined;
  } catch (error) {
    const isDead = error instanceof Error && 'code' in error && error.code === 'ENOTCONN';
    if (isDead) return { result: notConnected, text: 'Transport endpoint is not connected' };
    return { result: noSuchEntry, text: 'No such file or directory' };
  }
}

function printHeader(
  context: CommandContext,
  mountPoint: string,
  mode: FamfsMode | undefined,
  fuse: { device: string; shadow: string } | '' | undefined,
): void {
  const types = { fuse: 'FAMFS_FUSE', standalone: 'FAMFS_V1' } as const;
  context.print('famfs fsck:');
  context.print(`  mount point: ${mountPoint}`);
  context.print(`  mount type:  ${mode === undefined ? 'NOT_FAMFS' : types[mode]}`);
  if (mode === 'fuse' && fuse) {
    context.print(`  backing dev: ${fuse.device}`);
    context.print(`  shadow path: ${fuse.shadow}`);
  }
  context.print('');
}

function report(
  context: CommandContext,
  settings: Settings,
  target: string,
  pool: { bytes: Buffer; log: (lengthBytes: bigint) => ReturnType<typeof readLogThrough> },
): number {
  const superblock = checkSuperblock(context, pool.bytes);
  if (superblock === undefined) {
    context.complain('famfs_map_superblock_by_path: invalid superblock');
    context.complain(`famfs_fsck_mounted: failed to map superblock from file ${target}`);
    return -1;
  }
  const log = pool.log(superblock.logLengthBytes);
  if (log === undefined || log.header.logLengthBytes !== log.fileBytes) {
    const lengths = `${log?.fileBytes ?? 0n} / ${log?.header.logLengthBytes ?? 0n}`;
    context.complain(`famfs_map_log_by_path: log file length is invalid (${lengths})`);
    context.complain(`famfs_fsck_mounted: failed to map log from file ${target}`);
    return -1;
  }
  return printFsckReport(context, { superblock, superblockBytes: pool.bytes, log }, settings.isHuman);
}
