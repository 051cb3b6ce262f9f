// Chooses where new files lie, with the habits of the real allocator, its mistake near the end of the device
// included (famfs reference 4.2). Must not know of names, of locks, or of where the log is.

const u64Mask = (1n << 64n) - 1n;
const maxBuckets = 64n;
const minBucketBytes = 1n << 30n;
/** A damaged log may name places far beyond the device; they are counted up to here only. */
const unitsKeptPastEnd = 1 << 16;

/** A run of bytes of the device. */
interface Place {
  readonly offsetBytes: bigint;
  readonly lengthBytes: bigint;
}

/** Strips over buckets, as -N, -B and -C ask for. */
export interface Geometry {
  readonly stripCount: bigint;
  readonly bucketCount: bigint;
  readonly chunkBytes: bigint;
}

/**
 * The bitmap of one command, built from the log, and the position from which the next file of the same command is
 * searched. The real one forgets that this position is not the start of the device when it looks for the end, so a
 * second file can be placed past it: taken units beyond the end are kept, too.
 */
export class PoolAllocator {
  readonly unitBytes: bigint;
  readonly unitCount: number;
  readonly deviceBytes: bigint;
  readonly #complain: (line: string) => void;
  readonly #taken = new Set<number>();
  #position = 0;

  constructor(deviceBytes: bigint, unitBytes: bigint, complain: (line: string) => void) {
    this.deviceBytes = deviceBytes;
    this.unitBytes = unitBytes;
    this.unitCount = Number((deviceBytes + unitBytes - 1n) / unitBytes);
    this.#complain = complain;
  }

  /** Bytes of all units that are taken, each counted once. */
  get allocatedBytes(): bigint {
    return BigInt(this.#taken.size) * this.unitBytes;
  }

  /** Takes what a log entry names. Returns how many units were taken already. */
  take(place: Place): number {
    const first = Number(place.offsetBytes / this.unitBytes);
    const end = Math.min(first + this.#unitsOf(place.lengthBytes), this.unitCount + unitsKeptPastEnd);
    let collisions = 0;
    for (let unit = first; unit < end; unit += 1) {
      if (this.#taken.has(unit)) collisions += 1;
      else this.#taken.add(unit);
    }
    return collisions;
  }

  /** A place for a contiguous file, or undefined after the messages that famfs has for it. */
  allocateContiguous(sizeBytes: bigint): Place | undefined {
    const place = this.#search(sizeBytes, this.unitCount);
    if (place === undefined) this.#complain('famfs_file_alloc_contiguous: Out of space!');
    return place;
  }

  /** Strips for a striped file; one place without a chunk size where the file is smaller than a chunk. */
  allocateStriped(sizeBytes: bigint, geometry: Geometry): Place[] | undefined {
    if (!this.#isPossible(geometry)) return undefined;
    if (sizeBytes < geometry.chunkBytes) {
      this.#position = 0;
      const place = this.allocateContiguous(sizeBytes);
      return place === undefined ? undefined : [place];
    }
    const stripeBytes = geometry.stripCount * geometry.chunkBytes;
    const stripBytes = ((sizeBytes + stripeBytes - 1n) / stripeBytes) * geometry.chunkBytes;
    const bucketUnits = Math.floor(this.unitCount / Number(geometry.bucketCount));
    const strips: Place[] = [];
    for (const bucket of shuffled(Number(geometry.bucketCount))) {
      this.#position = bucket * bucketUnits;
      const strip = this.#search(stripBytes, bucketUnits);
      if (strip !== undefined) strips.push(strip);
      if (BigInt(strips.length) === geometry.stripCount) return strips;
    }
    this.#complain(
      `famfs_file_strided_alloc: failed ${geometry.stripCount} strips @${stripBytes}b each; got ${strips.length} strips`,
    );
    return undefined;
  }

  #unitsOf(sizeBytes: bigint): number {
    return Number(((sizeBytes + this.unitBytes - 1n) & u64Mask) / this.unitBytes);
  }

  /** First fit from the current position. `rangeUnits` counts from there: that is the mistake near the end. */
  #search(sizeBytes: bigint, rangeUnits: number): Place | undefined {
    const count = this.#unitsOf(sizeBytes);
    const start = this.#position;
    for (let first = start; first < this.unitCount; first += 1) {
      if (this.#taken.has(first)) continue;
      if (count > start + rangeUnits - first) return undefined;
      if (!this.#isFree(first, count)) continue;
      for (let unit = first; unit < first + count; unit += 1) this.#taken.add(unit);
      this.#position = first + count;
      return { offsetBytes: BigInt(first) * this.unitBytes, lengthBytes: BigInt(count) * this.unitBytes };
    }
    this.#complain('bitmap_alloc_contiguous: alloc failed');
    return undefined;
  }

  #isFree(first: number, count: number): boolean {
    for (let unit = first; unit < first + count; unit += 1) if (this.#taken.has(unit)) return false;
    return true;
  }

  #isPossible({ stripCount, bucketCount, chunkBytes }: Geometry): boolean {
    const complainOfChunk = (what: string): boolean => {
      const size = chunkBytes.toString(16);
      this.#complain(`famfs_validate_interleave_param: chunk_size=0x${size} must be ${what}`);
      return false;
    };
    if ((chunkBytes & (chunkBytes - 1n)) !== 0n) return complainOfChunk('a power of 2');
    if (chunkBytes % this.unitBytes !== 0n) return complainOfChunk('a multiple of alloc_unit');
    if (chunkBytes === 0n || stripCount === 0n || bucketCount === 0n) return false;
    if (stripCount > bucketCount || bucketCount > maxBuckets) return false;
    return this.deviceBytes / bucketCount >= minBucketBytes;
  }
}

function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
  return order;
}
