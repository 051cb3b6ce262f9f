// The 48-byte header of a famfs log: reading, judging and writing it (famfs reference 2).
// Must not know where the bytes come from.
import { crc32 } from 'node:zlib';
import { logEntryBytes } from './log-entry.ts';
import { logRefusal } from './refusal.ts';

export const logHeaderBytes = 48;

const logMagic = 0x00000badcafef00dn;
const crcOffset = 24;
/** Where the two counters lie that every append moves, in this order. */
export const nextSequenceOffset = 32;
export const nextIndexOffset = 40;

export interface LogHeader {
  readonly logLengthBytes: bigint;
  /** The number of the last entry that fits, counted from 0. */
  readonly lastIndex: bigint;
  readonly nextSequence: bigint;
  /** The number of entries in use. */
  readonly nextIndex: bigint;
}

/** Where entry `index` begins in the log. */
export function logEntryOffset(index: number): number {
  return logHeaderBytes + logEntryBytes * index;
}

/** How many entries fit into a log: files and directories, for the life of the file system. */
export function logCapacity(logLengthBytes: bigint): bigint {
  const room = logLengthBytes - BigInt(logHeaderBytes);
  return room < 0n ? 0n : room / BigInt(logEntryBytes);
}

/**
 * Reads a log header by the rule famfs itself has: magic and CRC (which covers bytes 0 to 23 alone, not the counters).
 * Throws DriverError `log-refused` with details `{field, reason}`. See requireTrustworthyLogHeader for the rest.
 */
export function parseLogHeader(bytes: Uint8Array): LogHeader {
  if (bytes.length < logHeaderBytes) {
    throw logRefusal(undefined, 'header size', `is ${bytes.length} bytes and has to be ${logHeaderBytes}`);
  }
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, logHeaderBytes);
  const magic = data.readBigUInt64LE(0);
  if (magic !== logMagic) {
    throw logRefusal(
      undefined,
      'header magic',
      `is 0x${magic.toString(16)} and has to be 0x${logMagic.toString(16)}`,
    );
  }
  const stored = data.readBigUInt64LE(crcOffset);
  const computed = BigInt(crc32(data.subarray(0, crcOffset)));
  if (stored !== computed) {
    throw logRefusal(
      undefined,
      'header crc',
      `is 0x${stored.toString(16)} but its bytes give 0x${computed.toString(16)}`,
    );
  }
  return {
    logLengthBytes: data.readBigUInt64LE(8),
    lastIndex: data.readBigUInt64LE(16),
    nextSequence: data.readBigUInt64LE(nextSequenceOffset),
    nextIndex: data.readBigUInt64LE(nextIndexOffset),
  };
}

/**
 * What the driver demands of a header beyond famfs's own rule: the log length of the superblock, the capacity that
 * follows from it, a count that fits, and counters that agree. Throws DriverError `log-refused`; a sequence number
 * one ahead of the count is an append under way (`notYet`).
 */
export function requireTrustworthyLogHeader(header: LogHeader, superblockLogLengthBytes: bigint): void {
  const { logLengthBytes, lastIndex, nextIndex, nextSequence } = header;
  if (logLengthBytes !== superblockLogLengthBytes) {
    throw logRefusal(
      undefined,
      'header log length',
      `is ${logLengthBytes} but the superblock says ${superblockLogLengthBytes}`,
    );
  }
  const capacity = logCapacity(logLengthBytes);
  if (lastIndex !== capacity - 1n) {
    throw logRefusal(
      undefined,
      'header last_index',
      `is ${lastIndex} but ${logLengthBytes} bytes give ${capacity - 1n}`,
    );
  }
  if (nextIndex > capacity) {
    throw logRefusal(undefined, 'header next_index', `is ${nextIndex} but only ${capacity} entries fit`);
  }
  if (nextSequence !== nextIndex) {
    throw logRefusal(undefined, 'header next_seqnum', `is ${nextSequence} but next_index is ${nextIndex}`, {
      notYet: nextSequence === nextIndex + 1n,
    });
  }
}

/** The 48 bytes of a log header, CRC included. The inverse of parseLogHeader. */
export function encodeLogHeader(header: LogHeader): Buffer {
  const data = Buffer.alloc(logHeaderBytes);
  data.writeBigUInt64LE(logMagic, 0);
  data.writeBigUInt64LE(header.logLengthBytes, 8);
  data.writeBigUInt64LE(header.lastIndex, 16);
  data.writeBigUInt64LE(BigInt(crc32(data.subarray(0, crcOffset))), crcOffset);
  data.writeBigUInt64LE(header.nextSequence, nextSequenceOffset);
  data.writeBigUInt64LE(header.nextIndex, nextIndexOffset);
  return data;
}
