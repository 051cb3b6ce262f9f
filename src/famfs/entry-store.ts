// The accepted entries of a log, kept as their bytes: a log can hold millions, and as objects they would keep the
// garbage collector busier than the reading of them. Must not judge: what it is given was accepted.
import {
  decodeLogEntry,
  directoryLayout,
  directoryType,
  encodeLogEntry,
  fileLayout,
  type LogEntry,
} from './log-entry.ts';

/** What is kept of an entry: up to the end of its first extent. Entries with more extents are kept apart, whole. */
const recordBytes = 160;
const recordWords = recordBytes / 4;
/** Records of a segment, as a power of two. */
const segmentShift = 12;
const segmentRecords = 1 << segmentShift;
const segmentMask = segmentRecords - 1;

interface Segment {
  readonly words: Uint32Array;
  readonly bytes: Buffer;
}

/** An append-only list of entries, numbered from 0. */
export class EntryStore {
  readonly #segments: Segment[] = [];
  readonly #large = new Map<number, Buffer>();
  readonly #entries: LogEntry[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds the entry whose words begin at `at`: a directory, or a file with one simple extent. */
  addPlain(words: Uint32Array, at: number): void {
    const { words: own } = this.#segmentFor(this.#count);
    const start = (this.#count & segmentMask) * recordWords;
    for (let i = 0; i < recordWords; i += 2) {
      own[start + i] = words[at + i] ?? 0;
      own[start + i + 1] = words[at + i + 1] ?? 0;
    }
    this.#count += 1;
  }

  /** Adds any entry. */
  add(entry: LogEntry): void {
    const index = this.#count;
    const bytes = encodeLogEntry(entry, index);
    const { bytes: own } = this.#segmentFor(index);
    bytes.copy(own, (index & segmentMask) * recordBytes, 0, recordBytes);
    if (entry.kind === 'file' && (entry.interleave !== undefined || entry.extents.length > 1)) {
      this.#large.set(index, bytes);
    }
    this.#count += 1;
  }

  /** Entry `index`, or undefined past the end. */
  at(index: number): LogEntry | undefined {
    const segment = this.#segments[index >>> segmentShift];
    if (segment === undefined || index >= this.#count) return undefined;
    const large = this.#large.get(index);
    return large === undefined
      ? decodeLogEntry(segment.bytes, index, (index & segmentMask) * recordBytes)
      : decodeLogEntry(large, index, 0);
  }

  /** All entries in log order. Kept from call to call and added to as the log grows. */
  all(): readonly LogEntry[] {
    for (let index = this.#entries.length; index < this.#count; index += 1) {
      const entry = this.at(index);
      if (entry !== undefined) this.#entries.push(entry);
    }
    return this.#entries;
  }

  isDirectory(index: number): boolean {
    const words = this.#segments[index >>> segmentShift]?.words;
    return words?.[(index & segmentMask) * recordWords + 2] === directoryType;
  }

  /** Whether the path of entry `index` is the `length` bytes from word `at`. What follows them there does not matter. */
  hasPath(index: number, words: Uint32Array, at: number, length: number): boolean {
    const own = this.#segments[index >>> segmentShift]?.words;
    if (own === undefined) return false;
    const record = (index & segmentMask) * recordWords;
    const start = record + (own[record + 2] === directoryType ? directoryLayout.path : fileLayout.path) / 4;
    const whole = length >>> 2;
    for (let i = 0; i < whole; i += 1) if (own[start + i] !== words[at + i]) return false;
    // The rest, 0 to 3 bytes, and behind it the byte that ends the own path.
    const rest = (length & 3) * 8;
    const last = (words[at + whole] ?? 0) & ((1 << rest) - 1);
    return (((own[start + whole] ?? 0) ^ last) & (0xffffffff >>> (24 - rest))) === 0;
  }

  /** The first file that holds a byte of the device. For messages: it walks the log. */
  ownerOf(byte: bigint): number | undefined {
    for (let index = 0; index < this.#count; index += 1) {
      const entry = this.at(index);
      if (entry?.kind !== 'file') continue;
      const holds = entry.extents.some(
        ({ offsetBytes, lengthBytes }) => byte >= offsetBytes && byte < offsetBytes + lengthBytes,
      );
      if (holds) return index;
    }
    return undefined;
  }

  #segmentFor(index: number): Segment {
    const which = index >>> segmentShift;
    let segment = this.#segments[which];
    if (segment === undefined) {
      const memory = new ArrayBuffer(segmentRecords * recordBytes);
      segment = { words: new Uint32Array(memory), bytes: Buffer.from(memory) };
      this.#segments.push(segment);
    }
    return segment;
  }
}
