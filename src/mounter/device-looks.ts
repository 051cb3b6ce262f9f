// Looks at what an unmounted device carries, by famfs's dummy mount, and leaves nothing of it behind. Only in the hands of
// whoever holds the machine's lock.
import { rmdirSync, rmSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { type CommandLocation, pathSeenFromHere } from '../famfs/command-location.ts';
import type { FamfsCommands } from '../famfs/famfs-commands.ts';
import type { Leftovers } from '../famfs/leftovers.ts';
import { atEffect } from '../linux/effect-point.ts';
import type { Logger } from '../observe/logger.ts';
import { clearDummyLeftovers, dummyPattern, hasDummyLeftovers, shadowPattern } from './dummy-leftovers.ts';
import { causeOf } from './failure-cause.ts';
import { deviceSources, holdersOfDevice, refuseHeldDevice } from './holders.ts';
import type { MountRemoval } from './mount-removal.ts';
import type { MounterSettings } from './mounter-settings.ts';
import type { PoolDevice } from './pool-device.ts';
import type { LogSummary, ProbeResult } from './pool-verbs.ts';
import type { PoolWorker } from './pool-worker.ts';

/** A device as far as looking at it goes. */
export type LookedAtDevice = Pick<PoolDevice, 'name' | 'path'>;

/** The file system on a device: whose it is, and its log, or why that must not be trusted. */
export interface DeviceContents extends Pick<ProbeResult, 'fileSystemUuid' | 'systemUuid'> {
  readonly log: LogSummary | DriverError;
}

export interface DeviceLooksParts {
  readonly settings: Pick<MounterSettings, 'famfsTmpDir' | 'allowDriverSwitch'>;
  readonly location: CommandLocation;
  readonly commands: FamfsCommands;
  readonly removal: MountRemoval;
  /** A worker for a mount whose pool is not known yet. */
  readonly startWorker: (poolUuid: string, mountPath: string) => PoolWorker;
  readonly log: Logger;
}

export class DeviceLooks {
  readonly #parts: DeviceLooksParts;
  /** Dummy mounts that stood in the way once; the second time they are leftovers. */
  readonly #suspects = new Set<string>();

  constructor(parts: DeviceLooksParts) {
    this.#parts = parts;
  }

  /**
   * Superblock and log of a device that is mounted nowhere on the machine; nothing is replayed. A device in devdax mode is
   * not touched, unless switching it is allowed.
   * @param driver what sysfs says it is bound to
   * @throws DriverError `pool-held-elsewhere`, `superblock-refused` (`isWithoutSuperblock` tells which), `device-unsuitable`,
   *   `pool-memory-failed`, `operation-pending` when famfs's daemon has ended meanwhile, and famfs's own
   */
  async look(device: LookedAtDevice, driver: string | undefined, lockFd: number): Promise<DeviceContents> {
    const { commands, settings, location } = this.#parts;
    await this.clearLeftovers(device);
    refuseHeldDevice(device.path);
    if (driver !== 'fsdev_dax' && !settings.allowDriverSwitch) {
      throw new DriverError(
        'device-unsuitable',
        `${device.name} is bound to ${driver ?? 'no driver'}; famfs needs fsdev_dax. Switch it (daxctl reconfigure-device -m famfs ${device.name}), or allow the mounter to with --allow-driver-switch.`,
      );
    }
    const outcome = await commands.dummyMount(
      { device: device.path, ...(driver === 'fsdev_dax' ? {} : { setDaxMode: true }) },
      { lockFd },
    );
    const dummyPath = outcome.details?.mountPoint ?? outcome.leftovers.dummyMount;
    try {
      if (outcome.kind !== 'ok') throw causeOf(outcome, device);
      return await this.#readDummy(pathSeenFromHere(location, outcome.details.mountPoint), device);
    } finally {
      if (dummyPath !== undefined) await this.#endDummy(dummyPath, outcome.leftovers.shadow);
    }
  }

  /** Ends and removes what a command that mounts for a while has left of a device. */
  async clearAfter({ dummyMount, shadow }: Leftovers, device: LookedAtDevice): Promise<void> {
    if (dummyMount !== undefined) await this.#endDummy(dummyMount, shadow);
    await this.#parts.removal.waitForDaemonsOf(deviceSources(device.path));
    this.clearFolders();
  }

  /** Ends and removes what earlier commands have left, if a driver was killed over them. */
  async clearLeftovers(device: LookedAtDevice): Promise<void> {
    await this.#endLeftDummies(device.path);
    this.clearFolders();
  }

  /** Whether famfs's folder for temporary things holds some. */
  get hasFolders(): boolean {
    return hasDummyLeftovers(this.#parts.settings.famfsTmpDir, this.#parts.location);
  }

  /** Removes what nobody uses from famfs's folder for temporary things. */
  clearFolders(): void {
    const { settings, location, log } = this.#parts;
    for (const place of clearDummyLeftovers(settings.famfsTmpDir, location))
      log.info('leftover of famfs cleared', { path: place });
  }

  async #readDummy(mountPath: string, device: LookedAtDevice): Promise<DeviceContents> {
    const worker = this.#parts.startWorker('', mountPath);
    try {
      const { fileSystemUuid, systemUuid } = await worker.request('probe', {});
      const log = await worker.request('refreshLog', {}).catch(asRefusedLog);
      this.#parts.log.debug('device looked at', { device: device.name, pool: fileSystemUuid });
      return { fileSystemUuid, systemUuid, log };
    } catch (error) {
      throw lookFailure(error, device);
    } finally {
      worker.close();
    }
  }

  /** famfs leaves its dummy mount, its directory and its shadow behind, well ended or not (famfs reference 1.1). */
  async #endDummy(dummyPath: string, shadow: string | undefined): Promise<void> {
    const { location, removal } = this.#parts;
    const daemonShadows = removal.shadowsOf(dummyPath);
    await removal.unmount(dummyPath);
    await removal.waitForDaemon(dummyPath);
    const shadows = [...daemonShadows, ...(shadow === undefined ? [] : [shadow])];
    for (const folder of new Set(shadows.filter((name) => shadowPattern.test(name)))) {
      atEffect('remove dummy shadow', () =>
        rmSync(pathSeenFromHere(location, folder), { recursive: true, force: true }),
      );
    }
    atEffect('rmdir dummy', () => removeEmpty(pathSeenFromHere(location, dummyPath)));
  }

  /**
   * Ends dummy mounts that a mounter left when it was killed over them. We hold the machine's lock, so no driver is at it;
   * a person's `famfs fsck` may be, so only one that was there at the last try as well is a leftover.
   */
  async #endLeftDummies(devicePath: string): Promise<void> {
    const { removal, log } = this.#parts;
    const places = holdersOfDevice(devicePath).flatMap((holder) =>
      holder.mountNamespace === removal.namespace ? holder.mountPoints : [],
    );
    const dummies = places.filter((place) => dummyPattern.test(place));
    for (const place of dummies) {
      if (!this.#suspects.has(place)) continue;
      log.info('leftover of famfs cleared', { mountPath: place });
      await this.#endDummy(place, undefined);
    }
    this.#suspects.clear();
    for (const place of dummies) this.#suspects.add(place);
  }
}

/**
 * Whether `look` has found memory that claims in no way to be a famfs file system, and not one that is damaged or of
 * another version. famfs itself is silent about such memory, besides that it is none.
 */
export function isWithoutSuperblock(error: unknown): boolean {
  if (!(error instanceof DriverError) || error.reason !== 'superblock-refused') return false;
  const { field, message, stderr } = error.details;
  if (field === 'superblock magic') return true;
  return message === 'superblock-missing' && !/famfs_check_super/.test(String(stderr));
}

/** What is worded for a pool and its pods: here there is only a mount of a moment, and nothing was done but to look. */
function lookFailure(error: unknown, { name }: LookedAtDevice): unknown {
  if (!(error instanceof DriverError) || error.reason !== 'pool-dead') return error;
  return new DriverError(
    'operation-pending',
    `The famfs daemon by which ${name} was looked at has ended; try again.`,
    { cause: error },
  );
}

function asRefusedLog(error: unknown): DriverError {
  if (error instanceof DriverError && error.reason === 'log-refused') return error;
  throw error;
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty or busy: somebody's after all, and only a leftover.
  }
}
