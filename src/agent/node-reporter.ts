// Keeps the FamfsNode of this node true: writes it within a second of a change, at most once a second, and now and again
// even when nothing changed. Follows the mounter; decides nothing.
import { isDeepStrictEqual } from 'node:util';
import { DriverError } from '../errors.ts';
import type { FamfsNodeStatus, ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { MounterClient } from '../mounter/client.ts';
import type { Logger } from '../observe/logger.ts';
import { backOffMs } from '../pace/back-off.ts';
import { WokenLoop } from '../pace/woken-loop.ts';
import { nodeReport, type PublishedBind, tellsTheSame } from './node-report.ts';

/** Where reports go: the FamfsNode. Both throw DriverError when that cannot be done now. */
export interface ReportPlace {
  read(signal: AbortSignal): Promise<FamfsNodeStatus | undefined>;
  write(status: FamfsNodeStatus, signal: AbortSignal): Promise<void>;
}

export interface NodeReporterParts {
  readonly place: ReportPlace;
  readonly mounter: Pick<MounterClient, 'calls' | 'view' | 'onChange'>;
  readonly driverVersion: string;
  /** Between two writes when nothing changes. */
  readonly intervalMs: number;
  /** Called when what the node says it has published is something else than before. */
  readonly onPublished?: () => void;
  readonly log: Logger;
}

/** Between two writes. */
const pauseMs = 1_000;
/** Between two looks of which the first showed nothing new. */
const lookPauseMs = 200;
const backOff = { firstBackOffMs: 500, longestBackOffMs: 30_000 };
const listBindsTimeoutMs = 5_000;

/** Somebody who waits until what is known now has been written. */
interface Waiter {
  readonly since: number;
  readonly settle: PromiseWithResolvers<void>;
}

export class NodeReporter {
  readonly #parts: NodeReporterParts;
  readonly #loop: WokenLoop;
  /** Counts everything that may have changed a report. */
  #changes = 0;
  #reportedChanges = -1;
  #lookedAtMs = -Infinity;
  /** After a failure, when the next try is made, whatever changes. */
  #retryAtMs = -Infinity;
  #failures = 0;
  #writtenAtMs = -Infinity;
  /** What was written last; undefined before the first. */
  #written: FamfsNodeStatus | undefined;
  /** A write has failed, or only its answer: what the API server has is not known. */
  #isUncertain = false;
  #formats: readonly ReportedFormat[] | undefined;
  #waiters: Waiter[] = [];
  #forget: () => void = () => undefined;

  constructor(parts: NodeReporterParts) {
    this.#parts = parts;
    this.#loop = new WokenLoop({
      round: (signal) => this.#round(signal),
      failed: (error) => this.#failed(error),
    });
  }

  /** Begins to report, until `stop`. */
  start(): void {
    this.#forget = this.#parts.mounter.onChange(() => this.#changed());
    this.#loop.start();
  }

  async stop(): Promise<void> {
    this.#forget();
    await this.#loop.stop();
    const stopping = new DriverError('shutting-down', 'The agent is stopping.');
    for (const { settle } of this.#waiters.splice(0)) settle.reject(stopping);
  }

  /** The formats that are recorded, those of former lives included; undefined until they have been read. */
  get formats(): readonly ReportedFormat[] | undefined {
    return this.#formats;
  }

  /**
   * Records the formats; settles when the API server has them, however long it is away.
   * @throws DriverError `shutting-down`
   */
  async recordFormats(formats: readonly ReportedFormat[]): Promise<void> {
    this.#formats = formats;
    this.#changed();
    const settle = Promise.withResolvers<void>();
    if (this.#loop.signal.aborted) throw new DriverError('shutting-down', 'The agent is stopping.');
    this.#waiters.push({ since: this.#changes, settle });
    await settle.promise;
  }

  #changed(): void {
    this.#changes++;
    this.#loop.wake();
  }

  /** @returns how long nothing is to be done, unless something changes */
  async #round(signal: AbortSignal): Promise<number> {
    if (this.#dueInMs() <= 0) {
      await this.#report(signal);
      if (this.#failures > 0) this.#parts.log.info('the node is reported again');
      this.#failures = 0;
    }
    return this.#dueInMs();
  }

  #failed(error: unknown): number {
    if (this.#failures === 0)
      this.#parts.log.warn('the node cannot be reported', { problem: DriverError.from(error).message });
    const waitMs = backOffMs(this.#failures++, backOff);
    this.#retryAtMs = performance.now() + waitMs;
    return waitMs;
  }

  /** In how many milliseconds a report is due; one of a change, when the pause is over. */
  #dueInMs(): number {
    const hasChanged = this.#changes !== this.#reportedChanges;
    const dueAtMs = hasChanged
      ? Math.max(this.#writtenAtMs + pauseMs, this.#lookedAtMs + lookPauseMs)
      : this.#writtenAtMs + this.#parts.intervalMs;
    return Math.max(dueAtMs, this.#retryAtMs) - performance.now();
  }

  async #report(signal: AbortSignal): Promise<void> {
    const { place, driverVersion, intervalMs } = this.#parts;
    if (this.#formats === undefined) {
      this.#written = await place.read(signal);
      this.#formats = this.#written?.formats ?? [];
    }
    const changes = this.#changes;
    this.#lookedAtMs = performance.now();
    const { view } = this.#parts.mounter;
    const binds = await this.#binds(signal);
    const { state, problem } = view;
    const report = nodeReport({ state, problem, binds, formats: this.#formats }, this.#written, {
      driverVersion,
      now: new Date(),
    });
    const isNews = this.#isUncertain || this.#written === undefined || !tellsTheSame(report, this.#written);
    if (isNews || performance.now() - this.#writtenAtMs >= intervalMs) {
      this.#isUncertain = true;
      await place.write(report, signal);
      this.#isUncertain = false;
      const before = this.#written;
      this.#written = report;
      this.#writtenAtMs = performance.now();
      if (!isDeepStrictEqual(publishedIn(before), publishedIn(report))) this.#parts.onPublished?.();
    }
    this.#reportedChanges = changes;
    const isDone = ({ since }: Waiter): boolean => since <= changes;
    for (const { settle } of this.#waiters.filter(isDone)) settle.resolve();
    this.#waiters = this.#waiters.filter((waiter) => !isDone(waiter));
  }

  async #binds(signal: AbortSignal): Promise<readonly PublishedBind[] | undefined> {
    const { mounter } = this.#parts;
    if (mounter.view.problem !== undefined) return undefined;
    try {
      const options = { signal, timeoutMs: listBindsTimeoutMs };
      return (await mounter.calls.listBinds({}, options)).binds;
    } catch {
      // The client of the mounter says in its view why; that is a change, and reported.
      return undefined;
    }
  }
}

function publishedIn(report: FamfsNodeStatus | undefined): unknown {
  return [report?.publishedVolumeIDs, report?.pools.map(({ uuid, boundPaths }) => [uuid, boundPaths])];
}
