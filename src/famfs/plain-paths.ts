// Reads the paths of many entries fast: length and hash of each path and of its parent's, and whether it is plain.
// Must not know which other paths a log holds.
import { maxPathBytes } from './log-entry.ts';
import { pathHashEnd, pathHashStep } from './path-index.ts';

const slash = 0x2f;
const dot = 0x2e;
const highBits = 0x80808080;
/** The words of an entry's path buffer. */
const pathWords = 20;

/**
 * The paths of a run of entries, each kept under a number below `capacity`. A path is plain if path-rules.ts finds it
 * good, it is ASCII, and its first character is not a dot.
 */
export class PlainPaths {
  /** The hash of each path; of one that is not plain, any number. */
  readonly hashes: Int32Array;
  readonly #seed: number;
  readonly #lengths: Uint8Array;
  readonly #parentLengths: Uint8Array;
  readonly #parentHashes: Int32Array;

  constructor(capacity: number, seed: number) {
    this.#seed = seed;
    this.#lengths = new Uint8Array(capacity);
    this.hashes = new Int32Array(capacity);
    this.#parentLengths = new Uint8Array(capacity);
    this.#parentHashes = new Int32Array(capacity);
  }

  /** The length of path `which` in bytes, 0 where it is not plain. */
  length(which: number): number {
    return this.#lengths[which] ?? 0;
  }

  /** The length of the path's parent, 0 for the root. */
  parentLength(which: number): number {
    return this.#parentLengths[which] ?? 0;
  }

  parentHash(which: number): number {
    return this.#parentHashes[which] ?? 0;
  }

  /**
   * Reads the path from word `at` as path `which`, four bytes a time: `marks` has the high bit of each byte that is a
   * control byte, NUL or a slash.
   */
  read(words: Uint32Array, at: number, which: number): void {
    let state = this.#seed;
    let componentStart = 0;
    let parentLength = 0;
    let parentHash = 0;
    this.#lengths[which] = 0;
    if (((words[at] ?? 0) & 0xff) === dot) return;
    for (let i = 0; i < pathWords; i += 1) {
      const word = words[at + i] ?? 0;
      if (((word | (word + 0x01010101)) & highBits) !== 0) return;
      const slashes = ((word ^ 0x2f2f2f2f) | highBits) - 0x01010101;
      const controls = (word | highBits) - 0x20202020;
      const marks = ~(slashes & controls) & highBits;
      if (marks !== 0) {
        for (let shift = 0; shift < 32; shift += 8) {
          const byte = (word >>> shift) & 0xff;
          if (byte !== slash && byte >= 0x20) continue;
          if (byte !== slash && byte !== 0) return;
          const end = i * 4 + (shift >>> 3);
          const size = end - componentStart;
          if (size === 0 || (size <= 2 && isDots(words, at, componentStart, end))) return;
          const hash = pathHashEnd(state, word & ((1 << shift) - 1), end);
          if (byte === 0) {
            this.hashes[which] = hash;
            this.#parentLengths[which] = parentLength;
            this.#parentHashes[which] = parentHash;
            this.#lengths[which] = end <= maxPathBytes ? end : 0;
            return;
          }
          componentStart = end + 1;
          parentLength = end;
          parentHash = hash;
        }
      }
      state = pathHashStep(state, word);
    }
  }
}

/** Whether the bytes [start, end) of the path at word `at` are all dots. */
function isDots(words: Uint32Array, at: number, start: number, end: number): boolean {
  for (let i = start; i < end; i += 1) {
    if ((((words[at + (i >>> 2)] ?? 0) >>> ((i & 3) * 8)) & 0xff) !== dot) return false;
  }
  return true;
}
