// Publishes paths of one pool as fast as it can, looks at once at what each target shows, and takes it away again.
// Judges nothing.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../../src/errors.ts';
import type { RunningMounter } from '../running-mounter.ts';

/** A publish that succeeded, with what the file `data` of the target held a moment later, or why it could not be read. */
export interface Published {
  readonly path: string;
  readonly beganAtMs: number;
  readonly answeredAtMs: number;
  readonly shown: string;
}

/** Refusals come so quickly that they would take the machine from everybody else. */
const pauseAfterRefusalMs = 5;

export class EagerPublishers {
  readonly published: Published[] = [];
  /** How often each reason was given. */
  readonly refusals = new Map<string, number>();
  readonly #mounter: RunningMounter;
  readonly #poolUuid: string;
  readonly #ends: Promise<void>[];
  #isOver = false;
  #attempts = 0;

  /** Begins: one publisher for each path, and again for a path that is named again. */
  constructor(mounter: RunningMounter, poolUuid: string, paths: readonly string[]) {
    this.#mounter = mounter;
    this.#poolUuid = poolUuid;
    this.#ends = paths.map((each, index) => this.#publishOn(each, `eager-${index}`));
  }

  /** How many publishes have ended, well or not. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Resolves when what runs has ended; nothing is published any more. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#ends);
  }

  async #publishOn(relative: string, pod: string): Promise<void> {
    const target = this.#mounter.node.target(pod);
    while (!this.#isOver) {
      const beganAtMs = performance.now();
      try {
        await this.#mounter.calls.bind({
          poolUuid: this.#poolUuid,
          path: relative,
          target,
          volumeId: target,
        });
        const answeredAtMs = performance.now();
        this.published.push({ path: relative, beganAtMs, answeredAtMs, shown: dataOf(target) });
        await this.#mounter.calls.unbind({ target });
      } catch (error) {
        const { reason } = DriverError.from(error);
        this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
        await sleep(pauseAfterRefusalMs);
      }
      this.#attempts++;
    }
    await this.#mounter.calls.unbind({ target }).catch(() => undefined);
  }
}

function dataOf(target: string): string {
  try {
    return readFileSync(path.join(target, 'data'), 'utf8');
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
