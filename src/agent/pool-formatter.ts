// Carries out the mkfs that FamfsPools ask of this node, each once: `Formatting` is recorded before the command, its end
// after it. Whether a device may be formatted is the mounter's to prove (design 6, rule 10). Resets are pool-resets.ts.
import { DriverError } from '../errors.ts';
import type { ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import { bytesOf } from '../kubernetes/quantity.ts';
import { Retries } from '../pace/retries.ts';
import { WokenLoop } from '../pace/woken-loop.ts';
import { nextFormatStep } from './format-step.ts';
import { type FormattingParts, recordFailure, recordFormat } from './formatting-parts.ts';
import { PoolResets } from './pool-resets.ts';

const backOff = { firstBackOffMs: 2_000, longestBackOffMs: 300_000 };
const lookIntervalMs = 10_000;
/** While it is not known what former lives of this process have recorded. */
const unreadIntervalMs = 1_000;

export class PoolFormatter {
  readonly #parts: FormattingParts;
  readonly #loop: WokenLoop;
  readonly #resets: PoolResets;
  readonly #retries = new Retries(backOff);
  #forgets: (() => void)[] = [];

  constructor(parts: FormattingParts) {
    this.#parts = parts;
    this.#resets = new PoolResets(parts);
    this.#loop = new WokenLoop({
      round: (signal) => this.#round(signal),
      failed: (error) => {
        parts.log.warn('pools cannot be formatted', { problem: DriverError.from(error).message });
        return lookIntervalMs;
      },
    });
  }

  /** Begins to look for pools to format, until `stop`. */
  start(): void {
    const { pools, mounter } = this.#parts;
    const look = (): void => this.#loop.wake();
    this.#forgets = [pools.onChange(look), mounter.onChange(look)];
    this.#loop.start();
  }

  /** Ends where it is; another process goes on by what is recorded. */
  async stop(): Promise<void> {
    for (const forget of this.#forgets.splice(0)) forget();
    await this.#loop.stop();
  }

  async #round(signal: AbortSignal): Promise<number> {
    const { pools, reports, node } = this.#parts;
    // What is not known to be asked for must not be taken for something that nobody asks for.
    await pools.synced(signal);
    if (reports.formats === undefined) return unreadIntervalMs;
    await this.#forgetGone();
    const wanted = pools
      .list()
      .filter(({ spec, status, metadata }) => {
        const isOpen = status?.fileSystemUUID === undefined && metadata.deletionTimestamp === undefined;
        return isOpen && spec.format?.nodeName === node;
      })
      .toSorted((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));
    for (const pool of wanted) await this.#advance(pool, signal);
    await this.#resets.round(signal);
    return Math.min(lookIntervalMs, this.#retries.nextMs(), this.#resets.nextMs());
  }

  /** What was recorded for a FamfsPool that is no more tells nobody anything. */
  async #forgetGone(): Promise<void> {
    const { pools, reports } = this.#parts;
    const uids = new Set(pools.list().map(({ metadata }) => metadata.uid ?? ''));
    this.#retries.keepOnly(uids);
    const formats = reports.formats ?? [];
    const kept = formats.filter(({ poolUID }) => uids.has(poolUID));
    if (kept.length < formats.length) await reports.recordFormats(kept);
  }

  async #advance(pool: FamfsPool, signal: AbortSignal): Promise<void> {
    const { reports, mounter } = this.#parts;
    const { state, problem } = mounter.view;
    const step = nextFormatStep(pool, reports.formats ?? [], problem === undefined ? state : undefined);
    if (step.kind === 'rest') return;
    if (step.kind === 'record' && step.format.phase !== 'Formatting')
      return recordFormat(reports, step.format);
    if (!this.#retries.isDue(pool.metadata.uid ?? '')) return;
    if (step.kind === 'record') await recordFormat(reports, step.format);
    await this.#format(pool, step.format, step.kind === 'record', signal);
  }

  /** @param isFirst no command that was recorded before may have run */
  async #format(
    pool: FamfsPool,
    format: ReportedFormat,
    isFirst: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { log, reports } = this.#parts;
    const { device, pool: name, poolUID } = format;
    const { problem: _former, ...rest } = format;
    try {
      const logSizeBytes = bytesOf(pool.spec.format?.logSize ?? '0');
      const fileSystemUUID = await this.#parts.format({ device, logSizeBytes, replaceUuid: '' }, signal);
      log.info('pool formatted', { pool: name, device, fileSystemUUID });
      this.#retries.clear(poolUID);
      await recordFormat(reports, { ...rest, phase: 'Formatted', fileSystemUUID });
    } catch (error) {
      if (signal.aborted) throw error;
      const message = 'a pool was not formatted';
      await recordFailure(this.#parts, this.#retries, { format: rest, isFirst, message, error });
    }
  }
}
