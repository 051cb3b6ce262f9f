// Keeps the FamfsNode of this node true: writes it within a second of a change, at most once a second, and every minute
// even when nothing changed. Follows the mounter; decides nothing.
import { DriverError } from '../errors.ts';
import type { FamfsNodeStatus, ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { MounterClient } from '../mounter/client.ts';
import type { Logger } from '../observe/logger.ts';
import { nodeReport, tellsTheSame } from './node-report.ts';

/** Where reports go: the FamfsNode. Both throw DriverError when that cannot be done now. */
export interface ReportPlace {
  read(signal: AbortSignal): Promise<FamfsNodeStatus | undefined>;
  write(status: FamfsNodeStatus, signal: AbortSignal): Promise<void>;
}

export interface NodeReporterParts {
  readonly place: ReportPlace;
  readonly mounter: Pick<MounterClient, 'calls' | 'view' | 'onChange'>;
  readonly driverVersion: string;
  readonly log: Logger;
}

/** Between two writes. */
const pauseMs = 1_000;
/** Between two looks of which the first showed nothing new. */
const lookPauseMs = 200;
const heartbeatMs = 60_000;
const firstRetryMs = 1_000;
const longestRetryMs = 30_000;
const listBindsTimeoutMs = 5_000;

/** Somebody who waits until what is known now has been written. */
interface Waiter {
  readonly since: number;
  readonly settle: PromiseWithResolvers<void>;
}

export class NodeReporter {
  readonly #parts: NodeReporterParts;
  readonly #stop = new AbortController();
  #wake: () => void = () => undefined;
  /** Counts everything that may have changed a report. */
  #changes = 0;
  #reportedChanges = -1;
  #lookedAtMs = -Infinity;
  #writtenAtMs = -Infinity;
  /** What was written last; undefined before the first. */
  #written: FamfsNodeStatus | undefined;
  /** A write has failed, or only its answer: what the API server has is not known. */
  #isUncertain = false;
  #formats: readonly ReportedFormat[] | undefined;
  #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;

  constructor(parts: NodeReporterParts) {
    this.#parts = parts;
  }

  /** Begins to report, until `stop`. */
  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
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
    if (this.#stop.signal.aborted) throw new DriverError('shutting-down', 'The agent is stopping.');
    this.#waiters.push({ since: this.#changes, settle });
    await settle.promise;
  }

  #changed(): void {
    this.#changes++;
    this.#wake();
  }

  async #run(): Promise<void> {
    const { mounter, log } = this.#parts;
    const forget = mounter.onChange(() => this.#changed());
    let retryMs = 0;
    try {
      while (!this.#stop.signal.aborted) {
        try {
          await this.#report();
          if (retryMs > 0) log.info('the node is reported again');
          retryMs = 0;
          await this.#nextReport();
        } catch (error) {
          if (this.#stop.signal.aborted) return;
          if (retryMs === 0)
            log.warn('the node cannot be reported', { problem: DriverError.from(error).message });
          retryMs = Math.min(longestRetryMs, Math.max(firstRetryMs, retryMs * 2));
          // Half of it is chance: the agents of a cluster shall not come back in step.
          await this.#pause(retryMs * (0.5 + Math.random() / 2));
        }
      }
    } finally {
      forget();
    }
  }

  async #report(): Promise<void> {
    const { place, driverVersion } = this.#parts;
    const { signal } = this.#stop;
    if (this.#formats === undefined) {
      this.#written = await place.read(signal);
      this.#formats = this.#written?.formats ?? [];
    }
    const changes = this.#changes;
    this.#lookedAtMs = performance.now();
    const { view } = this.#parts.mounter;
    const publishedVolumeIds = await this.#publishedVolumeIds();
    const { state, problem } = view;
    const report = nodeReport({ state, problem, publishedVolumeIds, formats: this.#formats }, this.#written, {
      driverVersion,
      now: new Date(),
    });
    const isNews = this.#isUncertain || this.#written === undefined || !tellsTheSame(report, this.#written);
    if (isNews || performance.now() - this.#writtenAtMs >= heartbeatMs) {
      this.#isUncertain = true;
      await place.write(report, signal);
      this.#isUncertain = false;
      this.#written = report;
      this.#writtenAtMs = performance.now();
    }
    this.#reportedChanges = changes;
    const isDone = ({ since }: Waiter): boolean => since <= changes;
    for (const { settle } of this.#waiters.filter(isDone)) settle.resolve();
    this.#waiters = this.#waiters.filter((waiter) => !isDone(waiter));
  }

  async #publishedVolumeIds(): Promise<readonly string[] | undefined> {
    const { mounter } = this.#parts;
    if (mounter.view.problem !== undefined) return undefined;
    try {
      const options = { signal: this.#stop.signal, timeoutMs: listBindsTimeoutMs };
      return (await mounter.calls.listBinds({}, options)).binds.map(({ volumeId }) => volumeId);
    } catch {
      // The client of the mounter says in its view why; that is a change, and reported.
      return undefined;
    }
  }

  /** Settles when something has changed and the pause is over, or when it is time for the heartbeat. */
  async #nextReport(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const isDue = this.#changes !== this.#reportedChanges;
      const dueAtMs = isDue
        ? Math.max(this.#writtenAtMs + pauseMs, this.#lookedAtMs + lookPauseMs)
        : this.#writtenAtMs + heartbeatMs;
      const waitMs = dueAtMs - performance.now();
      if (waitMs <= 0) return;
      await this.#pause(waitMs, { orChange: !isDue });
    }
  }

  async #pause(waitMs: number, { orChange = false } = {}): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = (): void => {
      if (orChange || this.#stop.signal.aborted) resolve();
    };
    const timer = setTimeout(resolve, Math.max(1, Math.ceil(waitMs)));
    await promise;
    clearTimeout(timer);
  }
}
