// The test's end of effect points (src/linux/effect-point.ts): the folder in which the processes of a node note the points
// they pass, and find which of them is to die where.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  effectPointsVariable,
  killedFile,
  killFilePrefix,
  passedFile,
} from '../../src/linux/effect-point.ts';

export class EffectFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    writeFileSync(this.#at(passedFile), '');
  }

  /** How a program is started that takes part, and with it all that it starts: the words before its own. */
  get launcher(): readonly string[] {
    return ['/usr/bin/env', `${effectPointsVariable}=${this.#folder}`];
  }

  /** Where the record ends now; for `passedSince`. */
  get mark(): number {
    return statSync(this.#at(passedFile)).size;
  }

  /** The names of the points that were passed since, in order, each as often as it was. */
  passedSince(mark: number): string[] {
    const text = readFileSync(this.#at(passedFile)).subarray(mark).toString('utf8');
    return text.split('\n').filter((line) => line !== '');
  }

  /** Whoever is the n-th to pass this point from now on dies there. */
  arm(point: string, nth = 1): void {
    this.disarm();
    // Its readers shall not see half of it.
    writeFileSync(this.#at('next'), point);
    renameSync(this.#at('next'), this.#at(`${killFilePrefix}${nth}`));
  }

  /** Nobody dies any more. */
  disarm(): void {
    for (const name of readdirSync(this.#folder)) {
      if (name.startsWith(killFilePrefix) || name === killedFile) rmSync(this.#at(name), { force: true });
    }
  }

  /** Where a process has died since `arm`; undefined while none has. */
  get killedAt(): string | undefined {
    try {
      return readFileSync(this.#at(killedFile), 'utf8');
    } catch {
      return undefined;
    }
  }

  #at(name: string): string {
    return path.join(this.#folder, name);
  }
}
