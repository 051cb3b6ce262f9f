// Keeps the status of every FamfsPool true (design 4), carries its reset on, and keeps the object while it is needed. Runs where
// the Lease is held; writes nothing of what the administrator says.
import { isDeepStrictEqual } from 'node:util';
import { isRecordConflict } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import { newId } from '../volumes/volume-record.ts';
import type { VolumeRecords } from '../volumes/volume-records.ts';
import type { ApiClient } from './api-client.ts';
import { apiVersion } from './api-object.ts';
import { conditionOf, isTrue } from './conditions.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { FamfsPool, FamfsPoolStatus } from './famfs-pool.ts';
import type { FamfsVolume } from './famfs-volume.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { NodeReports } from './node-reports.ts';
import type { ObjectCache } from './object-cache.ts';
import { forgetContents, forgetVolume, stragglersOf } from './pool-contents.ts';
import { keepPoolFinalizer, poolFinalizer } from './pool-finalizer.ts';
import { isPoolChanged, noteOnNodes, noteOnPool } from './pool-notes.ts';
import { nextReset, poolAfter, type ResetStep, type ResetView, refusedForVolumes } from './pool-reset.ts';
import { poolStatusOf, type RecordedVolumes } from './pool-status.ts';
import { judgePool } from './pool-verdict.ts';
import { famfsVolumes, famfsPools as resource } from './resources.ts';

export interface PoolReconcilerParts {
  readonly client: Pick<ApiClient, 'apply' | 'list' | 'mergePatch'>;
  readonly famfsPools: Pick<ObjectCache<FamfsPool>, 'get' | 'list' | 'onChange'>;
  readonly reports: Pick<NodeReports, 'list' | 'onChange' | 'hasNode' | 'missing'>;
  readonly records: VolumeRecords;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly log: Logger;
}

export const fieldManager = 'famfs-csi-controller';

/** A pool is looked at once a second at most, however much happens in it. */
const paceMs = 1_000;
/** Time alone changes things too: a node that is silent for too long is away. */
const lookAgainMs = 15_000;

export class PoolReconciler {
  readonly #parts: PoolReconcilerParts;
  readonly #queue: KeyedQueue;
  readonly #lookedAtMs = new Map<string, number>();
  /** The reason of the condition Ready of each pool, since when it is known, and whether it was warned of. */
  readonly #reasons = new Map<
    string,
    { readonly reason: string; readonly atMs: number; wasWarned: boolean }
  >();
  #subscriptions: (() => void)[] = [];

  constructor(parts: PoolReconcilerParts) {
    this.#parts = parts;
    this.#queue = new KeyedQueue({ work: (name, signal) => this.#work(name, signal), log: parts.log });
  }

  start(): void {
    const { famfsPools, records, reports } = this.#parts;
    const all = (): void => {
      for (const { metadata } of famfsPools.list()) this.#queue.add(metadata.name);
    };
    this.#subscriptions = [
      famfsPools.onChange((name) => this.#queue.add(name)),
      reports.onChange(all),
      records.onChange(all),
    ];
    all();
  }

  async stop(): Promise<void> {
    for (const end of this.#subscriptions.splice(0)) end();
    await this.#queue.stop();
  }

  async #work(name: string, signal: AbortSignal): Promise<number | undefined> {
    const { famfsPools } = this.#parts;
    const pool = famfsPools.get(name);
    if (pool === undefined) {
      this.#lookedAtMs.delete(name);
      this.#reasons.delete(name);
      return undefined;
    }
    const waitMs = (this.#lookedAtMs.get(name) ?? -Infinity) + paceMs - performance.now();
    if (waitMs > 0) return Math.ceil(waitMs);
    this.#lookedAtMs.set(name, performance.now());
    try {
      await this.#reconcile(pool, signal);
    } catch (error) {
      // Somebody else wrote, or this process did and has not been shown it: another look decides on what there is.
      if (!isRecordConflict(error)) throw error;
      return paceMs;
    }
    return lookAgainMs;
  }

  async #reconcile(known: FamfsPool, signal: AbortSignal): Promise<void> {
    const { client, famfsPools, reports, records } = this.#parts;
    const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
    const recorded = { volumes, slots };
    const view = this.#resetView(known, recorded);
    const step = await this.#proven(view, nextReset(view), signal);
    const next = poolAfter(view, step);
    const needed = [known, next].some((each) => this.#isNeeded(each, recorded));
    const pool = await this.#kept(known, needed, signal);
    if (pool === undefined) return;
    // Before the UUID of the former file system is forgotten, by which its records are found.
    const former = known.status?.fileSystemUUID;
    if (step.kind === 'done' && former !== undefined) await forgetContents(this.#parts, former);
    const verdict = judgePool(next, reports.list(), famfsPools.list());
    const missing = step.kind === 'done' ? [] : view.missing;
    const status = poolStatusOf(next, verdict, recorded, missing, new Date());
    if (!isDeepStrictEqual(status, pool.status)) {
      const { name, uid, resourceVersion } = pool.metadata;
      // On condition: what another process has found out meanwhile must not be undone, least of all amid a reset.
      const metadata = { ...defined({ uid, resourceVersion }), name };
      await client.apply<FamfsPool>(
        resource,
        { apiVersion, kind: 'FamfsPool', metadata, status },
        { fieldManager, force: true, subresource: 'status', signal },
      );
    }
    this.#tell(pool, status);
    if (!isTrue(status.conditions, 'Reset')) return;
    const uuids = new Set(
      famfsPools.list().map((each) => each.status?.fileSystemUUID ?? each.spec.fileSystemUUID),
    ).add(status.fileSystemUUID);
    for (const volume of stragglersOf(known.metadata.name, uuids, recorded))
      await forgetVolume(records, volume);
  }

  #resetView(pool: FamfsPool, { volumes, slots }: RecordedVolumes): ResetView {
    const { famfsPools, reports } = this.#parts;
    const uuid = pool.status?.fileSystemUUID;
    return {
      pool,
      pools: famfsPools.list(),
      nodes: reports.list(),
      missing: uuid === undefined ? [] : reports.missing(uuid),
      volumes: volumes.filter(({ spec }) => spec.poolUuid === uuid).map(({ name }) => name),
      slotCount: slots.filter(({ poolUuid }) => poolUuid === uuid).length,
      hasNode: (name) => reports.hasNode(name),
      now: new Date(),
      newAttempt: newId,
    };
  }

  /**
   * Nothing can be made in the pool any more when all nodes have let go; whether something was until then, the API server itself
   * is asked, for a watch tells a moment late.
   */
  async #proven(view: ResetView, step: ResetStep, signal: AbortSignal): Promise<ResetStep> {
    const before = view.pool.status?.reset;
    const isGoingToFormat = step.kind === 'at' && step.reset.phase === 'Formatting';
    if (before === undefined || before.phase === 'Formatting' || !isGoingToFormat) return step;
    const { items } = await this.#parts.client.list<FamfsVolume>(famfsVolumes, { signal });
    const volumes = items.flatMap(({ spec: { poolUUID, volume } }) =>
      volume === undefined || poolUUID !== before.fileSystemUUID ? [] : [volume.name],
    );
    return volumes.length === 0 ? step : refusedForVolumes(view, before, volumes);
  }

