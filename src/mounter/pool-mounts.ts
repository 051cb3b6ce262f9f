// Makes, finds and takes down the mounts of pools, by famfs's own programs. All of it one at a time on the machine
// (design 6, rules 1 to 4); what was made is believed only when it has been read back.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import type { FamfsCommands } from '../famfs/famfs-commands.ts';
import { readSystemUuid } from '../famfs/system-uuid.ts';
import type { DaxDevice } from '../linux/dax-devices.ts';
import { atEffect } from '../linux/effect-point.ts';
import type { Logger } from '../observe/logger.ts';
import type { CommandQueue } from './command-queue.ts';
import type { DeviceLooks } from './device-looks.ts';
import { causeOf } from './failure-cause.ts';
import { describeHolders, deviceSources, holdersOfSuperblock } from './holders.ts';
import type { Launcher } from './launcher.ts';
import type { MountRemoval } from './mount-removal.ts';
import { mountPlaceAt } from './mounted-pool.ts';
import type { MounterSettings } from './mounter-settings.ts';
import type { PoolDevice } from './pool-device.ts';
import type { Mode, Role } from './pool-state.ts';
import type { MountPlace } from './pool-verbs.ts';
import type { PoolWorker } from './pool-worker.ts';

/** A pool's mount as this mounter made or found it. */
export interface MountedBy {
  readonly place: MountPlace;
  readonly mode: Mode;
  readonly adopted: boolean;
}

export interface PoolMountsParts {
  readonly settings: Pick<MounterSettings, 'poolDir' | 'shadowDir' | 'systemUuidPath'>;
  readonly mode: Mode;
  readonly looks: DeviceLooks;
  readonly removal: MountRemoval;
  readonly commands: FamfsCommands;
  readonly launcher: Launcher;
  /** One for the machine: mount, mkfs and fsck by device. */
  readonly machineQueue: CommandQueue;
  readonly log: Logger;
}

/** For how long an identification spares the mount that follows it a second one. */
const freshIdentityMs = 10_000;

export class PoolMounts {
  readonly #parts: PoolMountsParts;
  readonly #identified = new Map<string, { readonly uuid: string; readonly atMs: number }>();

  constructor(parts: PoolMountsParts) {
    this.#parts = parts;
  }

  /** Where a pool is mounted, on the host and here. */
  pathOf(uuid: string): string {
    return path.join(this.#parts.settings.poolDir, uuid);
  }

  /** What is mounted at a pool's place; undefined when nothing is. Asks only the mount table. */
  placeOf(uuid: string): MountPlace | undefined {
    return mountPlaceAt(this.pathOf(uuid));
  }

  /** This node's role in a pool whose superblock names `systemUuid` as its master (famfs reference 3). */
  roleIn(systemUuid: string): Role {
    return readSystemUuid(this.#parts.settings.systemUuidPath) === systemUuid ? 'master' : 'client';
  }

  /** The pool that is mounted at its place from a device; undefined when none is. Asks only the mount table. */
  mountedFrom(device: DaxDevice): string | undefined {
    const sources = deviceSources(device.path);
    return readdirSync(this.#parts.settings.poolDir).find((uuid) => {
      const place = uuidPattern.test(uuid) ? this.placeOf(uuid) : undefined;
      return place !== undefined && sources.has(place.source);
    });
  }

  /**
   * Finds out which pool a device carries, and that its log can be trusted: famfs's dummy mount shows superblock and log
   * without replaying anything. A device in devdax mode is identified but not touched, unless switching it is allowed.
   * @throws DriverError `pool-held-elsewhere`, `superblock-refused`, `log-refused`, `device-unsuitable` and famfs's own
   */
  async identify(device: PoolDevice, driver: string | undefined): Promise<string> {
    const uuid = await this.#parts.machineQueue.run((lockFd) => this.#identify(device, driver, lockFd));
    this.#identified.set(device.path, { uuid, atMs: performance.now() });
    return uuid;
  }

  /**
   * Removes what famfs commands have left in their folder and what could not be removed at the last look at a device, because somebody's
   * command was at work. Leaves it when that is so now.
   */
  async clearLeftovers(): Promise<void> {
    const { looks, machineQueue } = this.#parts;
    if (looks.hasFolders) await machineQueue.tryRun(async () => looks.clearFolders());
  }

  /** The pool's mount at its place, whatever state it is in; made when there is none. @throws DriverError why it cannot be had */
  async adoptOrMount(uuid: string, device: PoolDevice, worker: PoolWorker): Promise<MountedBy> {
    const place = await worker.request('place', {});
    if (place !== undefined) return { place, mode: this.#modeOf(place), adopted: true };
    return this.#parts.machineQueue.run((lockFd) => this.#mountLocked(uuid, device, worker, lockFd));
  }

  /** famfs's own replay of a mounted pool. The caller holds the pool's lock and has validated the log. */
  async replay(uuid: string, lockFd: number): Promise<void> {
    const outcome = await this.#parts.commands.logplay({ mountPoint: this.pathOf(uuid) }, { lockFd });
    if (outcome.kind !== 'ok') throw outcome.error;
  }

  /**
   * Ends a pool's mount, once nothing on the machine uses it any more, and removes what famfs leaves.
   * @throws DriverError `pool-in-use` naming who holds it
   */
  takeDown(uuid: string, place: MountPlace): Promise<void> {
    return this.#parts.machineQueue.run(async () => {
      const mountPath = this.pathOf(uuid);
      const { deviceMajor, deviceMinor } = place;
      const holders = holdersOfSuperblock(deviceMajor, deviceMinor, mountPath);
      if (holders.length > 0) {
        throw new DriverError(
          'pool-in-use',
          `Pool ${uuid} is still mounted by ${describeHolders(holders)}; it cannot be taken down before that ends.`,
        );
      }
      await this.#parts.removal.unmount(mountPath);
      await this.#parts.removal.waitForDaemon(mountPath);
      this.#removeShadows(uuid);
      this.#parts.log.info('pool unmounted', { pool: uuid, mountPath });
    });
  }

