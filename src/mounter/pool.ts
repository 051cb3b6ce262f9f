// One pool on this node: mounted once, watched, replayed, and bound from. Holds the pool's phase and problem; what touches
// the pool's mount happens in its worker process, what runs famfs commands goes through its queue.
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { BindRegistry } from './bind-registry.ts';
import { abortable, type CommandQueue } from './command-queue.ts';
import { type HeldLog, LogFollower } from './log-follower.ts';
import type { MounterSettings } from './mounter-settings.ts';
import { PoolAlarm } from './pool-alarm.ts';
import type { PoolDevice } from './pool-device.ts';
import {
  endsWithMount,
  isGone,
  isLogUnread,
  isMendedByReplay,
  isPoolFailure,
  notMaster,
  notMounted,
  orRefusal,
  phaseAfter,
} from './pool-failure.ts';
import type { PoolHold } from './pool-hold.ts';
import type { MountedBy, PoolMounts } from './pool-mounts.ts';
import { PoolRelease } from './pool-release.ts';
import { isSameProblem, type PoolPhase, type PoolState, type Problem, type Role } from './pool-state.ts';
import type { BindOrder, MappingEvidence, PathContents, ProbeResult } from './pool-verbs.ts';
import type { PoolWorker } from './pool-worker.ts';
import { grantedWriters, type OperationPolicy } from './writers.ts';

/** What a pool works with. */
export interface PoolParts {
  readonly mounts: PoolMounts;
  readonly worker: PoolWorker;
  readonly queue: CommandQueue;
  readonly registry: BindRegistry;
  readonly hold: PoolHold;
  readonly log: Logger;
  readonly replayIntervalMs: number;
  readonly allowWrites: MounterSettings['allowWrites'];
  /** Called after every change of the state. */
  readonly onChange: () => void;
}

export class Pool {
  readonly uuid: string;
  readonly mountPath: string;
  readonly #parts: PoolParts;
  #device: PoolDevice;
  #phase: PoolPhase = 'found';
  #problem: Problem | undefined;
  #mount: MountedBy | undefined;
  /** What was read last: whose pool it is. */
  #probed: ProbeResult | undefined;
  readonly #follower: LogFollower;
  #healthyAtMs = 0;
  #bringUp: Promise<void> | undefined;
  #ticking: Promise<void> | undefined;
  readonly #alarm: PoolAlarm;
  readonly #release: PoolRelease;

