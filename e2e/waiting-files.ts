// Files of tests that wait for somebody to run them. Must not know who that is.

/** Several who run files one by one take from it, so that all are busy until the last file. */
export class WaitingFiles {
  readonly #files: string[];

  /** @param files the first are taken first */
  constructor(files: readonly string[]) {
    this.#files = [...files];
  }

  /** @returns undefined when none is left */
  next(): string | undefined {
    return this.#files.shift();
  }

  /** Leaves the rest alone, because whoever wanted them has lost interest. */
  forget(): void {
    this.#files.length = 0;
  }
}