  async #mountLocked(
    uuid: string,
    device: PoolDevice,
    worker: PoolWorker,
    lockFd: number,
  ): Promise<MountedBy> {
    const { commands, launcher, mode, settings, removal } = this.#parts;
    const known = this.#identified.get(device.path);
    this.#identified.delete(device.path);
    const isFresh = known !== undefined && performance.now() - known.atMs < freshIdentityMs;
    const found = isFresh ? known.uuid : await this.#identify(device, 'fsdev_dax', lockFd);
    if (found !== uuid) {
      throw new DriverError(
        'pool-reformatted',
        `Device ${device.name} carries pool ${found} now, not ${uuid}.`,
      );
    }
    const mountPath = this.pathOf(uuid);
    this.#removeShadows(uuid);
    atEffect('mkdir pool', () => mkdirSync(mountPath, { recursive: true, mode: 0o700 }));
    const shadowPath = atEffect('mkdir shadow', () => mkdtempSync(path.join(settings.shadowDir, `${uuid}-`)));
    const unit = `famfs-${uuid}`;
    const outcome = await commands.mount(
      { device: device.path, mountPoint: mountPath, shadowPath },
      { lockFd, launch: (command, options) => launcher.run(command, unit, options) },
    );
    try {
      if (outcome.kind !== 'ok') throw causeOf(outcome, device);
      for (const pid of removal.daemonsOf(mountPath)) launcher.adopt(pid, unit);
      const place = await worker.request('place', {});
      if (place === undefined) {
        throw new DriverError(
          'command-failed',
          `famfs says that it mounted pool ${uuid}, but there is no mount at ${mountPath}. If famfs runs on the host, the folder ${settings.poolDir} must be shared with it.`,
        );
      }
      await worker.request('probe', {});
      return { place, mode, adopted: false };
    } catch (error) {
      await this.#clearFailedMount(uuid, mountPath, worker);
      throw error;
    }
  }

  async #identify(device: PoolDevice, driver: string | undefined, lockFd: number): Promise<string> {
    const { fileSystemUuid, log } = await this.#parts.looks.look(device, driver, lockFd);
    if (log instanceof DriverError) throw log;
    return fileSystemUuid;
  }

  /** Errors here are told and not thrown: why the mount failed matters more than what is left of it. */
  async #clearFailedMount(uuid: string, mountPath: string, worker: PoolWorker): Promise<void> {
    worker.restart();
    try {
      await this.#parts.removal.unmount(mountPath);
      await this.#parts.removal.waitForDaemon(mountPath);
      this.#removeShadows(uuid);
    } catch (error) {
      this.#parts.log.warn('a failed mount could not be cleared', { pool: uuid, mountPath, error });
    }
  }

  /** Shadow trees of a pool's former mounts. They hold small files only; nothing is ever mounted in one. */
  #removeShadows(uuid: string): void {
    const { shadowDir } = this.#parts.settings;
    for (const name of readdirSync(shadowDir)) {
      if (!name.startsWith(`${uuid}-`)) continue;
      atEffect('remove shadow', () => rmSync(path.join(shadowDir, name), { recursive: true, force: true }));
    }
  }

  #modeOf(place: MountPlace): Mode {
    if (place.fileSystemType === 'fuse') return 'fuse';
    return place.fileSystemType === 'famfs' || place.fileSystemType === 'fuse.famfs'
      ? 'standalone'
      : this.#parts.mode;
  }
}

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
