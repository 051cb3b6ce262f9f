// Takes the mount of a pool down on request and keeps it down, also over the death of the mounter in the middle of that.
// What is to be done before and after is the pool's to say.
import type { Logger } from '../observe/logger.ts';
import type { BindRegistry } from './bind-registry.ts';
import { abortable } from './command-queue.ts';
import type { LogFollower } from './log-follower.ts';
import type { PoolHold } from './pool-hold.ts';
import type { PoolMounts } from './pool-mounts.ts';
import type { MountPlace } from './pool-verbs.ts';

export interface PoolReleaseParts {
  readonly uuid: string;
  readonly hold: PoolHold;
  readonly registry: BindRegistry;
  readonly mounts: PoolMounts;
  /** By its turns nothing runs famfs commands on the pool meanwhile. */
  readonly follower: LogFollower;
  readonly deviceName: () => string;
  /** The mount that the pool uses, if it has one. */
  readonly place: () => MountPlace | undefined;
  readonly onDown: () => void;
  readonly onChange: () => void;
  readonly log: Logger;
}

export class PoolRelease {
  readonly #parts: PoolReleaseParts;

  constructor(parts: PoolReleaseParts) {
    this.#parts = parts;
  }

  /**
   * Where it is down already it stays so.
   * @param atWork what the pool has begun and must come to its end first
   * @throws DriverError `pool-in-use` naming volumes or processes, `pool-busy`; nothing is held then
   */
  release(atWork: Promise<unknown>, signal: AbortSignal): Promise<void> {
    return this.#close(atWork, () => this.#hold(), signal);
  }

  /** Takes the mount down without a hold, for it to be made again at once. @throws DriverError as `release` */
  renew(atWork: Promise<unknown>, signal: AbortSignal): Promise<void> {
    const { hold, registry, uuid, onDown } = this.#parts;
    const takeDown = async (): Promise<void> => {
      hold.requireUnused(registry.ofPool(uuid));
      await this.#takeDown();
      onDown();
    };
    return this.#close(atWork, takeDown, signal);
  }

  async #close(atWork: Promise<unknown>, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { hold, follower, onChange } = this.#parts;
    try {
      await hold.whileClosing(async () => {
        await abortable(atWork, signal);
        await follower.hold(work, signal);
      });
    } finally {
      onChange();
    }
  }

  /** Ends what a mounter that was killed has begun: after that the pool is down, or no longer held. */
  async finish(): Promise<void> {
    const { uuid, hold, follower, log } = this.#parts;
    if (!hold.isHeld || hold.isDown) return;
    await follower
      .hold(() => this.#hold())
      .catch((error: unknown) => log.warn('pool cannot be released', { pool: uuid, error }));
  }

  async #hold(): Promise<void> {
    const { uuid, hold, registry, deviceName, onDown } = this.#parts;
    await hold.take(registry.ofPool(uuid), deviceName(), () => this.#takeDown());
    onDown();
  }

  async #takeDown(): Promise<void> {
    const { uuid, mounts, place } = this.#parts;
    const mounted = place() ?? mounts.placeOf(uuid);
    if (mounted !== undefined) await mounts.takeDown(uuid, mounted);
  }
}
