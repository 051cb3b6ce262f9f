// The part `api` while something else is on, which has the terminal and the processors first. Must not know what that is.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runApiTests } from './api-part.ts';

export class BesideApiTests {
  readonly #files: readonly string[];
  readonly #name: string | undefined;
  readonly #folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-e2e-api-'));
  #outcome: Promise<number> | undefined;
  #isInterrupted = false;

  /** @param files all when there are none */
  constructor(files: readonly string[], name: string | undefined) {
    this.#files = files;
    this.#name = name;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => {
        this.#isInterrupted = true;
      });
  }

  /** Begins them, unless that was done. What they print is shown by `end`. */
  begin(): void {
    if (this.#outcome !== undefined || this.#isInterrupted) return;
    console.log('the tests that need an API server alone: beginning them, which print at the end …');
    writeFileSync(this.#output, '');
    const run = runApiTests({ files: this.#files, name: this.#name, outputFile: this.#output });
    this.#outcome = run.catch((error: unknown) => {
      console.error(error);
      return 1;
    });
  }

  /** Begins them if nobody has, waits for them, and shows what they have printed. @returns an exit status */
  async end(): Promise<number> {
    this.begin();
    try {
      if (this.#outcome === undefined) return 1;
      const status = await this.#outcome;
      console.log(readFileSync(this.#output, 'utf8'));
      return status;
    } finally {
      rmSync(this.#folder, { recursive: true });
    }
  }

  get #output(): string {
    return path.join(this.#folder, 'output');
  }
}
