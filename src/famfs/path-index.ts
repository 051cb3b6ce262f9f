// Finds the entries of a log by path, and what lies below a directory, without walking the whole log.
// Must not judge paths, nor keep them: the entry store has them.
import { randomInt } from 'node:crypto';
import type { EntryStore } from './entry-store.ts';

/** The most bytes of a path that an entry can hold, rounded up to whole words. */
const pathWords = 20;
const smallestCapacity = 1024;
/** Room for two million entries at once; a larger log makes the table grow. */
const largestInitialCapacity = 1 << 22;

/**
 * A hash table from path bytes to entry numbers, and the tree of the entries as linked lists. Made for the capacity of
 * the log, so that it need not grow, since growing would stop the process for as long as a call may wait. The hash
 * has a secret seed, since who can write the log chooses the paths.
 */
export class PathIndex {
  /** What the hash of a path begins with: see pathHashStep and pathHashEnd. */
  readonly seed = randomInt(2 ** 31);
  readonly #scratch = new Uint32Array(pathWords);
  readonly #store: EntryStore;
  /** Pairs of hash and entry number + 1; 0 for a free slot. */
  #slots: Int32Array;
  #used = 0;
  /** Makes touch() do something, so that a compiler cannot leave it out. */
  readonly #touched = new Int32Array(1);
  /** Per entry: its newest child and its older sibling, as entry number + 1; 0 for none. */
  #newestChild: Int32Array;
  #olderSibling: Int32Array;

  constructor(store: EntryStore, logCapacity: number) {
    this.#store = store;
    const wanted = Math.min(Math.max(logCapacity * 2, smallestCapacity), largestInitialCapacity);
    const capacity = 2 ** Math.ceil(Math.log2(wanted));
    this.#slots = new Int32Array(capacity * 2);
    this.#newestChild = new Int32Array(capacity / 2);
    this.#olderSibling = new Int32Array(capacity / 2);
  }

  /** The entry whose path is the `length` bytes from word `at`, -1 for none. `hash` is their hash. */
  findWords(hash: number, words: Uint32Array, at: number, length: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = (hash << 1) & mask; ; slot = (slot + 2) & mask) {
      const index = (slots[slot + 1] ?? 0) - 1;
      if (index < 0) return -1;
      if (slots[slot] === hash && this.#store.hasPath(index, words, at, length)) return index;
    }
  }

  /**
   * Reaches for the places of the first `count` hashes, which findWords and add will need soon. They lie all over a
   * table of megabytes, and a processor fetches many of them in the time of one as long as nothing else is in between.
   */
  touch(hashes: Int32Array, count: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let touched = 0;
    for (let i = 0; i < count; i += 1) touched |= slots[((hashes[i] ?? 0) << 1) & mask] ?? 0;
    this.#touched[0] = touched;
  }

  /** The entry with this path, -1 for none. */
  find(path: string): number {
    const bytes = Buffer.from(path);
    if (bytes.length >= pathWords * 4) return -1;
    const hash = this.hashOf(bytes);
    return this.findWords(hash, this.#scratch, 0, bytes.length);
  }

  /** The hash of a path that is short enough for an entry. */
  hashOf(path: Uint8Array): number {
    const words = this.#scratch.fill(0);
    new Uint8Array(words.buffer).set(path);
    const whole = path.length >>> 2;
    let state = this.seed;
    for (let i = 0; i < whole; i += 1) state = pathHashStep(state, words[i] ?? 0);
    return pathHashEnd(state, words[whole] ?? 0, path.length);
  }

  /** Adds entry `index`, whose path is not in yet and whose parent directory is entry `parent` (-1: the root). */
  add(hash: number, index: number, parent: number): void {
    if ((this.#used + 1) * 4 > this.#slots.length) this.#grow();
    this.#insert(hash, index + 1);
    this.#used += 1;
    if (parent < 0) return;
    this.#olderSibling[index] = this.#newestChild[parent] ?? 0;
    this.#newestChild[parent] = index + 1;
  }

  /** The numbers of all entries below entry `index`, in no order. */
  below(index: number): number[] {
    const found: number[] = [];
    let at = index;
    for (let next = 0; ; next += 1) {
      let child = this.#newestChild[at] ?? 0;
      while (child > 0) {
        found.push(child - 1);
        child = this.#olderSibling[child - 1] ?? 0;
      }
      const following = found[next];
      if (following === undefined) return found;
      at = following;
    }
  }

  #insert(hash: number, value: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (hash << 1) & mask;
    while (slots[slot + 1] !== 0) slot = (slot + 2) & mask;
    slots[slot] = hash;
    slots[slot + 1] = value;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    for (let slot = 0; slot < old.length; slot += 2) {
      const value = old[slot + 1] ?? 0;
      if (value !== 0) this.#insert(old[slot] ?? 0, value);
    }
    this.#newestChild = doubled(this.#newestChild);
    this.#olderSibling = doubled(this.#olderSibling);
  }
}

/** Takes the hash of a path over its next four bytes, a little-endian word. */
export function pathHashStep(state: number, word: number): number {
  const mixed = Math.imul(state ^ word, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

/** The hash of a path of `length` bytes, whose last 0 to 3 bytes are `rest`, the others of that word being zero. */
export function pathHashEnd(state: number, rest: number, length: number): number {
  const mixed = Math.imul(pathHashStep(state, rest) ^ length, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function doubled(array: Int32Array): Int32Array {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