  constructor(uuid: string, device: PoolDevice, parts: PoolParts) {
    this.uuid = uuid;
    this.#device = device;
    this.#parts = parts;
    this.mountPath = parts.mounts.pathOf(uuid);
    const { mounts, worker, queue, log, replayIntervalMs, onChange } = parts;
    this.#follower = new LogFollower(uuid, {
      ...{ mounts, worker, queue, log, replayIntervalMs, onChange },
      probe: () => this.#probe(),
      onPoolFailure: (error) => this.#fail(error),
    });
    this.#alarm = new PoolAlarm(() => {
      this.tick().catch((error: unknown) => log.error('watch failed', { pool: uuid, error }));
    });
    this.#release = new PoolRelease({
      ...{ uuid, mounts, log, onChange, hold: parts.hold, registry: parts.registry },
      follower: this.#follower,
      deviceName: () => this.#device.name,
      place: () => this.#mount?.place,
      onDown: () => this.#forgetMount(),
    });
  }

  get phase(): PoolPhase {
    return this.#phase;
  }

  get deviceName(): string {
    return this.#device.name;
  }

  get problem(): Problem | undefined {
    return this.#problem ?? this.#parts.hold.problem ?? this.#follower.problem;
  }

  /** Released or about to be, and not to be mounted before `resume`. */
  get isHeld(): boolean {
    return this.#parts.hold.isHeld;
  }

  /** Held, and its mount is down. */
  get isDown(): boolean {
    return this.#parts.hold.isDown;
  }

  /** What a watcher sees. */
  state(): PoolState {
    return {
      ...this.#follower.figures,
      uuid: this.uuid,
      device: this.#device.name,
      phase: this.#phase,
      problem: this.problem,
      role: this.#role(),
      mode: this.#mount?.mode,
      mountPath: this.mountPath,
      binds: this.#parts.registry.countOfPool(this.uuid),
      simulated: this.#device.simulated,
      healthyAtMs: this.#healthyAtMs,
      held: this.isDown,
      writers: grantedWriters(this.#parts.allowWrites, this.#mount && this.#probed?.operationPolicy),
    };
  }

  /** Finds the pool's mount, or makes it. Many callers, one piece of work; nobody's cancel stops it. */
  bringUp(): Promise<void> {
    if (this.#parts.hold.isClosing) return Promise.resolve();
    this.#bringUp ??= this.#doBringUp().finally(() => {
      this.#bringUp = undefined;
    });
    return this.#bringUp;
  }

  /**
   * Binds a path to a target. Waits for a mount in progress. A client reads the log first if it has moved, so that a pod
   * sees all that was in the pool when it was published; what this node does not show yet is replayed.
   * @throws DriverError — the pool's problem, or what the worker says of path and target
   */
  async bind(order: BindOrder, signal: AbortSignal): Promise<{ alreadyBound: boolean; mountId: bigint }> {
    return this.#parts.hold.whileBinding(order.volumeId, async () => {
      await this.#ready(signal);
      // The master makes the files; they are in its mount before they are in the log.
      if (this.#role() === 'client') await this.#alarm.whileWell(orRefusal(this.#follower.look()), signal);
      return this.#withReplay(signal, () => this.#parts.worker.request('bind', order));
    });
  }

  /** What a path holds, out of the log. */
  async contents(path: string, signal: AbortSignal): Promise<PathContents> {
    return this.#withReplay(signal, () => this.#parts.worker.request('contents', { path }));
  }

  /** Reads the pool's identity now, and checks that the path is shown as logged. */
  async check(path: string): Promise<void> {
    if (this.#mount === undefined) throw notMounted(this.uuid);
    await this.#observed(() => this.#probe());
    if (path === '') return;
    try {
      await this.#observed(() => this.#parts.worker.request('verify', { path }));
    } catch (error) {
      if (!isLogUnread(error)) throw error;
      await this.#follower.replay();
      await this.#observed(() => this.#parts.worker.request('verify', { path }));
    }
  }

  async inspectMapping(path: string, signal: AbortSignal): Promise<MappingEvidence> {
    const { simulated, physical } = this.#device;
    return this.#withReplay(signal, () =>
      this.#parts.worker.request('inspectMapping', { path, simulated, physical }),
    );
  }

  /**
   * Runs work of the master's on the log, under the pool's lock.
   * @throws DriverError `not-master`, the pool's problem, and what the work throws
   */
  async asMaster<T>(work: (log: HeldLog) => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#ready(signal);
    if (this.#role() !== 'master') throw notMaster(this.uuid);
    return this.#observed(() =>
      this.#follower.hold((log) => {
        // It may have been released while others had their turn.
        this.#requireServing();
        return work(log);
      }, signal),
    );
  }

  /** Whether a writer here can stop the pool for everybody. */
  async operationPolicy(signal: AbortSignal): Promise<OperationPolicy> {
    await this.#ready(signal);
    return this.#observed(() => this.#parts.worker.request('operationPolicy', {}));
  }

  /** Called at every health interval: is the mount alive, is it the same file system, did the log move? */
  tick(): Promise<void> {
    this.#ticking ??= this.#doTick().finally(() => {
      this.#ticking = undefined;
    });
    return this.#ticking;
  }

  async #doTick(): Promise<void> {
    if (this.#bringUp !== undefined || this.#parts.hold.isClosing) return;
    if (this.#phase === 'found' || this.#phase === 'lost') return;
    try {
      await this.#probe();
    } catch (error) {
      this.#fail(error);
      if (endsWithMount(error)) await this.#recover();
      return;
    }
    this.#healthyAtMs = Date.now();
    if (this.#phase === 'unhealthy') this.#recovered();
    // Not waited for: a replay that hangs must not keep anybody from seeing that the mount does.
    void this.#follower.replayIfMoved();
  }

  /** Takes this node's mount of the pool down and keeps it down until `resume`. @throws DriverError as `PoolRelease.release` */
  release(signal: AbortSignal): Promise<void> {
    return this.#release.release(Promise.all([this.#bringUp, this.#ticking]), signal);
  }

  /** Mounts the pool anew, once nothing uses it. @throws DriverError as `PoolRelease.renew`, and why it cannot be mounted */
  async renew(signal: AbortSignal): Promise<void> {
    await this.#release.renew(Promise.all([this.#bringUp, this.#ticking]), signal);
    await abortable(this.bringUp(), signal);
    this.#requireServing();
  }

  /** Lifts the hold, if there is one, and mounts the pool again. */
  resume(): void {
    if (!this.isHeld) return;
    this.#parts.hold.lift();
    this.#parts.onChange();
    if (this.#phase !== 'lost') void this.bringUp();
  }

  /** Its device carries another file system now; this one is no more. */
  replacedBy(uuid: string): void {
    this.#parts.hold.lift();
    this.#set('lost', {
      reason: 'pool-reformatted',
      message: `Device ${this.#device.name} carries pool ${uuid} now, not ${this.uuid}.`,
    });
  }

  /** The device of the pool is not on this node any more. */
  lose(): void {
    if (this.#phase !== 'found') return;
    this.#set('lost', {
      reason: 'device-unsuitable',
      message: `Device ${this.#device.name} of pool ${this.uuid} is gone from this node.`,
    });
  }

  /** The pool is seen on a device (again). */
  seenOn(device: PoolDevice): void {
    this.#device = device;
    if (this.#phase === 'lost') this.#set('found', undefined);
  }

  close(): void {
    this.#parts.worker.close();
  }

  async #withReplay<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#ready(signal);
    try {
      return await this.#observed(work);
    } catch (error) {
      if (!isMendedByReplay(error)) throw error;
    }
    const refusal = await this.#alarm.whileWell(orRefusal(this.#follower.replay()), signal);
    try {
      return await this.#observed(work);
    } catch (error) {
      throw refusal ?? error;
    }
  }

  async #probe(): Promise<void> {
    this.#probed = await this.#parts.worker.probe();
  }

  async #ready(signal: AbortSignal): Promise<void> {
    if (this.#bringUp !== undefined) await abortable(this.#bringUp, signal);
    this.#requireServing();
  }

  #requireServing(): void {
    if (this.#phase === 'ready' && !this.#parts.hold.isClosing) return;
    const problem = this.#problem;
    if (problem !== undefined) throw new DriverError(problem.reason, problem.message);
    this.#parts.hold.requireOpen();
    throw notMounted(this.uuid);
  }

  /** Runs a request to the worker; a failure that is the pool's own changes its state at once. */
  async #observed<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isPoolFailure(error)) this.#fail(error);
      throw error;
    }
  }

  async #doBringUp(): Promise<void> {
    await this.#release.finish();
    if (this.isHeld) return;
    this.#set('mounting', undefined);
    try {
      this.#mount = await this.#parts.mounts.adoptOrMount(this.uuid, this.#device, this.#parts.worker);
      await this.#probe();
      this.#healthyAtMs = Date.now();
    } catch (error) {
      this.#fail(error);
      return;
    }
    try {
      // A mount that was there shows what was replayed into it; what it lacks is missed when it is asked for.
      await (this.#mount.adopted ? this.#follower.look() : this.#follower.replay());
    } catch (error) {
      // The mount serves what it has; what is wrong with the log, or with the command, is shown beside it.
      if (isPoolFailure(error)) return;
    }
    this.#set('ready', undefined);
    if (this.#mount.adopted) this.#follower.replay().catch(() => undefined);
    this.#parts.log.info('pool ready', {
      pool: this.uuid,
      device: this.#device.name,
      mountPath: this.mountPath,
      mode: this.#mount.mode,
      adopted: this.#mount.adopted,
      role: this.#role() ?? 'unknown',
    });
  }

  #fail(error: unknown): void {
    // Of a call that was under way when the pool was given up; the device may serve another one by now.
    if (this.#phase === 'lost' || this.isHeld) return;
    const { reason, message } = DriverError.from(error);
    const isNews = !isSameProblem(this.#problem, { reason, message });
    this.#set(phaseAfter(reason, this.#mount !== undefined), { reason, message });
    this.#alarm.ring(new DriverError(reason, message));
    if (isNews)
      this.#parts.log.warn('pool not usable', {
        pool: this.uuid,
        device: this.#device.name,
        reason,
        problem: message,
      });
  }

  #recovered(): void {
    this.#set('ready', undefined);
    this.#parts.log.info('pool usable again', { pool: this.uuid });
  }

  /** Takes a mount down that serves nothing any more, once nothing on the machine uses it, and makes a new one. */
  async #recover(): Promise<void> {
    const mount = this.#mount;
    if (mount === undefined) return;
    const users = this.#parts.registry.ofPool(this.uuid);
    if (users.length > 0) return;
    try {
      await this.#parts.mounts.takeDown(this.uuid, mount.place);
    } catch (error) {
      const { reason, message } = DriverError.from(error);
      this.#parts.log.debug('pool cannot be recovered yet', { pool: this.uuid, reason, problem: message });
      return;
    }
    const problem = this.#problem;
    this.#forgetMount();
    if (isGone(problem?.reason)) this.#set('lost', problem);
    else await this.bringUp();
  }

  #forgetMount(): void {
    this.#mount = undefined;
    this.#follower.forget();
    this.#parts.worker.restart();
    if (this.#phase !== 'lost') this.#set('found', undefined);
    this.#parts.onChange();
  }

  #role(): Role | undefined {
    if (this.#mount === undefined || this.#probed === undefined) return undefined;
    return this.#parts.mounts.roleIn(this.#probed.systemUuid);
  }

  #set(phase: PoolPhase, problem: Problem | undefined): void {
    const isNews = this.#phase !== phase || !isSameProblem(this.#problem, problem);
    this.#phase = phase;
    this.#problem = problem;
    if (isNews) this.#parts.onChange();
  }
}
