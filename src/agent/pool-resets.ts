// This node's part in the reset of pools (docs/adr/0018): lets go of a pool that is to be reset and takes it up again afterwards,
// and formats it where it is the one that does. What cannot be undone is done only by what the API server has at that moment.
import { DriverError } from '../errors.ts';
import type { ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import { bytesOf } from '../kubernetes/quantity.ts';
import type { NodeState } from '../mounter/client.ts';
import { Retries } from '../pace/retries.ts';
import { type FormattingParts, isInDoubt, recordFailure, recordFormat } from './formatting-parts.ts';
import { ReportAges } from './report-ages.ts';
import { nodesNotReleased } from './reset-proof.ts';
import { isOut, nextResetStep } from './reset-step.ts';

export class PoolResets {
  readonly #parts: FormattingParts;
  readonly #ages = new ReportAges();
  readonly #retries = new Retries({ firstBackOffMs: 1_000, longestBackOffMs: 60_000 });

  constructor(parts: FormattingParts) {
    this.#parts = parts;
  }

  /** In how many milliseconds something that failed is due again. */
  nextMs(): number {
    return this.#retries.nextMs();
  }

  /** Does what is due. */
  async round(signal: AbortSignal): Promise<void> {
    const pools = this.#parts.pools.list().toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    const held = (this.#state()?.pools ?? []).map(({ uuid }) => uuid);
    this.#retries.keepOnly(new Set([...pools.map(({ metadata }) => metadata.uid ?? ''), ...held]));
    for (const pool of pools) await this.#advance(pool, signal);
    await this.#liftOthers(pools, signal);
  }

  async #advance(pool: FamfsPool, signal: AbortSignal): Promise<void> {
    const { reports, node } = this.#parts;
    const step = nextResetStep(pool, reports.formats ?? [], this.#state(), node);
    const key = pool.metadata.uid ?? '';
    if (step.kind === 'rest') return;
    if (step.kind === 'forget') return this.#forget(key);
    if (step.kind === 'record' && step.format.phase !== 'Formatting')
      return recordFormat(reports, step.format);
    if (!this.#retries.isDue(key)) return;
    if (step.kind === 'hold') return this.#hold(step.answer, signal);
    await this.#format(pool, step.format, step.kind === 'record', signal);
  }

  async #hold(answer: ReportedFormat, signal: AbortSignal): Promise<void> {
    const { release, reports, log } = this.#parts;
    const { poolUID, pool, replaces = '' } = answer;
    try {
      await release(replaces, true, signal);
      this.#retries.clear(poolUID);
      log.info('pool let go of for its reset', { pool, uuid: replaces });
      await recordFormat(reports, answer);
    } catch (error) {
      if (signal.aborted) throw error;
      const { reason, message } = DriverError.from(error);
      this.#retries.later(poolUID);
      log.warn('a pool to be reset is not let go of', { pool, uuid: replaces, reason, problem: message });
      const comesAgain = isInDoubt(reason) || reason === 'pool-busy' || reason === 'pool-not-found';
      if (!comesAgain)
        await recordFormat(reports, { ...answer, phase: 'Refused', problem: { reason, message } });
    }
  }

  /** @param isFirst no command of this attempt may have run */
  async #format(
    pool: FamfsPool,
    format: ReportedFormat,
    isFirst: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { log, reports } = this.#parts;
    const { device, pool: name, poolUID, replaces = '' } = format;
    try {
      // The API server may be away for long until it is recorded; what is there after that counts.
      if (isFirst) await recordFormat(reports, format);
      await this.#requireOrdered(format, signal);
      const order = {
        ...{ device, replaceUuid: replaces },
        logSizeBytes: bytesOf(pool.spec.format?.logSize ?? '0'),
      };
      const fileSystemUUID = await this.#parts.format(order, signal);
      log.info('pool reset', { pool: name, device, fileSystemUUID, replaced: replaces });
      this.#retries.clear(poolUID);
      await recordFormat(reports, { ...format, phase: 'Formatted', fileSystemUUID });
    } catch (error) {
      if (signal.aborted) throw error;
      await recordFailure(this.#parts, this.#retries, {
        ...{ format, isFirst, error },
        message: 'a pool was not reset',
      });
    }
  }

  /**
   * By what the API server has now: the order stands, and every other node that sees the pool has let go of it.
   * @throws DriverError `pool-in-use` naming the nodes, `api-unavailable`, `operation-pending` when the order is not the one that was read
   */
  async #requireOrdered(order: ReportedFormat, signal: AbortSignal): Promise<void> {
    const { pool: name, poolUID, attempt, replaces } = order;
    const { present, node } = this.#parts;
    const [pool, nodes] = await Promise.all([present.pool(name, signal), present.nodes(signal)]);
    const reset = pool?.metadata.uid === poolUID ? pool.status?.reset : undefined;
    const isOrdered =
      reset?.phase === 'Formatting' && reset.attempt === attempt && reset.fileSystemUUID === replaces;
    if (pool === undefined || !isOrdered)
      throw new DriverError(
        'operation-pending',
        `The reset of pool ${name} is not ordered as it was read before.`,
      );
    const others = nodes.filter(({ metadata }) => metadata.name !== node);
    const open = nodesNotReleased(pool, order, others, this.#ages.past(others), node);
    const reasons: string[] = [];
    // Who is off for good has nothing mounted.
    for (const [other, reason] of open)
      if (await present.hasNode(other, signal)) reasons.push(`${other} ${reason}`);
    if (reasons.length === 0) return;
    throw new DriverError(
      'pool-in-use',
      `Other nodes that see the pool may have it mounted: ${reasons.join('; ')}. It is reset when they have let go of it, or when the Nodes of those that are off for good are deleted.`,
    );
  }

  /** Nobody waits for these to be let go of: the reset was refused, withdrawn or done. */
  async #liftOthers(pools: readonly FamfsPool[], signal: AbortSignal): Promise<void> {
    const { release, log } = this.#parts;
    const wanted = new Set(
      pools
        .map(({ status }) => status?.reset)
        .filter(isOut)
        .map(({ fileSystemUUID }) => fileSystemUUID),
    );
    for (const { uuid, held } of this.#state()?.pools ?? []) {
      if (!held || wanted.has(uuid) || !this.#retries.isDue(uuid)) continue;
      try {
        if (await this.#isWantedNow(uuid, pools, signal)) continue;
        await release(uuid, false, signal);
        this.#retries.clear(uuid);
        log.info('pool taken up again', { uuid });
      } catch (error) {
        if (signal.aborted) throw error;
        this.#retries.later(uuid);
        log.warn('a pool is not taken up again', { uuid, problem: DriverError.from(error).message });
      }
    }
  }

  /** By what the API server has: who reads late that one attempt was refused would lift what the next one builds upon. */
  async #isWantedNow(uuid: string, pools: readonly FamfsPool[], signal: AbortSignal): Promise<boolean> {
    for (const { metadata, status } of pools) {
      if (status?.fileSystemUUID !== uuid) continue;
      const reset = (await this.#parts.present.pool(metadata.name, signal))?.status?.reset;
      if (isOut(reset) && reset.fileSystemUUID === uuid) return true;
    }
    return false;
  }

  async #forget(uid: string): Promise<void> {
    const { reports } = this.#parts;
    this.#retries.clear(uid);
    await reports.recordFormats((reports.formats ?? []).filter(({ poolUID }) => poolUID !== uid));
  }

  #state(): NodeState | undefined {
    const { state, problem } = this.#parts.mounter.view;
    return problem === undefined ? state : undefined;
  }
}
