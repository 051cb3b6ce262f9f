// Which pools this node has: looks at the dax devices now and again, finds out what each carries, and keeps one Pool for
// each file system found. Touches no device itself.
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import type { DaxDevice } from '../linux/dax-devices.ts';
import type { Logger } from '../observe/logger.ts';
import type { ChangeSignal } from './change-signal.ts';
import { unsuitability } from './device-suitability.ts';
import type { MounterSettings } from './mounter-settings.ts';
import type { Pool } from './pool.ts';
import type { PoolDevice } from './pool-device.ts';
import { forgetHoldsOn } from './pool-hold.ts';
import type { PoolMounts } from './pool-mounts.ts';
import type { DeviceState, Problem } from './pool-state.ts';

const firstRetryMs = 2_000;
const longestRetryMs = 60_000;
/** The memory of a pool that is held is about to change. */
const longestHeldRetryMs = 10_000;

interface SeenDevice {
  readonly device: DaxDevice;
  poolUuid: string | undefined;
  problem: Problem | undefined;
  retry: Retry;
}

export interface PoolFinderParts {
  readonly settings: Pick<MounterSettings, 'pools' | 'sysfsRoot' | 'allowDriverSwitch' | 'lockDir'>;
  readonly mounts: PoolMounts;
  readonly listDevices: () => DaxDevice[];
  readonly makePool: (uuid: string, device: PoolDevice) => Pool;
  readonly changes: ChangeSignal;
  readonly log: Logger;
}

export class PoolFinder {
  readonly #parts: PoolFinderParts;
  readonly #devices = new Map<string, SeenDevice>();
  readonly #pools = new Map<string, Pool>();
  readonly #retries = new Map<string, Retry>();
  #hasScanned = false;

  constructor(parts: PoolFinderParts) {
    this.#parts = parts;
  }

  /** The first look at all devices is done. */
  get hasScanned(): boolean {
    return this.#hasScanned;
  }

  pool(uuid: string): Pool | undefined {
    return this.#pools.get(uuid);
  }

