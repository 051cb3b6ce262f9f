// Keeps the status of every FamfsPool true (design 4). Runs where the Lease is held; writes nothing but that status.
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../observe/logger.ts';
import type { VolumeRecords } from '../volumes/volume-records.ts';
import type { ApiClient } from './api-client.ts';
import { apiVersion } from './api-object.ts';
import { conditionOf, isTrue } from './conditions.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { FamfsPool, FamfsPoolStatus } from './famfs-pool.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { NodeReports } from './node-reports.ts';
import type { ObjectCache } from './object-cache.ts';
import { poolStatusOf } from './pool-status.ts';
import { judgePool } from './pool-verdict.ts';
import { famfsPools as resource } from './resources.ts';

export interface PoolReconcilerParts {
  readonly client: Pick<ApiClient, 'apply'>;
  readonly famfsPools: Pick<ObjectCache<FamfsPool>, 'get' | 'list' | 'onChange'>;
  readonly reports: Pick<NodeReports, 'list' | 'onChange'>;
  readonly records: Pick<VolumeRecords, 'list' | 'slots' | 'onChange'>;
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
      return undefined;
    }
    const waitMs = (this.#lookedAtMs.get(name) ?? -Infinity) + paceMs - performance.now();
    if (waitMs > 0) return Math.ceil(waitMs);
    this.#lookedAtMs.set(name, performance.now());
    await this.#reconcile(pool, signal);
    return lookAgainMs;
  }

  async #reconcile(pool: FamfsPool, signal: AbortSignal): Promise<void> {
    const { client, famfsPools, reports, records } = this.#parts;
    const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
    const verdict = judgePool(pool, reports.list(), famfsPools.list());
    const status = poolStatusOf(pool, verdict, { volumes, slots }, new Date());
    if (isDeepStrictEqual(status, pool.status)) return;
    const { name, uid } = pool.metadata;
    const metadata = { name, ...(uid === undefined ? {} : { uid }) };
    await client.apply<FamfsPool>(
      resource,
      { apiVersion, kind: 'FamfsPool', metadata, status },
      { fieldManager, force: true, subresource: 'status', signal },
    );
    this.#tell(pool, status);
  }

  /** What a person has to see to, and that it is over. */
  #tell(pool: FamfsPool, status: FamfsPoolStatus): void {
    const ready = conditionOf(status.conditions, 'Ready');
    const before = conditionOf(pool.status?.conditions, 'Ready');
    if (ready === undefined || (ready.status === before?.status && ready.reason === before.reason)) return;
    const { reason, message } = ready;
    const type = isTrue(status.conditions, 'Ready') ? 'Normal' : 'Warning';
    this.#parts.events.record(pool, { type, reason, message });
    this.#parts.log.info('pool changed', { pool: pool.metadata.name, reason, problem: message });
  }
}
