// One at a time for each key: calls about the same target or volume follow each other, others do not wait.

export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `work` when no other work of any of the keys runs. Keys are taken in sorted order, so two calls never wait for each other. */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const [first, ...rest] = [...new Set(keys)].sort();
    if (first === undefined) return work();
    const before = this.#tails.get(first);
    const { promise, resolve } = Promise.withResolvers<void>();
    const tail = before === undefined ? promise : before.then(() => promise);
    this.#tails.set(first, tail);
    try {
      if (before !== undefined) await before;
      return await this.run(rest, work);
    } finally {
      resolve();
      if (this.#tails.get(first) === tail) this.#tails.delete(first);
    }
  }
}
