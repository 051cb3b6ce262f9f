// Creates and deletes volumes as records; the work itself is the master's (volume-maker.ts). Knows no CSI message and no
// API server. Every step can be repeated: what was begun is found again by the volume's name.
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError, isRecordConflict, type Reason } from '../errors.ts';
import { sizeText } from '../size-text.ts';
import type { ClaimReference } from './claim.ts';
import type { ClassParameters } from './class-parameters.ts';
import type { PoolUuid } from './ids.ts';
import {
  choosePool,
  type Placement,
  type PlacementWish,
  type PoolTopology,
  problemOf,
} from './pool-choice.ts';
import type { Pools } from './pool-facts.ts';
import { followMaster } from './record-upkeep.ts';
import { isOfClass, type SizeRange, sizeOf } from './slot-layout.ts';
import { ownsSlot } from './slot-promise.ts';
import { endVolume, isUnmade } from './volume-end.ts';
import {
  newSlotName,
  newStatus,
  newVolumeId,
  type RecordProblem,
  type VolumeRecord,
} from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';
import { accessOf } from './writers.ts';

export interface VolumeWish {
  /** CreateVolumeRequest.name */
  readonly name: string;
  readonly parameters: ClassParameters;
  readonly range: SizeRange;
  readonly topology: PoolTopology;
  /** Some capability that is asked for has a writer. */
  readonly hasWriter: boolean;
  /** Whose volume it is to be, when that is known. */
  readonly claim: ClaimReference | undefined;
}

export interface ProvisionerParts {
  readonly records: VolumeRecords;
  readonly pools: Pools;
  /** How old what nodes say of their published volumes may be; zero unless given. */
  readonly reportDelayMs?: number;
  /** Makes sure that what is declared of a pool stays while volumes live in it; done before a volume is handed out. */
  readonly holdPool?: (poolUuid: PoolUuid, signal: AbortSignal) => Promise<void>;
  /** Is told why a volume is not made of which no record is left that would say so. */
  readonly onRefusal?: (wish: VolumeWish, problem: RecordProblem) => void;
}

/** A deletion that finds its volume in use looks this often whether the node has reported meanwhile. */
const lookAgainMs = 50;
/** How often a call begins anew when somebody else, a master that reports most likely, was quicker to write. */
const mostAttempts = 5;

export class Provisioner {
  readonly #parts: ProvisionerParts;
  /** Names of volumes that a place is being chosen for; how many calls do. */
  readonly #placing = new Map<string, number>();

  constructor(parts: ProvisionerParts) {
    this.#parts = parts;
  }

  /**
   * A volume of that name, ready for use. Records it first and waits for its master; who repeats the call after a
   * time-out waits for the same volume.
   * @throws DriverError `volume-exists` when the name belongs to another kind of volume, `operation-pending` when the
   *   time is over and the work goes on, the refusals of choosePool, and what keeps the master from its work. A refusal
   *   that the caller may take for the end (`isFinal`) leaves nothing behind.
   */
  async create(wish: VolumeWish, signal: AbortSignal): Promise<VolumeRecord> {
    const record = await this.#recordOf(wish, signal).catch((error: unknown) => this.#refuse(wish, error));
    return this.#untilReady(record, wish, signal);
  }

  /**
   * Ends a volume. One that is not known is gone already; one that was unpublished a moment ago may need a moment more.
   * @throws DriverError `volume-in-use` while a node has it published or may have
   */
  async delete(volumeId: string, signal?: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const record = await this.find(volumeId);
      if (record === undefined) return;
      if (await this.#isPublished(volumeId, signal)) {
        throw new DriverError(
          'volume-in-use',
          `Volume ${volumeId} is still published on a node, or was when the node was last heard of; end the pods that use it first.`,
        );
      }
      try {
        return await endVolume(this.#parts, record);
      } catch (error) {
        if (!isRecordConflict(error) || attempt === mostAttempts) throw error;
      }
    }
  }

  /** The volume with this id, of whatever phase. */
  async find(volumeId: string): Promise<VolumeRecord | undefined> {
    return (await this.#parts.records.list()).find(({ spec }) => spec.volumeId === volumeId);
  }

  async #isPublished(volumeId: string, signal?: AbortSignal): Promise<boolean> {
    const { pools, reportDelayMs = 0 } = this.#parts;
    const endMs = performance.now() + reportDelayMs;
    while ((await pools.publishedVolumeIds()).has(volumeId)) {
      if (performance.now() >= endMs) return true;
      await sleep(lookAgainMs, undefined, signal === undefined ? {} : { signal });
    }
    return false;
  }