  /** Whether its object has to stay: without one, nobody knows what becomes of what its volumes leave. */
  #isNeeded({ metadata, status }: FamfsPool, { volumes }: RecordedVolumes): boolean {
    const uuid = status?.fileSystemUUID;
    if (status?.reset?.phase === 'Formatting') return true;
    const isSame = (other: FamfsPool): boolean =>
      other.metadata.name !== metadata.name &&
      other.metadata.deletionTimestamp === undefined &&
      other.status?.fileSystemUUID === uuid;
    return volumes.some(({ spec }) => spec.poolUuid === uuid) && !this.#parts.famfsPools.list().some(isSame);
  }

  /** Keeps the object while it is needed; says so to whoever deletes it. */
  async #kept(pool: FamfsPool, needed: boolean, signal: AbortSignal): Promise<FamfsPool | undefined> {
    const { client, events } = this.#parts;
    const { deletionTimestamp, finalizers } = pool.metadata;
    if (needed && deletionTimestamp !== undefined && finalizers?.includes(poolFinalizer)) {
      const message = `The FamfsPool stays while volumes live in the pool or it is being formatted; it goes when they are deleted. Nothing is lost with it.`;
      events.record(pool, { type: 'Warning', reason: 'PoolIsNeeded', message });
    }
    return await keepPoolFinalizer(client, pool, needed, signal);
  }

  /** What a person has to see to, that it is over, and how far a reset is. */
  #tell(pool: FamfsPool, status: FamfsPoolStatus): void {
    this.#tellReset(pool, status);
    this.#tellNodes(pool, status);
    const ready = conditionOf(status.conditions, 'Ready');
    if (ready === undefined) return;
    const isNew = isPoolChanged(status.conditions ?? [], pool.status?.conditions);
    const known = this.#reasonOf(pool.metadata.name, ready.reason);
    const sinceMs = performance.now() - known.atMs;
    const note = noteOnPool(ready, { isNew, sinceMs, wasWarned: known.wasWarned });
    if (note === undefined) return;
    known.wasWarned ||= note.type === 'Warning';
    this.#parts.events.record(pool, note);
    if (!isNew) return;
    const { reason, message } = ready;
    this.#parts.log.info('pool changed', { pool: pool.metadata.name, reason, problem: message });
  }

  #reasonOf(name: string, reason: string): { readonly atMs: number; wasWarned: boolean } {
    const before = this.#reasons.get(name);
    if (before?.reason === reason) return before;
    const now = { reason, atMs: performance.now(), wasWarned: false };
    this.#reasons.set(name, now);
    return now;
  }

  #tellNodes(pool: FamfsPool, status: FamfsPoolStatus): void {
    const [now, before] = [status, pool.status].map((each) => conditionOf(each?.conditions, 'NodesServe'));
    const note = now === undefined ? undefined : noteOnNodes(now, before);
    if (note === undefined) return;
    this.#parts.events.record(pool, note);
    const { reason, message } = note;
    this.#parts.log.info('nodes of a pool', { pool: pool.metadata.name, reason, problem: message });
  }

  #tellReset(pool: FamfsPool, { conditions, reset }: FamfsPoolStatus): void {
    const { events, log } = this.#parts;
    const now = conditionOf(conditions, 'Reset');
    const before = conditionOf(pool.status?.conditions, 'Reset');
    if (now === undefined || (now.reason === before?.reason && now.message === before.message)) return;
    const isRefused = reset?.phase === 'Refused';
    const reason = isRefused ? 'ResetRefused' : now.reason;
    events.record(pool, { type: isRefused ? 'Warning' : 'Normal', reason, message: now.message });
    log.info('reset of a pool', { pool: pool.metadata.name, reason: now.reason, problem: now.message });
  }
}

function defined(fields: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  const given = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined);
  return Object.fromEntries(given);
}
