// The report on a file system that `famfs fsck` and mkfs.famfs print (famfs reference 1.3). Must not know where
// superblock and log were read.
import { logEntryBytes } from '../famfs/log-entry.ts';
import { logHeaderBytes } from '../famfs/log-header.ts';
import type { Superblock } from '../famfs/superblock.ts';
import type { CommandContext } from './command-context.ts';
import { type LogImage, type LogScan, scanLog } from './log-image.ts';
import { roleOfNode } from './pool-identity.ts';

const roleNames = { master: 'Owner', client: 'Client', none: 'Invalid superblock' } as const;

/** Superblock and log, with the superblock's bytes, which the role is told by. */
export interface PoolImage {
  readonly superblock: Superblock;
  readonly superblockBytes: Buffer;
  readonly log: LogImage;
}

/** Prints the report, sizes in bytes or, `human`, in GiB. Returns the number of allocation collisions. */
export function printFsckReport(context: CommandContext, pool: PoolImage, human: boolean): number {
  printSuperblock(context, pool);
  const { header, fileBytes } = pool.log;
  context.print('');
  context.print('Log stats:');
  context.print(`  # of log entries in use: ${header.nextIndex} of ${header.lastIndex + 1n}`);
  const inUse = BigInt(logHeaderBytes) + header.nextIndex * BigInt(logEntryBytes);
  context.print(`  Log size in use:          ${inUse}`);
  context.print(`  Log size (total bytes)    ${fileBytes}`);
  const scan = scanLog(context, pool.log, pool.superblock);
  if (scan.collisions > 0) context.print(`ERROR: ${scan.collisions} ALLOCATION COLLISIONS FOUND`);
  else printCapacity(context, scan, pool.superblock, human);
  context.print('');
  context.print('Famfs log:');
  context.print(`  ${header.nextIndex} of ${header.lastIndex + 1n} entries used`);
  context.print(`  ${scan.badEntries} bad log entries detected`);
  context.print(`  ${scan.files} files`);
  context.print(`  ${scan.directories} directories`);
  context.print('');
  return scan.collisions;
}

function printSuperblock(context: CommandContext, { superblock, superblockBytes }: PoolImage): void {
  context.print('Famfs Superblock:');
  context.print(`  Filesystem UUID:   ${superblock.fileSystemUuid}`);
  context.print(`  Device UUID:       ${superblock.deviceUuid}`);
  context.print(`  System UUID:       ${superblock.systemUuid}`);
  context.print(`  role of this node: ${roleNames[roleOfNode(context, superblockBytes)]}`);
  context.print(`  alloc_unit:        0x${superblock.allocationUnitBytes.toString(16)}`);
  context.print(`  OMF major version: ${superblock.omfMajor}`);
  context.print(`  OMF minor version: ${superblock.omfMinor}`);
  context.print('  sizeof superblock: 200');
  context.print(`  log size (bytes):  ${superblock.logLengthBytes}`);
  context.print(`  primary: ${superblock.devicePath}   ${superblock.deviceSizeBytes}`);
}

function printCapacity(context: CommandContext, scan: LogScan, superblock: Superblock, human: boolean): void {
  const { allocator, fileBytes } = scan;
  const allocated = allocator.allocatedBytes;
  const capacity = BigInt(allocator.unitCount) * allocator.unitBytes;
  const show = (bytes: bigint): string => (human ? `${(Number(bytes) / 2 ** 30).toFixed(2)}G` : `${bytes}`);
  // famfs computes these two in single precision.
  const amplification = Math.fround(Math.fround(Number(allocated)) / Math.fround(Number(fileBytes)));
  const used = Math.fround(
    (Math.fround(Number(allocated)) * 100) / Math.fround(Number(superblock.deviceSizeBytes)),
  );
  context.print('  No allocation errors found');
  context.print('');
  context.print('Capacity:');
  context.print(`  Device capacity:        ${show(superblock.deviceSizeBytes)}`);
  context.print(`  Bitmap capacity:        ${show(capacity)}`);
  context.print(`  Sum of file sizes:      ${show(fileBytes)}`);
  context.print(`  Allocated ${human ? 'space:' : 'bytes:'}        ${show(allocated)}`);
  context.print(`  Free space:             ${show(capacity - allocated)}`);
  context.print(`  Space amplification:     ${fileBytes === 0n ? 'inf' : amplification.toFixed(2)}`);
  context.print(`  Percent used:            ${used.toFixed(1)}%`);
}
