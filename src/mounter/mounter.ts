// The privileged side of a node, whole: finds devices, keeps their pools mounted, binds and unbinds. Knows nothing of CSI;
// its verbs are those of proto/mounter.proto, and service.ts puts them on a socket.
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import { requirePoolPath } from '../famfs/command-values.ts';
import type { FamfsCommands } from '../famfs/famfs-commands.ts';
import { statmount } from '../linux/mount-id.ts';
import type { Logger } from '../observe/logger.ts';
import type { BindRecords } from './bind-record.ts';
import type { BindRegistry, KnownBind } from './bind-registry.ts';
import type { ChangeSignal } from './change-signal.ts';
import type { DeviceFormatting, FormatOrder } from './device-formatting.ts';
import { type FilesOrder, type FilesProgress, makeFiles } from './file-making.ts';
import { type ZeroOrder, type ZeroProgress, zeroFiles } from './file-zeroing.ts';
import { KeyedLock } from './keyed-lock.ts';
import type { MounterSettings } from './mounter-settings.ts';
import type { Pool } from './pool.ts';
import type { PoolFinder } from './pool-finder.ts';
import type { DeviceState, NodeState, Problem } from './pool-state.ts';
import type { BindOrder, MappingEvidence, PathContents } from './pool-verbs.ts';
import type { PoolWorker } from './pool-worker.ts';
import { unbindTarget } from './unbind.ts';
import { requireWriters } from './writers.ts';

const closePatienceMs = 5_000;
const longestVolumeIdBytes = 256;

/** Whoever watches the state gets it at most this often; a node that binds much changes all the time. */
const watchPauseMs = 100;

/** Facts about the node that do not change while the mounter runs. */
export interface NodeFacts {
  readonly systemUuid: () => string;
  readonly mode: NodeState['mode'];
  readonly launcher: string;
  readonly famfsLocation: string;
  readonly kernelRelease: string;
  /** Why this node cannot serve at all. */
  readonly problems: readonly Problem[];
}

export interface MounterParts {
  readonly settings: MounterSettings;
  readonly facts: NodeFacts;
  readonly finder: PoolFinder;
  readonly registry: BindRegistry;
  readonly records: BindRecords;
  readonly changes: ChangeSignal;
  readonly commands: FamfsCommands;
  readonly formatting: DeviceFormatting;
  /** A worker for a pool's bytes, beside the one that answers calls; who starts it closes it. */
  readonly startBulkWorker: (poolUuid: string) => PoolWorker;
  readonly log: Logger;
}

export class Mounter {
  readonly #parts: MounterParts;
  readonly #busy = new KeyedLock();
  readonly #stop = new AbortController();
  #loops: Promise<unknown> = Promise.resolve();

  constructor(parts: MounterParts) {
    this.#parts = parts;
  }

