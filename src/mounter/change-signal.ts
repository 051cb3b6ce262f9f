// Tells those who wait that something changed, without ever queueing more than "look again".

export class ChangeSignal {
  #revision = 1n;
  #wake = Promise.withResolvers<void>();

  /** Grows with every change. */
  get revision(): bigint {
    return this.#revision;
  }

  /** Something changed: everybody who waits is woken. */
  raise(): void {
    this.#revision++;
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }

  /** Resolves when the revision is no longer `seen`, or when the signal is aborted. */
  async after(seen: bigint, signal: AbortSignal): Promise<void> {
    if (this.#revision !== seen || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    signal.addEventListener('abort', wake, { once: true });
    await Promise.race([this.#wake.promise, promise]);
    signal.removeEventListener('abort', wake);
  }
}
