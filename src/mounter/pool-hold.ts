// Whether a pool is kept from being mounted on this node, and whether it may be just now. The note lies on the host, so that
// a mounter that is killed in between is followed by one that keeps to it; a reboot ends it, as it ends all mounts.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { atEffect } from '../linux/effect-point.ts';
import type { KnownBind } from './bind-registry.ts';
import type { Problem } from './pool-state.ts';

const notePrefix = 'held-';

export class PoolHold {
  readonly #poolUuid: string;
  readonly #note: string;
  /** Volumes whose bind is being made. */
  readonly #beginning = new Set<string>();
  #isHeld: boolean;
  #isDown = false;
  #isClosing = false;

  /** @param folder a folder on the host that a boot clears */
  constructor(poolUuid: string, folder: string) {
    this.#poolUuid = poolUuid;
    this.#note = path.join(folder, `${notePrefix}${poolUuid}`);
    this.#isHeld = existsSync(this.#note);
  }

  /** It is not to be mounted; a mount that there was may be there still. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Held, and nothing of it is mounted any more: what others may build upon. */
  get isDown(): boolean {
    return this.#isDown;
  }

  /** It is being found out whether the pool can be released; nothing new begins meanwhile. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Why the pool does not serve; undefined while it is not held. */
  get problem(): Problem | undefined {
    return this.#isHeld ? this.#released() : undefined;
  }

  /** @throws DriverError `pool-released` when the pool is held, or about to be */
  requireOpen(): void {
    if (!this.#isHeld && !this.#isClosing) return;
    const { reason, message } = this.#released();
    throw new DriverError(reason, message);
  }

  /** Makes a bind that nobody yet knows of; the pool is not released meanwhile. */
  async whileBinding<T>(volumeId: string, bind: () => Promise<T>): Promise<T> {
    this.#beginning.add(volumeId);
    try {
      return await bind();
    } finally {
      this.#beginning.delete(volumeId);
    }
  }

  async whileClosing(release: () => Promise<void>): Promise<void> {
    this.#isClosing = true;
    try {
      await release();
    } finally {
      this.#isClosing = false;
    }
  }

  /**
   * Holds the pool and has its mount taken down. When that fails, nothing is held.
   * @param deviceName what the pool lies on
   * @throws DriverError `pool-in-use` naming volumes, and what taking down throws
   */
  async take(binds: readonly KnownBind[], deviceName: string, takeDown: () => Promise<void>): Promise<void> {
    try {
      this.requireUnused(binds);
      atEffect('note hold', () => writeFileSync(this.#note, deviceName, { mode: 0o600 }));
      this.#isHeld = true;
      await takeDown();
      this.#isDown = this.#isHeld;
    } catch (error) {
      this.lift();
      throw error;
    }
  }

  lift(): void {
    atEffect('remove hold', () => rmSync(this.#note, { force: true }));
    this.#isHeld = false;
    this.#isDown = false;
  }

  /** @throws DriverError `pool-in-use` naming the volumes that are published, or about to be */
  requireUnused(binds: readonly KnownBind[]): void {
    const users = [
      ...binds.map(({ volumeId, target }) => `volume ${volumeId} at ${target}`),
      ...[...this.#beginning].map((volumeId) => `volume ${volumeId}, which is just being published`),
    ];
    if (users.length === 0) return;
    const more = users.length > 3 ? ` and ${users.length - 3} more` : '';
    throw new DriverError(
      'pool-in-use',
      `Pool ${this.#poolUuid} is in use on this node by ${users.slice(0, 3).join('; ')}${more}. It is not released before that ends.`,
    );
  }

  #released(): Problem {
    return {
      reason: 'pool-released',
      message: `Pool ${this.#poolUuid} was released on this node, mostly to be formatted anew; it is mounted again when the hold is lifted.`,
    };
  }
}

/** Removes the notes of pools that were held on a device and are no more: it carries another one now. */
export function forgetHoldsOn(deviceName: string, carriedUuid: string, folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(notePrefix) || name === `${notePrefix}${carriedUuid}`) continue;
    const note = path.join(folder, name);
    if (readFileSync(note, 'utf8') !== deviceName) continue;
    atEffect('remove hold', () => rmSync(note, { force: true }));
  }
}
