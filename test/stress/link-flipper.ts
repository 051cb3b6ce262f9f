// An attacker in a process of its own who flips directories to symbolic links and back. Knows no driver.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DriverProcess } from '../driver-process.ts';
import { waitUntil } from '../wait-until.ts';

/** An entry that is flipped. */
export interface FlipPlace {
  /** The directory the entry is in. */
  readonly directory: string;
  readonly name: string;
  /**
   * `exchange`: directory and link change places in one step (renameat2(2)); `moveAway`: with a moment without either;
   * `replaceLeaf`: an empty directory is removed and a link made in its stead; `mountOver`: the other directory is mounted
   * over it, which is all that can be done where links cannot be made.
   */
  readonly how: 'exchange' | 'moveAway' | 'replaceLeaf' | 'mountOver';
  /** Where the links lead. */
  readonly links: readonly string[];
}

/** What the attacker's program is given. */
export interface FlipPlan {
  readonly places: readonly FlipPlace[];
  readonly seed: number;
  readonly stopFile: string;
  readonly reportFile: string;
}

export class LinkFlipper {
  readonly #plan: FlipPlan;
  readonly #process: DriverProcess;

  /** `folder` is for its own files. No two attackers may flip the same place. */
  constructor(folder: string, places: readonly FlipPlace[], seed: number) {
    mkdirSync(folder, { recursive: true });
    const file = (name: string): string => path.join(folder, name);
    this.#plan = { places, seed, stopFile: file('stop'), reportFile: file('report') };
    writeFileSync(file('plan'), JSON.stringify(this.#plan));
    const program = path.join(import.meta.dirname, 'link-flipper-main.ts');
    this.#process = new DriverProcess({
      argv: [process.execPath, '--disable-warning=ExperimentalWarning', program, file('plan')],
      logPath: file('log'),
    });
  }

  /** Resolves when it has begun. */
  async begun(): Promise<void> {
    await waitUntil('the attacker has begun', () => {
      if (!this.#process.isRunning) throw new Error(`the attacker has ended: ${this.#process.log}`);
      return existsSync(this.#plan.reportFile);
    });
  }

  /** Ends it with every directory where it was; resolves with the number of flips. */
  async end(): Promise<number> {
    writeFileSync(this.#plan.stopFile, '');
    await this.#process.ended;
    if (this.#process.log !== '') throw new Error(`the attacker failed: ${this.#process.log}`);
    return Number(readFileSync(this.#plan.reportFile, 'utf8'));
  }
}
