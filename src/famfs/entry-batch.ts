// A run of log entries in memory, laid out for reading many of them fast. Must not judge what the entries say.
import { entryCrc } from './entry-crc.ts';
import { entryCrcOffset, logEntryBytes } from './log-entry.ts';

export const entryWords = logEntryBytes / 4;

/**
 * Room for some consecutive entries, as bytes and as 32-bit words (every field of an entry lies on a multiple of
 * four; like famfs, this runs on little-endian machines).
 */
export class EntryBatch {
  readonly bytes: Buffer;
  readonly words: Uint32Array;

  constructor(capacity: number) {
    const memory = new ArrayBuffer(capacity * logEntryBytes);
    this.bytes = Buffer.from(memory);
    this.words = new Uint32Array(memory);
  }

  /** Whether CRC and sequence number of the i-th entry are those of entry `index` of a log. */
  isWhole(i: number, index: number): boolean {
    const { words } = this;
    const at = i * entryWords;
    const crcAt = at + entryCrcOffset / 4;
    return (
      words[at] === index &&
      words[at + 1] === 0 &&
      words[crcAt + 1] === 0 &&
      words[crcAt] === entryCrc(words, at)
    );
  }
}