  /** Takes up what a former life left, then watches devices and pools until `close`. */
  start(): void {
    const { registry, finder, settings, facts } = this.#parts;
    registry.load();
    if (facts.problems.length > 0) return;
    finder.adopt();
    this.#loops = Promise.all([
      this.#every(settings.scanIntervalMs, () => finder.scan()),
      this.#every(settings.healthIntervalMs, () => this.#tickPools()),
    ]);
  }

  /**
   * Stops watching. Mounts, binds and daemons stay as they are. A famfs command that runs is not waited for long: it goes
   * on without us, and the lock it holds with it.
   */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.race([this.#loops, sleep(closePatienceMs, undefined, { ref: false })]);
    this.#parts.finder.close();
  }

  state(): NodeState {
    const { facts, finder, changes, settings } = this.#parts;
    return {
      revision: changes.revision,
      settled: facts.problems.length > 0 || finder.hasScanned,
      systemUuid: facts.systemUuid(),
      mode: facts.mode,
      launcher: facts.launcher,
      famfsLocation: facts.famfsLocation,
      kernelRelease: facts.kernelRelease,
      allowWrites: settings.allowWrites,
      allowFormat: settings.allowFormat,
      problems: facts.problems,
      devices: finder.devices(),
      pools: finder.pools().map((pool) => pool.state()),
    };
  }

  /** The state now and after every change, until the signal fires. */
  async *watch(signal: AbortSignal): AsyncGenerator<NodeState> {
    const { changes } = this.#parts;
    while (!signal.aborted) {
      const state = this.state();
      yield state;
      await sleep(watchPauseMs, undefined, { signal }).catch(() => undefined);
      await changes.after(state.revision, signal);
    }
  }

  /**
   * Makes a directory of a pool appear at a target.
   * @throws DriverError `pool-not-found`, `writes-refused`, `second-target-refused`, and what the pool says
   */
  async bind(
    poolUuid: string,
    { onlySafely = false, ...order }: BindOrder & { readonly onlySafely?: boolean },
    signal: AbortSignal,
  ): Promise<{ alreadyBound: boolean; mountId: bigint }> {
    requirePoolPath(order.path);
    requireVolumeId(order.volumeId);
    const pool = this.#pool(poolUuid);
    const { allowWrites } = this.#parts.settings;
    if (order.writable)
      await requireWriters(poolUuid, { allowWrites, onlySafely }, () => pool.operationPolicy(signal));
    return this.#busy.run([`target ${order.target}`, `volume ${order.volumeId}`], async () => {
      signal.throwIfAborted();
      this.#refuseSecondTarget(order);
      const bound = await pool.bind(order, signal);
      if (bound.alreadyBound) this.#parts.registry.learn(bound.mountId);
      else this.#parts.registry.add(bound.mountId, { ...order, poolUuid, complete: true });
      this.#parts.changes.raise();
      return bound;
    });
  }

  /**
   * Takes a target away.
   * @throws DriverError as `unbindTarget`, and `target-busy` when a bind that was made for the target lives on elsewhere
   */
  async unbind({ target, volumeId }: { target: string; volumeId: string }): Promise<boolean> {
    return this.#busy.run([`target ${target}`], async () => {
      const { registry, records, changes, settings } = this.#parts;
      try {
        const { wasBound, mountIds } = unbindTarget(target, volumeId, settings.kubeletDirs, records);
        registry.forget(mountIds);
        if (wasBound) changes.raise();
        refuseStray(registry.atTarget(target));
        return wasBound;
      } catch (error) {
        // It may have been unmounted before something else failed; the look drops what is gone.
        registry.atTarget(target);
        changes.raise();
        throw error;
      }
    });
  }

  listBinds(volumeId: string): KnownBind[] {
    const { registry } = this.#parts;
    return volumeId === '' ? registry.all() : registry.ofVolume(volumeId);
  }

  /** What a path of a pool holds, with the pool's own figures. */
  async contents(
    poolUuid: string,
    path: string,
    signal: AbortSignal,
  ): Promise<PathContents & { pool: ReturnType<Pool['state']> }> {
    requirePoolPath(path);
    const pool = this.#pool(poolUuid);
    const contents = await pool.contents(path, signal);
    return { ...contents, pool: pool.state() };
  }

  /** Everything that is wrong with a pool, a path and a target; empty when all serve. */
  async health(poolUuid: string, path: string, target: string): Promise<Problem[]> {
    const problems: Problem[] = [];
    if (path !== '') requirePoolPath(path);
    try {
      const pool = this.#pool(poolUuid);
      if (pool.phase !== 'ready' && pool.problem !== undefined) return [pool.problem];
      await pool.check(path);
      if (pool.problem !== undefined) problems.push(pool.problem);
    } catch (error) {
      problems.push(asProblem(error));
    }
    if (target === '') return problems;
    const isThere = this.#parts.registry
      .atTarget(target)
      .some((bind) => bind.poolUuid === poolUuid && (path === '' || bind.path === path));
    if (!isThere) {
      const what = path === '' ? `pool ${poolUuid}` : `${path} of pool ${poolUuid}`;
      problems.push({
        reason: 'not-published',
        message: `${what} is not mounted at ${target} by this driver.`,
      });
    }
    return problems;
  }

  inspectMapping(poolUuid: string, path: string, signal: AbortSignal): Promise<MappingEvidence> {
    requirePoolPath(path);
    return this.#pool(poolUuid).inspectMapping(path, signal);
  }

  /** Makes files on the pool's master, which is mounted anew if that is what it takes. @throws DriverError as `makeFiles` */
  async *makeFiles(poolUuid: string, order: FilesOrder, signal: AbortSignal): AsyncGenerator<FilesProgress> {
    const { commands } = this.#parts;
    const pool = this.#pool(poolUuid);
    try {
      yield* makeFiles(pool, commands, order, signal);
      return;
    } catch (error) {
      if (!(error instanceof DriverError) || error.reason !== 'name-taken') throw error;
      await this.#renew(pool, error, signal);
    }
    yield* makeFiles(pool, commands, order, signal);
  }

  /** Zeroes files on the pool's master. @throws DriverError as `zeroFiles` */
  async *zeroFiles(poolUuid: string, order: ZeroOrder, signal: AbortSignal): AsyncGenerator<ZeroProgress> {
    requirePoolPath(order.directory);
    const pool = this.#pool(poolUuid);
    const worker = this.#parts.startBulkWorker(poolUuid);
    try {
      yield* zeroFiles(pool, worker, this.#parts.commands, order, signal);
    } finally {
      worker.close();
    }
  }

  /** Formats a device, whose pool is then found like any other. @throws DriverError as `DeviceFormatting.format` */
  async formatDevice(order: FormatOrder, signal: AbortSignal): Promise<string> {
    this.#requireAble();
    const { formatting, finder } = this.#parts;
    try {
      return await formatting.format(order, signal);
    } finally {
      finder.lookAgain(order.device);
    }
  }

  /** Takes a pool's mount down and keeps it down. @throws DriverError `pool-not-found` and as `Pool.release` */
  releasePool(poolUuid: string, signal: AbortSignal): Promise<void> {
    return this.#busy.run([`hold ${poolUuid}`], () => this.#pool(poolUuid).release(signal));
  }

  /** Lifts the hold on a pool, which is mounted again; success also for one that is not held, or not known. */
  resumePool(poolUuid: string): Promise<void> {
    return this.#busy.run([`hold ${poolUuid}`], async () => this.#parts.finder.pool(poolUuid)?.resume());
  }

  async #renew(pool: Pool, cause: DriverError, signal: AbortSignal): Promise<void> {
    try {
      await this.#busy.run([`hold ${pool.uuid}`], () => pool.renew(signal));
    } catch (error) {
      const { message } = DriverError.from(error);
      throw new DriverError(cause.reason, `${cause.message} That cannot be done now: ${message}`, {
        cause: error,
      });
    }
    this.#parts.log.info('pool mounted anew', { pool: pool.uuid, problem: cause.message });
  }

  #requireAble(): void {
    const [problem] = this.#parts.facts.problems;
    if (problem !== undefined) throw new DriverError(problem.reason, problem.message);
  }

  #pool(uuid: string): Pool {
    this.#requireAble();
    const { finder } = this.#parts;
    const pool = finder.pool(uuid);
    if (pool !== undefined) return pool;
    if (!finder.hasScanned)
      throw new DriverError('pool-not-ready', 'The mounter has not looked at all devices yet.');
    throw new DriverError(
      'pool-not-found',
      `No device of this node carries pool ${uuid}. Give the PersistentVolume a node affinity for topology.famfs.io/pool-${uuid}, or look at the devices with \`famfs-csi state\`.${unreadDevices(finder.devices())}`,
    );
  }

  #refuseSecondTarget(order: BindOrder): void {
    const others = this.#parts.registry
      .ofVolume(order.volumeId)
      .filter((bind) => bind.target !== order.target);
    const other = others.find((bind) => order.soleTarget || bind.soleTarget);
    if (other === undefined) return;
    throw new DriverError(
      'second-target-refused',
      `Volume ${order.volumeId} is published at ${other.target} already and its access mode allows one target on this node.`,
    );
  }

  /** Each pool at its own pace: one that hangs or is being mounted anew holds up the watch of no other. */
  async #tickPools(): Promise<void> {
    for (const pool of this.#parts.finder.pools()) {
      pool
        .tick()
        .catch((error: unknown) => this.#parts.log.error('watch failed', { pool: pool.uuid, error }));
    }
  }

  /** Does `work` now and again until closed; what it throws is logged, never fatal. */
  async #every(intervalMs: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        this.#parts.log.error('watch failed', { error });
      }
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/**
 * A bind whose directory was moved away, or replaced by something else, is not to be found by its path: without this the
 * caller would take it for gone, and nobody would ever unmount it.
 */
