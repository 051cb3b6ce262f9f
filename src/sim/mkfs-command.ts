// mkfs.famfs: makes a file system on a device, or erases one's superblock (famfs reference 1.1).
import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { encodeLogHeader } from '../famfs/log-header.ts';
import { emptyLogHeader, minLogLengthBytes, newSuperblock } from '../famfs/log-writer.ts';
import { encodeSuperblock } from '../famfs/superblock.ts';
import { atEffect } from '../linux/effect-point.ts';
import { scanSize } from './c-numbers.ts';
import type { CommandContext } from './command-context.ts';
import { checkDaxMode, isFamfsDriverRequired } from './dax-mode.ts';
import { clearLog, readLog, readSuperblockBytes, writeLog, writeSuperblockBytes } from './device.ts';
import { withDummyMount } from './dummy-mount.ts';
import { type FamfsMode, selectMode } from './famfs-mode.ts';
import { printFsckReport } from './fsck-report.ts';
import type { OptionTable } from './get-options.ts';
import { readLogImage } from './log-image.ts';
import { shownMountPoint } from './mount-fuse.ts';
import { findNodeDevice, type NodeDevice } from './node.ts';
import { readOptions } from './option-reader.ts';
import { checkSuperblock, hasSuperblockMagic, roleOfNode, systemUuidOf } from './pool-identity.ts';
import { mkfsUsage } from './usage-texts.ts';

const table: OptionTable = {
  short: '+fkl:DMFh?',
  long: [
    { name: 'force', takesValue: false, key: 'f' },
    { name: 'kill', takesValue: false, key: 'kill' },
    { name: 'loglen', takesValue: true, key: 'l' },
    { name: 'nodax', takesValue: false, key: 'D' },
    { name: 'set-daxmode', takesValue: false, key: 'M' },
    { name: 'nofuse', takesValue: false, key: 'F' },
    { name: 'fuse', takesValue: false, key: 'fuse' },
    { name: 'verbose', takesValue: false, key: 'verbose' },
  ],
};
const failed = 2;
const minDeviceBytes = 1n << 32n;
/** What the superblock's field holds besides its NUL. */
const maxDevicePathBytes = 63;

interface Settings {
  isForced: boolean;
  kills: boolean;
  logLengthBytes: bigint;
  maySwitch: boolean;
  mode: FamfsMode | undefined;
}

/** Runs mkfs.famfs. Returns its exit status. */
export async function mkfsCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const settings: Settings = {
    isForced: false,
    kills: false,
    logLengthBytes: minLogLengthBytes,
    maySwitch: false,
    mode: undefined,
  };
  const description = { table, usage: mkfsUsage, program: 'mkfs.famfs' };
  const parsed = readOptions(context, argv, description, ({ key, value = '' }) => {
    takeOption(context, settings, key, value);
    return undefined;
  });
  if (typeof parsed === 'number') return parsed;
  const devicePath = parsed.operands[0];
  if (devicePath === undefined) {
    context.complain('mkfs.famfs: must specify memory device');
    return 1;
  }
  if (context.uid !== 0) {
    context.complain('mkfs.famfs: must run as root');
    return 1;
  }
  const { logLengthBytes } = settings;
  if ((logLengthBytes & (logLengthBytes - 1n)) !== 0n || logLengthBytes < minLogLengthBytes) {
    context.complain(`famfs_mkfs: Error: invalid log length (${BigInt.asIntN(64, logLengthBytes)})`);
    return failed;
  }
  return await formatDevice(context, settings, devicePath);
}

function takeOption(context: CommandContext, settings: Settings, key: string, value: string): void {
  if (key === 'f') settings.isForced = true;
  if (key === 'k' || key === 'kill') settings.kills = true;
  if (key === 'k') context.print('kill superblock: 1');
  if (key === 'l') {
    settings.logLengthBytes = scanSize(value);
    context.print(`loglen: ${BigInt.asIntN(64, settings.logLengthBytes)}`);
  }
  if (key === 'M') settings.maySwitch = true;
  if (key === 'F') settings.mode = 'standalone';
  if (key === 'fuse') settings.mode = 'fuse';
}

