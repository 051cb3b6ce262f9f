// Takes mounts of famfs down where famfs runs, and waits for the daemons behind them. Does not ask who uses a mount: that
// is for whoever wants it gone.
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import type { CommandLocation } from '../famfs/command-location.ts';
import { runCommand } from '../linux/child-process.ts';
import { inNamespacesOf } from '../linux/namespaces.ts';
import { listProcesses, mountNamespaceOf } from '../linux/processes.ts';
import { dummyPattern } from './dummy-leftovers.ts';
import { daemonWords } from './famfs-daemons.ts';

/** How long a daemon may take to end after its mount is gone; famfs itself needs some ten milliseconds (famfs-kernel 3). */
const daemonEndMs = 5_000;
const unmountTimeoutMs = 20_000;

export class MountRemoval {
  readonly #location: CommandLocation;

  constructor(location: CommandLocation) {
    this.#location = location;
  }

  /** The mount namespace in which famfs and its daemons run. */
  get namespace(): string | undefined {
    return mountNamespaceOf(this.#location.kind === 'host' ? this.#location.hostPid : 'self');
  }

  /** Unmounts in that namespace. Nothing mounted there is success. @throws DriverError `pool-in-use` */
  async unmount(mountPath: string): Promise<void> {
    const location = this.#location;
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
  waitForDaemon(mountPath: string): Promise<void> {
    return this.#untilGone(() => this.daemonsOf(mountPath), `The famfs daemon of ${mountPath}`);
  }

  /** As `waitForDaemon`, for all of a device, by its names: those of mounts that nobody has named. */
  waitForDaemonsOf(devicePaths: ReadonlySet<string>): Promise<void> {
    const isOfDevice = (words: readonly string[]): boolean =>
      words.some((word) => devicePaths.has(/(?:^|,)daxdev=([^,]+)/.exec(word)?.[1] ?? ''));
    return this.#untilGone(() => this.#daemons(isOfDevice), `A famfs daemon of ${[...devicePaths][0]}`);
  }

  /** Daemons name their mount point as their last argument (famfs reference 5.1). */
  daemonsOf(mountPath: string): number[] {
    return this.#daemons(
      (words) => words.at(-1) === mountPath && words.some((word) => word.startsWith('daxdev=')),
    );
  }

  /** The shadow trees that the daemons of a mount serve from. */
  shadowsOf(mountPath: string): string[] {
    return this.daemonsOf(mountPath).flatMap((pid) => {
      const options = daemonWords(pid).find((word) => word.startsWith('daxdev=')) ?? '';
      return /(?:^|,)shadow=([^,]+)/.exec(options)?.slice(1, 2) ?? [];
    });
  }

  async #untilGone(daemons: () => readonly number[], what: string): Promise<void> {
    const endsAt = performance.now() + daemonEndMs;
    while (daemons().length > 0) {
      if (performance.now() > endsAt) {
        throw new DriverError(
          'pool-in-use',
          `${what} has not ended ${daemonEndMs} ms after its mount; something in another namespace still uses it.`,
        );
      }
      await sleep(10);
    }
  }

  /**
   * Only the command lines of daemons are read: that of a process that is stuck in a page fault on a hung mount cannot be,
   * for whoever tries waits with it.
   */
  #daemons(matches: (words: readonly string[]) => boolean): number[] {
    const { namespace } = this;
    return listProcesses().flatMap(({ pid, state, comm }) => {
      // What runs elsewhere can call itself what it likes; it is no daemon of ours.
      if (state === 'Z' || comm !== 'famfs_fused' || mountNamespaceOf(pid) !== namespace) return [];
      return matches(daemonWords(pid)) ? [pid] : [];
    });
  }
}