function refuseStray([stray]: readonly KnownBind[]): void {
  if (stray === undefined) return;
  const where = statmount(stray.mountId)?.mountPoint ?? 'a place out of sight';
  throw new DriverError(
    'target-busy',
    `Nothing is left at the target ${stray.target}, but the mount that was made for it lives on at ${where}: a directory above it has been moved or replaced. Put it back, or unmount that place; the next try sees it.`,
  );
}

/** A sentence for each device whose pool could not be found out: it may be the one that is asked for. */
function unreadDevices(devices: readonly DeviceState[]): string {
  return devices
    .flatMap(({ name, poolUuid, problem }) =>
      poolUuid === undefined && problem !== undefined
        ? [` What ${name} carries could not be found out: ${problem.message}`]
        : [],
    )
    .join('');
}

function asProblem(error: unknown): Problem {
  const { reason, message } = DriverError.from(error);
  return { reason, message };
}

/** A volume id is what records are found by; longer ones than a CSI string may be are a mistake of the caller. */
function requireVolumeId(volumeId: string): void {
  if (volumeId !== '' && Buffer.byteLength(volumeId) <= longestVolumeIdBytes) return;
  throw new DriverError(
    'invalid-argument',
    `A bind needs a volume id of 1 to ${longestVolumeIdBytes} bytes.`,
  );
}
