// Carries out the mkfs that FamfsPools ask of this node, each once: `Formatting` is recorded before the command, its end
// after it. Whether a device may be formatted is the mounter's to prove (design 6, rule 10).
import { DriverError, type Reason } from '../errors.ts';
import type { ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import { bytesOf } from '../kubernetes/quantity.ts';
import type { MounterClient } from '../mounter/client.ts';
import type { Logger } from '../observe/logger.ts';
import { isForGood, nextFormatStep } from './format-step.ts';
import type { NodeReporter } from './node-reporter.ts';

/** The FamfsPools of the cluster, followed. */
export interface PoolObjects {
  /** All that are known have been read once. */
  synced(signal?: AbortSignal): Promise<void>;
  list(): readonly FamfsPool[];
  onChange(listener: () => void): () => void;
}

export interface PoolFormatterParts {
  readonly pools: PoolObjects;
  readonly reports: Pick<NodeReporter, 'formats' | 'recordFormats'>;
  readonly mounter: Pick<MounterClient, 'view' | 'onChange'>;
  /** The mounter's verb: mkfs on a device that is proven empty. @returns the UUID of the file system */
  readonly format: (device: string, logSizeBytes: bigint, signal: AbortSignal) => Promise<string>;
  readonly node: string;
  readonly log: Logger;
}

const firstRetryMs = 2_000;
const longestRetryMs = 300_000;
const lookIntervalMs = 10_000;

/** After these nobody knows whether the command ran: the device is looked at before anything else is done. */
const doubtful: ReadonlySet<Reason> = new Set([
  'mounter-unavailable',
  'deadline-exceeded',
  'cancelled',
  'shutting-down',
  'internal',
]);

/** With an earlier command in doubt, what stands in the way of the next may be its work: the mounter's next look tells. */
const perhapsOurs: ReadonlySet<Reason> = new Set([
  'device-not-empty',
  'device-in-use',
  'pool-in-use',
  'pool-held-elsewhere',
  'pool-busy',
]);

export class PoolFormatter {
  readonly #parts: PoolFormatterParts;
  readonly #stop = new AbortController();
  readonly #retries = new Map<string, { readonly atMs: number; readonly delayMs: number }>();
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;

  constructor(parts: PoolFormatterParts) {
    this.#parts = parts;
  }

  /** Begins to look for pools to format, until `stop`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends where it is; another process goes on by what is recorded. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { pools, mounter, log } = this.#parts;
    const { signal } = this.#stop;
    const forgets = [pools.onChange(() => this.#wake()), mounter.onChange(() => this.#wake())];
    try {
      await pools.synced(signal).catch(() => undefined);
      while (!signal.aborted) {
        const woken = Promise.withResolvers<void>();
        this.#wake = woken.resolve;
        await this.#round().catch((error: unknown) => {
          if (!signal.aborted)
            log.warn('pools cannot be formatted', { problem: DriverError.from(error).message });
        });
        if (signal.aborted) return;
        const timer = setTimeout(woken.resolve, this.#pauseMs());
        await woken.promise;
        clearTimeout(timer);
      }
    } finally {
      for (const forget of forgets) forget();
    }
  }

  async #round(): Promise<void> {
    const { pools, reports, node } = this.#parts;
    if (reports.formats === undefined) return;
    await this.#forgetGone();
    const wanted = pools
      .list()
      .filter(({ spec, status, metadata }) => {
        const isOpen = status?.fileSystemUUID === undefined && metadata.deletionTimestamp === undefined;
        return isOpen && spec.format?.nodeName === node;
      })
      .toSorted((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));
    for (const pool of wanted) await this.#advance(pool);
  }

  /** What was recorded for a FamfsPool that is no more tells nobody anything. */
  async #forgetGone(): Promise<void> {
    const { pools, reports } = this.#parts;
    const uids = new Set(pools.list().map(({ metadata }) => metadata.uid));
    const formats = reports.formats ?? [];
    const kept = formats.filter(({ poolUID }) => uids.has(poolUID));
    if (kept.length < formats.length) await reports.recordFormats(kept);
  }

  async #advance(pool: FamfsPool): Promise<void> {
    const { reports, mounter } = this.#parts;
    const uid = pool.metadata.uid ?? '';
    const { state, problem } = mounter.view;
    const step = nextFormatStep(pool, reports.formats ?? [], problem === undefined ? state : undefined);
    if (step.kind === 'rest') return;
    if (step.kind === 'record' && step.format.phase !== 'Formatting') return this.#record(step.format);
    if ((this.#retries.get(uid)?.atMs ?? 0) > performance.now()) return;
    if (step.kind === 'record') await this.#record(step.format);
    await this.#format(pool, step.format, step.kind === 'record');
  }

  /** @param isFirst no command that was recorded before may have run */
  async #format(pool: FamfsPool, format: ReportedFormat, isFirst: boolean): Promise<void> {
    const { log } = this.#parts;
    const { signal } = this.#stop;
    const { device, pool: name, poolUID } = format;
    const { problem: _former, ...rest } = format;
    try {
      const logSizeBytes = bytesOf(pool.spec.format?.logSize ?? '0');
      const fileSystemUUID = await this.#parts.format(device, logSizeBytes, signal);
      log.info('pool formatted', { pool: name, device, fileSystemUUID });
      this.#retries.delete(poolUID);
      await this.#record({ ...rest, phase: 'Formatted', fileSystemUUID });
    } catch (error) {
      if (signal.aborted) throw error;
      const { reason, message } = DriverError.from(error);
      this.#later(poolUID);
      log.warn('a pool was not formatted', { pool: name, device, reason, problem: message });
      const isOpen = doubtful.has(reason) || (!isFirst && perhapsOurs.has(reason));
      const refused: ReportedFormat = { ...rest, phase: 'Refused', problem: { reason, message } };
      if (isForGood(refused)) this.#retries.delete(poolUID);
      if (!isOpen) await this.#record(refused);
    }
  }

  #later(poolUID: string): void {
    const former = this.#retries.get(poolUID)?.delayMs ?? firstRetryMs / 2;
    const delayMs = Math.min(longestRetryMs, former * 2);
    const atMs = performance.now() + delayMs * (0.75 + Math.random() / 2);
    this.#retries.set(poolUID, { atMs, delayMs });
  }

  #pauseMs(): number {
    const next = Math.min(...[...this.#retries.values()].map(({ atMs }) => atMs - performance.now()));
    return next > 0 ? Math.min(lookIntervalMs, next) : lookIntervalMs;
  }

  async #record(format: ReportedFormat): Promise<void> {
    const { reports } = this.#parts;
    const others = (reports.formats ?? []).filter(({ poolUID }) => poolUID !== format.poolUID);
    await reports.recordFormats([...others, format]);
  }
}