  pools(): Pool[] {
    return [...this.#pools.values()];
  }

  devices(): DeviceState[] {
    return [...this.#devices.values()].map(({ device, poolUuid, problem }) => ({
      name: device.name,
      path: device.path,
      sizeBytes: device.sizeBytes,
      alignBytes: device.alignBytes,
      driver: device.driver ?? '',
      poolUuid,
      problem,
    }));
  }

  /** Begins to take up the pools that are mounted already: a former mounter's work. One that hangs holds up no other. */
  adopt(): void {
    for (const device of this.#parts.listDevices()) this.#adoptFrom(device);
  }

  /**
   * Looks at all devices once: new ones are identified, pools that wait are tried again, those whose device is gone are marked, and
   * what famfs commands have left is cleared.
   */
  async scan(): Promise<void> {
    const devices = this.#parts.listDevices();
    this.#forgetGone(new Set(devices.map((device) => device.name)));
    for (const device of devices) await this.#look(device);
    await this.#parts.mounts.clearLeftovers();
    if (this.#hasScanned) return;
    this.#hasScanned = true;
    this.#parts.changes.raise();
  }

  /** What a device carries may have changed: it is looked at with the next scan. */
  lookAgain(deviceName: string): void {
    this.#devices.get(deviceName)?.retry.reset();
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close();
  }

  async #look(device: DaxDevice): Promise<void> {
    const seen = this.#see(device);
    const pool = this.#poolOn(device.name);
    if (pool !== undefined) {
      pool.seenOn(this.#poolDevice(device));
      if (pool.isDown) await this.#lookForSuccessor(pool, seen);
      else this.#retryBringUp(pool);
      return;
    }
    // A command that a former mounter began may end after this one has.
    if (this.#adoptFrom(device)) return;
    const unsuitable = unsuitability(device, this.#parts.settings.allowDriverSwitch);
    if (unsuitable !== undefined) {
      this.#note(seen, undefined, unsuitable);
      return;
    }
    if (seen.retry.isDue()) await this.#identify(seen);
  }

  /** Takes up the pool that is mounted from a device at its place. @returns whether there is one */
  #adoptFrom(device: DaxDevice): boolean {
    const uuid = this.#parts.mounts.mountedFrom(device);
    if (uuid === undefined) return false;
    this.#note(this.#see(device), uuid, undefined);
    void this.#takeUp(uuid, device).bringUp();
    return true;
  }

  /** A pool is mostly released to be formatted anew, perhaps by another host. */
  async #lookForSuccessor(pool: Pool, seen: SeenDevice): Promise<void> {
    if (!seen.retry.isDue()) return;
    seen.retry.failed(longestHeldRetryMs);
    const uuid = await this.#parts.mounts
      .identify(this.#poolDevice(seen.device), seen.device.driver)
      // Just being formatted, or worth nothing; the pool that is held is still the last thing known.
      .catch(() => pool.uuid);
    if (uuid === pool.uuid || !pool.isHeld) return;
    pool.replacedBy(uuid);
    seen.retry.reset();
  }

  async #identify(seen: SeenDevice): Promise<void> {
    try {
      const uuid = await this.#parts.mounts.identify(this.#poolDevice(seen.device), seen.device.driver);
      forgetHoldsOn(seen.device.name, uuid, this.#parts.settings.lockDir);
      const refusal = this.#refusal(uuid, seen.device);
      this.#note(seen, uuid, refusal);
      if (refusal === undefined) {
        seen.retry.reset();
        void this.#takeUp(uuid, seen.device).bringUp();
      } else {
        seen.retry.failed();
      }
    } catch (error) {
      const { reason, message } = DriverError.from(error);
      this.#note(seen, undefined, { reason, message });
      seen.retry.failed();
    }
  }

  /** Why a pool that was found is not served from this device. */
  #refusal(uuid: string, device: DaxDevice): Problem | undefined {
    const { pools } = this.#parts.settings;
    if (pools !== undefined && !pools.includes(uuid)) {
      return {
        reason: 'pool-not-ready',
        message: `Pool ${uuid} is not among those this node is told to serve (--pools).`,
      };
    }
    const known = this.#pools.get(uuid);
    if (known === undefined || known.phase === 'lost' || known.deviceName === device.name) return undefined;
    return {
      reason: 'device-unsuitable',
      message: `It carries pool ${uuid}, which is served from ${known.deviceName} already: the same memory seen twice, or a copy of it.`,
    };
  }

  #takeUp(uuid: string, device: DaxDevice): Pool {
    const known = this.#pools.get(uuid);
    if (known !== undefined) {
      known.seenOn(this.#poolDevice(device));
      return known;
    }
    const pool = this.#parts.makePool(uuid, this.#poolDevice(device));
    this.#pools.set(uuid, pool);
    this.#parts.changes.raise();
    return pool;
  }

  #retryBringUp(pool: Pool): void {
    if (pool.phase !== 'found' || pool.problem === undefined) return;
    const retry = this.#retries.get(pool.uuid) ?? new Retry();
    this.#retries.set(pool.uuid, retry);
    if (!retry.isDue()) return;
    void pool.bringUp().then(() => (pool.phase === 'ready' ? retry.reset() : retry.failed()));
  }

  #poolOn(deviceName: string): Pool | undefined {
    return this.pools().find((pool) => pool.deviceName === deviceName && pool.phase !== 'lost');
  }

  #forgetGone(present: ReadonlySet<string>): void {
    for (const name of this.#devices.keys()) {
      if (present.has(name)) continue;
      this.#devices.delete(name);
      this.#parts.changes.raise();
    }
    for (const pool of this.#pools.values()) if (!present.has(pool.deviceName)) pool.lose();
  }

  #see(device: DaxDevice): SeenDevice {
    const known = this.#devices.get(device.name);
    const isSame =
      known !== undefined &&
      known.device.sizeBytes === device.sizeBytes &&
      known.device.driver === device.driver;
    if (isSame) return known;
    const seen = { device, poolUuid: known?.poolUuid, problem: undefined, retry: new Retry() };
    this.#devices.set(device.name, seen);
    this.#parts.changes.raise();
    return seen;
  }

  #note(seen: SeenDevice, poolUuid: string | undefined, problem: Problem | undefined): void {
    const isNews = seen.poolUuid !== poolUuid || seen.problem?.message !== problem?.message;
    seen.poolUuid = poolUuid;
    seen.problem = problem;
    if (!isNews) return;
    const fields = {
      device: seen.device.name,
      pool: poolUuid ?? '',
      reason: problem?.reason ?? '',
      problem: problem?.message ?? '',
    };
    this.#parts.log.info('device looked at', fields);
    this.#parts.changes.raise();
  }

  #poolDevice(device: DaxDevice): PoolDevice {
    const sysfs = path.join(this.#parts.settings.sysfsRoot, 'bus/dax/devices', device.name);
    return {
      name: device.name,
      path: device.path,
      simulated: isSimulated(sysfs),
      physical:
        device.resource === undefined ? undefined : { start: device.resource, sizeBytes: device.sizeBytes },
    };
  }
}

/** The simulator keeps its devices below devices/simulated, so that nobody takes its figures for those of shared memory. */
function isSimulated(sysfsDevice: string): boolean {
  try {
    return path.basename(path.dirname(realpathSync(sysfsDevice))) === 'simulated';
  } catch {
    return false;
  }
}

/** When to try again what failed: doubling pauses up to a minute. */
class Retry {
  #dueAtMs = 0;
  #pauseMs = firstRetryMs;

  isDue(): boolean {
    return performance.now() >= this.#dueAtMs;
  }

  failed(longestMs = longestRetryMs): void {
    this.#dueAtMs = performance.now() + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestMs);
  }

  reset(): void {
    this.#dueAtMs = 0;
    this.#pauseMs = firstRetryMs;
  }
}
