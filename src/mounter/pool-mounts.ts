// Makes, finds and takes down the mounts of pools, by famfs's own programs. All of it one at a time on the machine
// (design 6, rules 1 to 4); what was made is believed only when it has been read back.
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import { type CommandLocation, pathSeenFromHere } from '../famfs/command-location.ts';
import type { FamfsCommands } from '../famfs/famfs-commands.ts';
import { errorOfCause, type Outcome } from '../famfs/outcome.ts';
import { readSystemUuid } from '../famfs/system-uuid.ts';
import { missingCapabilities } from '../linux/capabilities.ts';
import { runCommand } from '../linux/child-process.ts';
import type { DaxDevice } from '../linux/dax-devices.ts';
import { atEffect } from '../linux/effect-point.ts';
import { inNamespacesOf } from '../linux/namespaces.ts';
import { listProcesses, mountNamespaceOf } from '../linux/processes.ts';
import type { Logger } from '../observe/logger.ts';
import type { CommandQueue } from './command-queue.ts';
import { clearDummyLeftovers, dummyPattern, shadowPattern } from './dummy-leftovers.ts';
import { daemonWords } from './famfs-daemons.ts';
import {
  describeHolders,
  deviceSources,
  holdersOfDevice,
  holdersOfSuperblock,
  refuseHeldDevice,
} from './holders.ts';
import type { Launcher } from './launcher.ts';
import { mountPlaceAt } from './mounted-pool.ts';
import type { MounterSettings } from './mounter-settings.ts';
import type { PoolDevice } from './pool-device.ts';
import type { Mode, Role } from './pool-state.ts';
import type { MountPlace } from './pool-verbs.ts';
import type { PoolWorker } from './pool-worker.ts';

/** How long a daemon may take to end after its mount is gone; famfs itself needs some ten milliseconds (famfs-kernel 3). */
const daemonEndMs = 5_000;
const unmountTimeoutMs = 20_000;

/** A pool's mount as this mounter made or found it. */
export interface MountedBy {
  readonly place: MountPlace;
  readonly mode: Mode;
  readonly adopted: boolean;
}

export interface PoolMountsParts {
  readonly settings: Pick<
    MounterSettings,
    'poolDir' | 'shadowDir' | 'famfsTmpDir' | 'systemUuidPath' | 'allowDriverSwitch'
  >;
  readonly mode: Mode;
  readonly location: CommandLocation;
  readonly commands: FamfsCommands;
  readonly launcher: Launcher;
  /** One for the machine: mount, mkfs and fsck by device. */
  readonly machineQueue: CommandQueue;
  /** A worker for a mount whose pool is not known yet. */
  readonly startWorker: (poolUuid: string, mountPath: string) => PoolWorker;
  readonly log: Logger;
}

/** For how long an identification spares the mount that follows it a second one. */
const freshIdentityMs = 10_000;

export class PoolMounts {
  readonly #parts: PoolMountsParts;
  readonly #identified = new Map<string, { readonly uuid: string; readonly atMs: number }>();
  /** Dummy mounts that stood in the way once; the second time they are leftovers. */
  readonly #suspects = new Set<string>();

  constructor(parts: PoolMountsParts) {
    this.#parts = parts;
  }

