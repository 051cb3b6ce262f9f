// Pools that exist only in memory, for tests of what reads superblocks and logs.
import type { LogEntry } from '../src/famfs/log-entry.ts';
import { encodeLogHeader, logEntryOffset, parseLogHeader } from '../src/famfs/log-header.ts';
import type { LogSource } from '../src/famfs/log-source.ts';
import { appendLogEntry, emptyLogHeader, encodeLog, newSuperblock } from '../src/famfs/log-writer.ts';
import { encodeSuperblock, type Superblock } from '../src/famfs/superblock.ts';

export const unit = 0x200000n;
export const logLengthBytes = 0x800000n;
/** The first byte behind the log: where the first file of a fresh pool lies. */
export const dataStart = unit + logLengthBytes;

export const superblock: Superblock = newSuperblock({
  fileSystemUuid: '5abd31f0-4bce-4daf-a068-54da58959a2a',
  deviceUuid: 'd0276b6b-0683-47ec-996c-954d0158d84d',
  systemUuid: 'f92348fd-cb72-4f85-bdc6-1b0bc4bbad6c',
  deviceSizeBytes: 8n << 30n,
  devicePath: '/dev/dax0.0',
  logLengthBytes,
});

/** A source over bytes that a test may change, which remembers what was read. */
export class MemoryPool implements LogSource {
  readonly kind = 'image';
  readonly reads: { offset: number; length: number }[] = [];
  superblockReads = 0;
  superblockData: Buffer;
  log: Buffer;
  closed = false;
  /** Runs before each read of the log, with the number of reads before it. */
  beforeRead: (count: number) => void = () => undefined;

  constructor(entries: readonly LogEntry[] = [], own: Superblock = superblock) {
    this.superblockData = encodeSuperblock(own);
    // Only as much of the log as a test may need: the rest is zeros that nobody reads.
    this.log = Buffer.alloc(logEntryOffset(entries.length + 64));
    encodeLog(own.logLengthBytes, entries).copy(this.log);
  }

  readSuperblock(): Buffer {
    this.superblockReads += 1;
    return Buffer.from(this.superblockData);
  }

  readLog(offset: number, length: number): Buffer {
    this.beforeRead(this.reads.length);
    this.reads.push({ offset, length });
    return Buffer.from(this.log.subarray(offset, offset + length));
  }

  close(): void {
    this.closed = true;
  }

  /** Appends as the master does, entry first. */
  append(...entries: LogEntry[]): void {
    for (const entry of entries) {
      for (const write of appendLogEntry(parseLogHeader(this.log), entry).writes) {
        write.bytes.copy(this.log, write.offsetBytes);
      }
    }
  }

  /** Sets the header's count without writing entries. */
  setCount(count: bigint): void {
    const header = { ...emptyLogHeader(logLengthBytes), nextIndex: count, nextSequence: count };
    encodeLogHeader(header).copy(this.log);
  }

  /** The bytes of entry `index`, shared with the log. */
  entryBytes(index: number): Buffer {
    return this.log.subarray(logEntryOffset(index), logEntryOffset(index + 1));
  }
}

export function directory(path: string, mode = 0o755): LogEntry {
  return { kind: 'directory', path, mode, uid: 0, gid: 0 };
}

/** A contiguous file of whole units, placed `firstUnit` units behind the log. */
export function file(path: string, firstUnit = 0, units = 1): LogEntry & { kind: 'file' } {
  const lengthBytes = BigInt(units) * unit;
  return {
    kind: 'file',
    path,
    sizeBytes: lengthBytes,
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    extents: [{ offsetBytes: dataStart + BigInt(firstUnit) * unit, lengthBytes }],
  };
}
