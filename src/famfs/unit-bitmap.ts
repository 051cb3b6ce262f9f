// One bit for each allocation unit of a device: what is taken, and where the free runs lie.
// Must not know what the units are taken by.

/** A run of allocation units, `first` counted from the start of the device. */
export interface UnitRun {
  readonly first: number;
  readonly count: number;
}

/** The bitmap of a device, as famfs builds it. Units are only ever taken, as famfs frees none. */
export class UnitBitmap {
  readonly unitCount: number;
  #words: Uint32Array;
  #taken = 0;

  constructor(unitCount: number) {
    this.unitCount = unitCount;
    this.#words = new Uint32Array(Math.ceil(unitCount / 32));
  }

  /** How many units are taken. */
  get takenCount(): number {
    return this.#taken;
  }

  isTaken(unit: number): boolean {
    return ((this.#words[unit >>> 5] ?? 0) & (1 << (unit & 31))) !== 0;
  }

  /** The first taken unit of a run, or undefined where all of it is free. */
  firstTaken(run: UnitRun): number | undefined {
    const end = run.first + run.count;
    for (let unit = run.first; unit < end; ) {
      if ((unit & 31) === 0 && end - unit >= 32 && this.#words[unit >>> 5] === 0) unit += 32;
      else if (this.isTaken(unit)) return unit;
      else unit += 1;
    }
    return undefined;
  }

  /** Takes `count` units from `first`, all within the bitmap, if all of them are free; else takes none. */
  takeIfFree(first: number, count: number): boolean {
    if (count > 1) {
      if (this.firstTaken({ first, count }) !== undefined) return false;
      this.take({ first, count });
      return true;
    }
    const word = this.#words[first >>> 5] ?? 0;
    const bit = 1 << (first & 31);
    if ((word & bit) !== 0) return false;
    this.#words[first >>> 5] = word | bit;
    this.#taken += 1;
    return true;
  }

  /** Takes a run, which may reach past the end (that part is ignored). Returns how many units were taken already. */
  take(run: UnitRun): number {
    const end = Math.min(run.first + run.count, this.unitCount);
    let collisions = 0;
    for (let unit = run.first; unit < end; ) {
      if ((unit & 31) === 0 && end - unit >= 32 && this.#words[unit >>> 5] === 0) {
        this.#words[unit >>> 5] = 0xffffffff;
        this.#taken += 32;
        unit += 32;
      } else {
        if (this.isTaken(unit)) collisions += 1;
        else {
          this.#words[unit >>> 5] = (this.#words[unit >>> 5] ?? 0) | (1 << (unit & 31));
          this.#taken += 1;
        }
        unit += 1;
      }
    }
    return collisions;
  }

  /** The first free run of at least `count` units within [from, to), first fit as famfs allocates; exactly `count` long. */
  firstFit(count: number, from = 0, to = this.unitCount): UnitRun | undefined {
    let start = from;
    for (const run of this.freeRuns(from, to)) {
      if (run.count >= count) return { first: run.first, count };
      start = run.first + run.count;
    }
    return count === 0 ? { first: start, count } : undefined;
  }

  /** The longest free run, the first of several; count 0 where nothing is free. */
  longestFreeRun(): UnitRun {
    let longest: UnitRun = { first: 0, count: 0 };
    for (const run of this.freeRuns()) if (run.count > longest.count) longest = run;
    return longest;
  }

  /** The free runs within [from, to), in order. */
  *freeRuns(from = 0, to = this.unitCount): Generator<UnitRun> {
    let first = -1;
    let unit = from;
    while (unit < to) {
      const word = this.#words[unit >>> 5] ?? 0;
      const whole = (unit & 31) === 0 && to - unit >= 32;
      if (whole && word === 0xffffffff && first < 0) unit += 32;
      else if (whole && word === 0 && first >= 0) unit += 32;
      else {
        const taken = (word & (1 << (unit & 31))) !== 0;
        if (!taken && first < 0) first = unit;
        if (taken && first >= 0) {
          yield { first, count: unit - first };
          first = -1;
        }
        unit += 1;
      }
    }
    if (first >= 0) yield { first, count: to - first };
  }
}
