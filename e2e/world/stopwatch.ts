// How long things took from when they were begun until they were there, of those that somebody waited for all the while. Must not
// know what they are, nor the clock.

/** When something was begun, and when it was there. */
export interface Lap {
  readonly fromMs: number;
  readonly toMs: number;
}

interface Course {
  readonly fromMs: number;
  isAwaited: boolean;
}

/** Laps in a unit of the caller's. */
export interface Ratios {
  readonly count: number;
  /** So many of them were under way at the same time, and took processors from each other. */
  readonly atOnce: number;
  /** Undefined where nothing was timed. */
  readonly median?: number;
  readonly longest?: number;
}

export class Stopwatch {
  readonly #laps: Lap[] = [];
  readonly #running = new Map<string, Course>();
  readonly #soonMs: number;
  #leftOut = 0;

  /**
   * @param soonMs whoever begins to wait later than this has done something else meanwhile, which a time would say more of than of
   * the thing itself; and no time is too long by more than this
   */
  constructor(soonMs: number) {
    this.#soonMs = soonMs;
  }

  /** Something is begun, maybe under a name that was there before. */
  begin(name: string, atMs: number): void {
    this.#running.set(name, { fromMs: atMs, isAwaited: false });
  }

  isRunning(name: string): boolean {
    return this.#running.has(name);
  }

  /** Somebody begins to wait for it, and looks often from then on. */
  awaited(name: string, atMs: number): void {
    const course = this.#running.get(name);
    if (course !== undefined && atMs <= course.fromMs + this.#soonMs) course.isAwaited = true;
  }

  /** Somebody sees that it is there. If nobody waited, it may have been there for long, and is left out. */
  there(name: string, atMs: number): void {
    const course = this.#running.get(name);
    if (course === undefined) return;
    this.#running.delete(name);
    if (course.isAwaited) this.#laps.push({ fromMs: course.fromMs, toMs: atMs });
    else this.#leftOut++;
  }

  get laps(): readonly Lap[] {
    return this.#laps;
  }

  /** How many came to be there, and have no lap because nobody waited for them from the beginning on. */
  get leftOut(): number {
    return this.#leftOut;
  }
}

/** @param unitMs what a ratio of 1 stands for */
export function ratiosOf(laps: readonly Lap[], unitMs: number): Ratios {
  if (laps.length === 0) return { count: 0, atOnce: 0 };
  const ratios = laps.map(({ fromMs, toMs }) => (toMs - fromMs) / unitMs);
  return {
    count: laps.length,
    atOnce: mostAtOnce(laps),
    median: median(ratios),
    longest: Math.max(...ratios),
  };
}

/** The one in the middle; of an even number the mean of both. NaN of none */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** It is reached when one of them begins. */
function mostAtOnce(laps: readonly Lap[]): number {
  const during = (ms: number): number => laps.filter(({ fromMs, toMs }) => fromMs <= ms && ms < toMs).length;
  return Math.max(...laps.map(({ fromMs }) => during(fromMs)));
}
