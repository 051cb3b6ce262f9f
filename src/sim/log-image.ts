// The bytes of a log as a famfs command looks at them, with famfs's own checks and messages, which are laxer than
// the driver's: the CRC and sequence number of an entry, and nothing else. Must not know where the bytes come from.
import { integrityProblem, type LogEntry, logEntryBytes, parseLogEntry } from '../famfs/log-entry.ts';
import {
  type LogHeader,
  logHeaderBytes,
  nextIndexOffset,
  nextSequenceOffset,
  parseLogHeader,
} from '../famfs/log-header.ts';
import { refusalOf } from '../famfs/refusal.ts';
import type { Superblock } from '../famfs/superblock.ts';
import { type CommandContext, ProcessDeath } from './command-context.ts';
import { PoolAllocator } from './pool-allocator.ts';

/** A log in memory. `header` holds the fields as they are, whether or not magic and CRC are right. */
export interface LogImage {
  readonly fileBytes: bigint;
  readonly header: LogHeader;
  /** Header and the entries in use. */
  readonly bytes: Buffer;
}

/** Gives bytes of the log, zeros or fewer where there are none. */
export type ReadLogBytes = (offsetBytes: number, lengthBytes: number) => Buffer;

/** What famfs makes of an entry: whole, damaged, or of a kind that it passes over. */
export type JudgedEntry = LogEntry | 'bad' | 'ignored';

/** Figures of a scan of the whole log. */
export interface LogScan {
  readonly allocator: PoolAllocator;
  readonly collisions: number;
  readonly fileBytes: bigint;
  readonly badEntries: number;
  readonly files: number;
  readonly directories: number;
}

/** The fields of a header as they are, whether or not its magic and CRC are right. */
export function decodeHeader(bytes: Buffer): LogHeader {
  return {
    logLengthBytes: bytes.readBigUInt64LE(8),
    lastIndex: bytes.readBigUInt64LE(16),
    nextSequence: bytes.readBigUInt64LE(nextSequenceOffset),
    nextIndex: bytes.readBigUInt64LE(nextIndexOffset),
  };
}

/** Reads the header and the entries in use. */
export function readLogImage(read: ReadLogBytes, fileBytes: bigint): LogImage {
  const header = decodeHeader(read(0, logHeaderBytes));
  const wanted = BigInt(logHeaderBytes) + header.nextIndex * BigInt(logEntryBytes);
  const length = wanted < fileBytes ? wanted : fileBytes;
  return { fileBytes, header, bytes: read(0, Math.max(Number(length), logHeaderBytes)) };
}

/** Tells whether famfs accepts the header; says why not. */
export function isHeaderValid(context: CommandContext, image: LogImage): boolean {
  try {
    parseLogHeader(image.bytes);
    return true;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    const what = refusal.field.includes('magic') ? 'bad magic' : 'invalid crc';
    context.complain(`famfs_validate_log_header: ${what} in log header`);
    return false;
  }
}

/** Entry `index` as famfs sees it. A bad one is complained of twice: famfs looks again after a cache flush. */
export function judgeEntry(context: CommandContext, image: LogImage, index: number): JudgedEntry {
  const at = logHeaderBytes + index * logEntryBytes;
  if (at + logEntryBytes > image.bytes.length) throw new ProcessDeath('SIGSEGV');
  const problem = integrityProblem(image.bytes, at, index);
  if (problem !== undefined) {
    const what = problem.field.includes('crc') ? 'crc' : 'seqnum';
    for (let look = 0; look < 2; look += 1) {
      context.complain(`famfs_validate_log_entry: bad ${what} at log index ${index}`);
    }
    return 'bad';
  }
  try {
    return parseLogEntry(image.bytes, index, at);
  } catch (error) {
    if (refusalOf(error) === undefined) throw error;
    return 'ignored';
  }
}

/** Builds the bitmap of the pool from its log and counts along the way (famfs reference 2, space accounting). */
export function scanLog(context: CommandContext, image: LogImage, superblock: Superblock): LogScan {
  const unit = superblock.allocationUnitBytes;
  const allocator = new PoolAllocator(superblock.deviceSizeBytes, unit, (line) => context.complain(line));
  allocator.take({ offsetBytes: 0n, lengthBytes: superblock.logOffsetBytes + image.header.logLengthBytes });
  const counts = { collisions: 0, fileBytes: 0n, badEntries: 0, files: 0, directories: 0 };
  for (let index = 0; index < Number(image.header.nextIndex); index += 1) {
    const entry = judgeEntry(context, image, index);
    if (entry === 'bad') counts.badEntries += 1;
    else if (entry !== 'ignored' && entry.kind === 'directory') counts.directories += 1;
    else if (entry !== 'ignored') {
      counts.files += 1;
      counts.fileBytes += entry.sizeBytes;
      for (const extent of entry.extents) {
        if (extent.offsetBytes % unit !== 0n) {
          context.complain(
            "famfs: src/famfs_alloc.c:113: set_extent_in_bitmap: Assertion `!(offset & (alloc_unit - 1))' failed.",
          );
          throw new ProcessDeath('SIGABRT');
        }
        counts.collisions += allocator.take(extent);
      }
    }
  }
  return { allocator, ...counts };
}
