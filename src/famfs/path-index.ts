// Finds the entries of a log by path, and what lies below a directory, without walking the whole log.
// Must not judge paths: it is given good ones.

/** How many maps share the paths: growing one large map would stop the process for longer than a call may wait. */
const shardCount = 64;

/** Paths to entry numbers, and the tree they form, as linked lists in flat arrays. */
export class PathIndex {
  readonly #shards = Array.from({ length: shardCount }, () => new Map<string, number>());
  /** Per entry: its newest child and its older sibling, -1 for none. */
  #newestChild = new Int32Array(1024).fill(-1);
  #olderSibling = new Int32Array(1024).fill(-1);

  /** The number of the entry with this path. */
  find(path: string): number | undefined {
    return this.#shards[shardOf(path)]?.get(path);
  }

  /** Adds entry `index`, whose parent directory is entry `parent` (-1: the root). */
  add(path: string, index: number, parent: number): void {
    this.#shards[shardOf(path)]?.set(path, index);
    if (index >= this.#newestChild.length) {
      this.#newestChild = doubled(this.#newestChild);
      this.#olderSibling = doubled(this.#olderSibling);
    }
    if (parent < 0) return;
    this.#olderSibling[index] = this.#newestChild[parent] ?? -1;
    this.#newestChild[parent] = index;
  }

  /** The numbers of all entries below entry `index`, in no order. */
  below(index: number): number[] {
    const found: number[] = [];
    let at = index;
    for (let next = 0; ; next += 1) {
      for (let child = this.#newestChild[at] ?? -1; child >= 0; child = this.#olderSibling[child] ?? -1)
        found.push(child);
      const following = found[next];
      if (following === undefined) return found;
      at = following;
    }
  }
}

/** Spreads paths by length and last characters, which differ most between neighbours. */
function shardOf(path: string): number {
  const last = path.length - 1;
  const spread =
    path.charCodeAt(last) * 31 + path.charCodeAt(last - 1) * 7 + path.charCodeAt(last - 3) + last;
  return (spread | 0) & (shardCount - 1);
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2).fill(-1);
  larger.set(array);
  return larger;
}
