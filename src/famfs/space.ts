// The space of a pool by famfs's own bitmap rule (famfs reference 2): what its files take, what is free, and the
// longest free run, which is the largest contiguous file that can still be made.
// Must not judge: log-validator.ts refuses what this only counts.
import type { Extent, LogEntry } from './log-entry.ts';
import type { Superblock } from './superblock.ts';
import { UnitBitmap, type UnitRun } from './unit-bitmap.ts';

/**
 * `sizeBytes` is what famfs calls the bitmap capacity: whole allocation units, so that a device whose size is not a
 * multiple of the unit counts for up to one unit more than it has. `freeBytes` is negative where a file was logged
 * past the end. `collisions` counts units that were taken twice.
 */
export interface Space {
  readonly sizeBytes: bigint;
  readonly allocatedBytes: bigint;
  readonly freeBytes: bigint;
  readonly longestFreeRunBytes: bigint;
  readonly collisions: number;
}

/** Counts the space of one pool, entry by entry. Begins with superblock and log, which take their units too. */
export class SpaceAccount {
  readonly bitmap: UnitBitmap;
  readonly unitBytes: number;
  #unitsPastEnd = 0;
  #collisions = 0;
  #space: Space | undefined;

  constructor(superblock: Superblock) {
    this.unitBytes = Number(superblock.allocationUnitBytes);
    this.bitmap = new UnitBitmap(Math.ceil(Number(superblock.deviceSizeBytes) / this.unitBytes));
    const reserved = Number(superblock.logOffsetBytes + superblock.logLengthBytes);
    this.bitmap.take({ first: 0, count: Math.ceil(reserved / this.unitBytes) });
  }

  /** The units that an extent takes. */
  unitsOf(extent: Extent): UnitRun {
    return {
      first: Math.floor(Number(extent.offsetBytes) / this.unitBytes),
      count: Math.ceil(Number(extent.lengthBytes) / this.unitBytes),
    };
  }

  /** Takes `count` units from `first`, all within the device, if all of them are free; else takes none. */
  takeIfFree(first: number, count: number): boolean {
    this.#space = undefined;
    return this.bitmap.takeIfFree(first, count);
  }

  /** Counts an entry's extents as taken. */
  add(entry: LogEntry): void {
    if (entry.kind !== 'file') return;
    this.#space = undefined;
    for (const extent of entry.extents) {
      const run = this.unitsOf(extent);
      this.#unitsPastEnd += Math.max(0, run.first + run.count - Math.max(run.first, this.bitmap.unitCount));
      this.#collisions += this.bitmap.take(run);
    }
  }

  get space(): Space {
    this.#space ??= this.#measure();
    return this.#space;
  }

  #measure(): Space {
    const unit = BigInt(this.unitBytes);
    const sizeBytes = BigInt(this.bitmap.unitCount) * unit;
    const allocatedBytes = BigInt(this.bitmap.takenCount + this.#unitsPastEnd) * unit;
    return {
      sizeBytes,
      allocatedBytes,
      freeBytes: sizeBytes - allocatedBytes,
      longestFreeRunBytes: BigInt(this.bitmap.longestFreeRun().count) * unit,
      collisions: this.#collisions,
    };
  }
}
