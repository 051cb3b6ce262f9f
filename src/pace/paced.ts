// Keeps what happens often from being told as often. Knows nothing of what it is.

/** Lets something happen at most once in an interval, and at once the first time. */
export class Paced {
  readonly #intervalMs: number;
  #nextMs = 0;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Does it, unless that was done within the interval. @throws what `act` throws */
  async perhaps(act: () => Promise<void>): Promise<void> {
    if (performance.now() < this.#nextMs) return;
    this.#nextMs = performance.now() + this.#intervalMs;
    await act();
  }
}