  /** Where a pool is mounted, on the host and here. */
  pathOf(uuid: string): string {
    return path.join(this.#parts.settings.poolDir, uuid);
  }

  /** This node's role in a pool whose superblock names `systemUuid` as its master (famfs reference 3). */
  roleIn(systemUuid: string): Role {
    return readSystemUuid(this.#parts.settings.systemUuidPath) === systemUuid ? 'master' : 'client';
  }

  /** The pools that are mounted at their place already. Asks only the mount table. */
  mounted(devices: readonly DaxDevice[]): { uuid: string; device: DaxDevice }[] {
    const bySource = new Map(
      devices.flatMap((device) => [...deviceSources(device.path)].map((source) => [source, device] as const)),
    );
    return readdirSync(this.#parts.settings.poolDir).flatMap((uuid) => {
      if (!uuidPattern.test(uuid)) return [];
      const place = mountPlaceAt(this.pathOf(uuid));
      const device = place === undefined ? undefined : bySource.get(place.source);
      return device === undefined ? [] : [{ uuid, device }];
    });
  }

  /**
   * Finds out which pool a device carries, and that its log can be trusted: famfs's dummy mount shows superblock and log
   * without replaying anything. A device in devdax mode is identified but not touched, unless switching it is allowed.
   * @throws DriverError `pool-held-elsewhere`, `superblock-refused`, `log-refused`, `device-unsuitable` and famfs's own
   */
  async identify(device: PoolDevice, driver: string | undefined): Promise<string> {
    const uuid = await this.#parts.machineQueue.run((lockFd) => this.#identifyLocked(device, driver, lockFd));
    this.#identified.set(device.path, { uuid, atMs: performance.now() });
    return uuid;
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
  takeDown(uuid: string, mount: MountedBy): Promise<void> {
    return this.#parts.machineQueue.run(async () => {
      const mountPath = this.pathOf(uuid);
      const { deviceMajor, deviceMinor } = mount.place;
      const holders = holdersOfSuperblock(deviceMajor, deviceMinor, mountPath);
      if (holders.length > 0) {
        throw new DriverError(
          'pool-in-use',
          `Pool ${uuid} is still mounted by ${describeHolders(holders)}; it cannot be taken down before that ends.`,
        );
      }
      await this.#unmount(mountPath);
      await this.#waitForDaemon(mountPath);
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
    const { commands, launcher, mode, settings } = this.#parts;
    const known = this.#identified.get(device.path);
    this.#identified.delete(device.path);
    const isFresh = known !== undefined && performance.now() - known.atMs < freshIdentityMs;
    const found = isFresh ? known.uuid : await this.#identifyLocked(device, 'fsdev_dax', lockFd);
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
      if (outcome.kind !== 'ok') throw this.#causeOf(outcome, device);
      for (const pid of this.#daemonsOf(mountPath)) launcher.adopt(pid, unit);
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

  async #identifyLocked(device: PoolDevice, driver: string | undefined, lockFd: number): Promise<string> {
    const { commands, settings, location } = this.#parts;
    await this.#endLeftDummies(device.path);
    for (const place of clearDummyLeftovers(settings.famfsTmpDir, location))
      this.#parts.log.info('leftover of famfs cleared', { path: place });
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
      if (outcome.kind !== 'ok') throw this.#causeOf(outcome, device);
      return await this.#readDummy(pathSeenFromHere(location, outcome.details.mountPoint), device);
    } finally {
      if (dummyPath !== undefined) await this.#endDummy(dummyPath, outcome.leftovers.shadow);
    }
  }

  async #readDummy(mountPath: string, device: PoolDevice): Promise<string> {
    const worker = this.#parts.startWorker('', mountPath);
    try {
      const { fileSystemUuid } = await worker.request('probe', {});
      const { entriesUsed } = await worker.request('refreshLog', {});
      this.#parts.log.debug('device identified', { device: device.name, pool: fileSystemUuid, entriesUsed });
      return fileSystemUuid;
    } finally {
      worker.close();
    }
  }

  /** famfs leaves its dummy mount, its directory and its shadow behind, well ended or not (famfs reference 1.1). */
  async #endDummy(dummyPath: string, shadow: string | undefined): Promise<void> {
    const { location } = this.#parts;
    const daemonShadows = this.#shadowsOf(dummyPath);
    await this.#unmount(dummyPath);
    await this.#waitForDaemon(dummyPath);
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
    const places = holdersOfDevice(devicePath).flatMap((holder) =>
      holder.mountNamespace === this.#famfsNamespace() ? holder.mountPoints : [],
    );
    const dummies = places.filter((place) => dummyPattern.test(place));
    for (const place of dummies) {
      if (!this.#suspects.has(place)) continue;
      this.#parts.log.info('leftover of famfs cleared', { mountPath: place });
      await this.#endDummy(place, undefined);
    }
    this.#suspects.clear();
    for (const place of dummies) this.#suspects.add(place);
  }

  /** Errors here are told and not thrown: why the mount failed matters more than what is left of it. */
  async #clearFailedMount(uuid: string, mountPath: string, worker: PoolWorker): Promise<void> {
    worker.restart();
    try {
      await this.#unmount(mountPath);
      await this.#waitForDaemon(mountPath);
      this.#removeShadows(uuid);
    } catch (error) {
      this.#parts.log.warn('a failed mount could not be cleared', { pool: uuid, mountPath, error });
    }
  }