  #refuse(wish: VolumeWish, error: unknown): never {
    const { reason, message } = DriverError.from(error);
    this.#parts.onRefusal?.(wish, { reason, message });
    throw error;
  }

  async #recordOf(wish: VolumeWish, signal: AbortSignal): Promise<VolumeRecord> {
    const { records } = this.#parts;
    this.#placing.set(wish.name, (this.#placing.get(wish.name) ?? 0) + 1);
    try {
      for (let attempt = 1; ; attempt++) {
        const existing = await records.get(wish.name);
        if (existing !== undefined && !existing.deleting && (await this.#keepsSlot(existing)))
          return this.#requireCompatible(existing, wish);
        try {
          // An end that was cut off is brought to its end: who began it may never ask again.
          if (existing !== undefined) await endVolume(this.#parts, existing);
          return await this.#newRecord(wish, signal);
        } catch (error) {
          if (!isRecordConflict(error) || attempt === mostAttempts) throw error;
        }
      }
    } finally {
      const calls = (this.#placing.get(wish.name) ?? 1) - 1;
      if (calls === 0) this.#placing.delete(wish.name);
      else this.#placing.set(wish.name, calls);
    }
  }

  /** A volume that was promised a slot and lost it before its record was written has to begin anew. */
  async #keepsSlot(record: VolumeRecord): Promise<boolean> {
    const { records } = this.#parts;
    if (record.status.phase === 'Ready') return true;
    const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
    return ownsSlot(record, { volumes, slots });
  }

  /** The pool is fixed in the record before any work begins; a slot is promised before the record names it. */
  async #newRecord(wish: VolumeWish, signal: AbortSignal): Promise<VolumeRecord> {
    const { records } = this.#parts;
    const placement = await this.#place(wish);
    const { pool, master, layout } = placement;
    const slot = await this.#slotFor(wish.name, placement);
    if (signal.aborted) throw pendingError(undefined, wish.name);
    const record = await records.create({
      name: wish.name,
      deleting: false,
      spec: {
        volumeId: newVolumeId(pool.uuid),
        poolName: pool.name,
        poolUuid: pool.uuid,
        slot,
        node: master,
        layout,
        range: wish.range,
        access: accessOf(pool.writes),
        claim: wish.claim,
      },
      status: newStatus,
    });
    if (signal.aborted) await this.#takeBack(record);
    return record;
  }

  /**
   * The record was on its way for longer than anybody waited for it. Whoever asked may have had the volume from another process
   * since, used it and ended it, and would not end this one; who wants it still asks again. One that is ready may have been answered
   * to somebody.
   */
  async #takeBack({ name, spec }: VolumeRecord): Promise<never> {
    for (let attempt = 1; attempt <= 10; attempt++) {
      const record = await this.#parts.records.get(name);
      if (record?.spec.volumeId !== spec.volumeId || record.status.phase === 'Ready') break;
      try {
        await endVolume(this.#parts, record);
        break;
      } catch (error) {
        // Its master, most likely, which reports.
        if (!isRecordConflict(error)) throw error;
      }
    }
    throw pendingError(undefined, name);
  }

  async #place(wish: PlacementWish): Promise<Placement> {
    const { records, pools } = this.#parts;
    // In this order: to whom one of these slots is promised is still being placed, or has a record by the time that those are read.
    const slots = await records.slots();
    const placing = new Set(this.#placing.keys());
    const [facts, volumes, published, bound] = await Promise.all([
      pools.list(),
      records.list(),
      pools.publishedVolumeIds(),
      pools.boundSlots(),
    ]);
    return choosePool(wish, facts, { volumes, slots, published, bound, placing });
  }

  async #slotFor(name: string, { slot }: Placement): Promise<string> {
    if (slot === undefined) return newSlotName();
    if (slot.promisedTo !== name) await this.#parts.records.updateSlot({ ...slot, promisedTo: name });
    return slot.slot;
  }

  #requireCompatible(record: VolumeRecord, wish: VolumeWish): VolumeRecord {
    const difference = differenceBetween(record, wish);
    if (difference === undefined) return record;
    throw new DriverError(
      'volume-exists',
      `There is a volume named ${JSON.stringify(wish.name)} already, with ${difference}.`,
    );
  }

  async #untilReady(record: VolumeRecord, wish: VolumeWish, signal: AbortSignal): Promise<VolumeRecord> {
    const { records } = this.#parts;
    const { volumeId } = record.spec;
    if (record.status.phase !== 'Ready') await this.#requireMaster(record);
    for (;;) {
      const changed = nextChange(records, signal);
      try {
        const now = await records.get(record.name);
        if (now?.spec.volumeId !== volumeId) {
          throw new DriverError(
            'operation-pending',
            `The volume ${JSON.stringify(record.name)} was deleted while it was made.`,
          );
        }
        if (now.status.phase === 'Ready') return await this.#handOut(now, signal);
        if (now.status.problem !== undefined) await this.#giveUp(now, wish, now.status.problem);
        await changed.promise;
      } catch (error) {
        if (!signal.aborted) throw error;
        throw pendingError(await records.get(record.name), record.name);
      } finally {
        changed.end();
      }
    }
  }

  /** The work follows the pool's master. @throws DriverError why it does not go on, when there is none */
  async #requireMaster({ name, spec }: VolumeRecord): Promise<void> {
    const pool = (await this.#parts.pools.list()).find(({ uuid }) => uuid === spec.poolUuid);
    const problem = pool === undefined ? missingPool(spec.poolName) : problemOf(pool);
    if (problem !== undefined) throw unfinished(name, problem);
    await followMaster(this.#parts.records, name, pool);
  }

  /** From now on the volume alone has the slot, and its pool is needed. */
  async #handOut(record: VolumeRecord, signal: AbortSignal): Promise<VolumeRecord> {
    const { records, holdPool } = this.#parts;
    await holdPool?.(record.spec.poolUuid, signal);
    const slot = (await records.slots()).find((each) => each.slot === record.spec.slot);
    if (slot?.promisedTo === record.name) await records.removeSlot(slot);
    return record;
  }

  /** Tells the problem. A volume of which nothing was made leaves nothing behind; any other waits for its repetition. */
  async #giveUp(record: VolumeRecord, wish: VolumeWish, problem: RecordProblem): Promise<never> {
    if (!isUnmade(record.status)) throw unfinished(record.name, problem);
    await endVolume(this.#parts, record);
    return this.#refuse(wish, new DriverError(problem.reason, problem.message));
  }
}