async function formatDevice(context: CommandContext, settings: Settings, given: string): Promise<number> {
  const device = findNodeDevice(context.node, given);
  if (device === undefined) return refuseNonDevice(context, given);
  if (device.device.sizeBytes < minDeviceBytes) {
    context.complain('unsupported memory device size (<4GiB)');
    return failed;
  }
  if (!isFamfsDriverRequired(context)) return formatRaw(context, settings, device);
  const { maySwitch } = settings;
  if (checkDaxMode(context, { devicePath: device.path, command: 'mkfs.famfs', maySwitch }) !== 0)
    return failed;
  const mode = settings.mode ?? selectMode(context) ?? 'fuse';
  const onFailure = (): number => {
    context.complain(`famfs_mkfs_via_dummy_mount: dummy mount failed for ${device.path}`);
    return failed;
  };
  return await withDummyMount(context, { device, mode, needsSuperblock: false }, onFailure, () =>
    writeFileSystem(context, settings, device),
  );
}

function refuseNonDevice(context: CommandContext, given: string): number {
  let isBlockDevice: boolean;
  try {
    isBlockDevice = statSync(given).isBlockDevice();
  } catch {
    context.complain(`famfs_get_device_size: failed to stat file ${given} (No such file or directory)`);
    return failed;
  }
  if (!isBlockDevice) context.complain(`invalid dax device ${given}`);
  return failed;
}

/** The way on kernels before 6.15: the device is mapped, not mounted. */
function formatRaw(context: CommandContext, settings: Settings, device: NodeDevice): number {
  const shown = shownMountPoint(context, device);
  if (shown === undefined) return writeFileSystem(context, settings, device);
  context.complain(`famfs_mkfs: cannot mkfs while ${device.path} is mounted on ${shown}`);
  return failed;
}

function writeFileSystem(context: CommandContext, settings: Settings, nodeDevice: NodeDevice): number {
  const { device, path: devicePath } = nodeDevice;
  const before = readSuperblockBytes(device);
  if (!settings.isForced && roleOfNode(context, before) === 'client') {
    context.complain(
      `famfs_mkfs_allowed: Error: Device ${devicePath} has a superblock owned by another host.`,
    );
    return failed;
  }
  if (settings.kills && settings.isForced) {
    writeSuperblockBytes(device, Buffer.alloc(8));
    context.print('Famfs superblock killed');
    return 0;
  }
  context.print(`devsize: ${device.sizeBytes}`);
  if (!settings.isForced && isTakenByFamfs(context, before)) {
    context.complain(`Device ${devicePath} already has a famfs superblock`);
    return failed;
  }
  const systemUuid = systemUuidOf(context);
  if (systemUuid === undefined) return failed;
  const superblock = newSuperblock({
    fileSystemUuid: randomUUID(),
    deviceUuid: randomUUID(),
    systemUuid,
    deviceSizeBytes: device.sizeBytes,
    devicePath: Buffer.from(devicePath).subarray(0, maxDevicePathBytes).toString(),
    logLengthBytes: settings.logLengthBytes,
  });
  atEffect('clear log', () => {
    clearLog(device, settings.logLengthBytes);
    writeLog(device, 0, encodeLogHeader(emptyLogHeader(settings.logLengthBytes)));
  });
  atEffect('write superblock', () => writeSuperblockBytes(device, encodeSuperblock(superblock)));
  const superblockBytes = readSuperblockBytes(device);
  const log = readLogImage((offset, length) => readLog(device, offset, length), settings.logLengthBytes);
  printFsckReport(context, { superblock, superblockBytes, log }, true);
  return 0;
}

/** A superblock of another version counts as one; one with a bad CRC does not (famfs reference 1.1). */
function isTakenByFamfs(context: CommandContext, bytes: Buffer): boolean {
  if (checkSuperblock(context, bytes) !== undefined) return true;
  return hasSuperblockMagic(bytes) && bytes.readBigUInt64LE(8) !== 48n;
}