  /** Unmounts in the namespaces where famfs mounted. Nothing mounted there is success. */
  async #unmount(mountPath: string): Promise<void> {
    const { location } = this.#parts;
    const { file, args } =
      location.kind === 'host'
        ? inNamespacesOf({ pid: location.hostPid, namespaces: ['mount'] }, 'umount', [mountPath])
        : { file: 'umount', args: [mountPath] };
    const label = dummyPattern.test(mountPath) ? 'umount dummy' : 'umount pool';
    const { exitCode, stderr } = await runCommand(file, args, { timeoutMs: unmountTimeoutMs, label });
    if (exitCode === 0 || /not mounted|no mount point specified/.test(stderr)) return;
    throw new DriverError(
      'pool-in-use',
      `${mountPath} cannot be unmounted: ${stderr.trim()}. End what uses it.`,
    );
  }

  /** The device is free only when the daemon has gone, which is after umount returns (famfs-kernel 3). */
  async #waitForDaemon(mountPath: string): Promise<void> {
    const endsAt = performance.now() + daemonEndMs;
    while (this.#daemonsOf(mountPath).length > 0) {
      if (performance.now() > endsAt) {
        throw new DriverError(
          'pool-in-use',
          `The famfs daemon of ${mountPath} has not ended ${daemonEndMs} ms after its mount; something in another namespace still uses it.`,
        );
      }
      await sleep(10);
    }
  }

  /**
   * Daemons name their mount point as their last argument (famfs reference 5.1). Only theirs is read: the command line of
   * a process that is stuck in a page fault on a hung mount cannot be, for whoever tries waits with it.
   */
  #daemonsOf(mountPath: string): number[] {
    const namespace = this.#famfsNamespace();
    return listProcesses().flatMap(({ pid, state, comm }) => {
      // What runs elsewhere can call itself what it likes; it is no daemon of ours.
      if (state === 'Z' || comm !== 'famfs_fused' || mountNamespaceOf(pid) !== namespace) return [];
      const words = daemonWords(pid);
      return words.at(-1) === mountPath && words.some((word) => word.startsWith('daxdev=')) ? [pid] : [];
    });
  }

  #shadowsOf(mountPath: string): string[] {
    return this.#daemonsOf(mountPath).flatMap((pid) => {
      const options = daemonWords(pid).find((word) => word.startsWith('daxdev=')) ?? '';
      return /(?:^|,)shadow=([^,]+)/.exec(options)?.slice(1, 2) ?? [];
    });
  }

  /** The mount namespace in which famfs and its daemons run. */
  #famfsNamespace(): string | undefined {
    const { location } = this.#parts;
    return mountNamespaceOf(location.kind === 'host' ? location.hostPid : 'self');
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

  /** The same words of famfs can have several causes; those that can be checked are (famfs-kernel 3). */
  #causeOf(outcome: Exclude<Outcome<unknown>, { kind: 'ok' }>, device: PoolDevice): DriverError {
    for (const cause of outcome.causes) {
      if (this.#applies(cause.id, device)) return errorOfCause(outcome.error, cause);
    }
    return outcome.error;
  }

  #applies(cause: string, device: PoolDevice): boolean {
    if (cause === 'held-elsewhere') return holdersOfDevice(device.path).length > 1;
    if (cause === 'capability-missing') return missingCapabilities(['CAP_SYS_RAWIO']).length > 0;
    return false;
  }
}

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty or busy: somebody's after all, and only a leftover.
  }
}
