// Random numbers that fall the same way for the same seed, so that a failure can be had again.

/** Marsaglia's xorshift with 32 bits: good enough to choose what a test does next. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    // The generator stays at zero when it begins there.
    this.#state = seed >>> 0 || 1;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#state >>>= 0;
    return this.#state % below;
  }

  /** True once in `times` throws, on average. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** One of the items, of which there has to be one at least. */
  oneOf<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }
}