/** Refusals after which an orchestrator asks for something else, and not again (external-provisioner by the gRPC code). */
const passing: ReadonlySet<Reason> = new Set([
  ...(['operation-pending', 'record-conflict', 'out-of-space', 'log-full', 'resource-exhausted'] as const),
  ...(['pool-not-ready', 'pool-dead', 'pool-hung', 'pool-memory-failed', 'pool-held-elsewhere'] as const),
  ...(['pool-released', 'name-taken'] as const),
  ...(['pool-busy', 'path-not-visible', 'master-away', 'mounter-unavailable', 'state-unusable'] as const),
  ...(['api-unavailable', 'api-forbidden', 'shutting-down', 'deadline-exceeded', 'cancelled'] as const),
]);

/** Whether a caller may take a refusal for the end, and will not come back to what was begun. */
export function isFinal(reason: Reason): boolean {
  return !passing.has(reason);
}

/** Why a volume that was begun does not go on, in a way that nobody takes for the end of it. */
function unfinished(name: string, { reason, message }: RecordProblem): DriverError {
  if (!isFinal(reason)) return new DriverError(reason, message);
  return new DriverError(
    'operation-pending',
    `The volume ${JSON.stringify(name)} was begun and does not go on (${reason}): ${message}`,
  );
}

function missingPool(poolName: string): RecordProblem {
  return {
    reason: 'master-away',
    message: `No node reports pool ${poolName}; only its master can create files.`,
  };
}

/** In what a volume differs from what is wanted now; undefined when it serves (CreateVolume, "idempotent"). */
function differenceBetween({ spec }: VolumeRecord, wish: VolumeWish): string | undefined {
  const { parameters, range, topology } = wish;
  const sizeBytes = sizeOf(spec.layout);
  if (parameters.pools.length > 0 && !parameters.pools.includes(spec.poolName))
    return `another pool, ${spec.poolName}`;
  if (!isOfClass(spec.layout, parameters)) return 'other files: their number, mode or owner differ';
  if (sizeBytes < range.requiredBytes) return `${sizeText(sizeBytes)}, which is less than is required now`;
  if (range.limitBytes > 0n && sizeBytes > range.limitBytes)
    return `${sizeText(sizeBytes)}, which is above the limit now`;
  if (topology.requisite !== undefined && !topology.requisite.has(spec.poolUuid))
    return `its memory in pool ${spec.poolName}, which cannot be seen where it is wanted now`;
  return undefined;
}

function pendingError(record: VolumeRecord | undefined, name: string): DriverError {
  const status = record?.status;
  const done =
    status?.phase === 'Zeroing'
      ? `zeroing, ${sizeText(status.bytesZeroed)} of ${sizeText(record === undefined ? 0n : sizeOf(record.spec.layout))} done`
      : `${status?.filesMade ?? 0} of ${record?.spec.layout.fileCount ?? 0} files made by node ${record?.spec.node ?? 'unknown'}`;
  return new DriverError(
    'operation-pending',
    `The volume ${JSON.stringify(name)} is still being made: ${done}. The same call again waits for it.`,
  );
}

function nextChange(
  records: VolumeRecords,
  signal: AbortSignal,
): { promise: Promise<void>; end: () => void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = records.onChange(() => resolve());
  const onAbort = (): void => reject(DriverError.from(signal.reason));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  promise.catch(() => undefined);
  return {
    promise,
    end: () => {
      stop();
      signal.removeEventListener('abort', onAbort);
    },
  };
}
