// Creates and deletes volumes as records; the work itself is the master's (volume-maker.ts). Knows no CSI message and no
// API server. Every step can be repeated: what was begun is found again by the volume's name.
import { DriverError } from '../errors.ts';
import type { ClassParameters } from './class-parameters.ts';
import { choosePool, type Placement, type PlacementWish, type PoolTopology } from './pool-choice.ts';
import type { Pools } from './pool-facts.ts';
import { isOfClass, type SizeRange, sizeOf } from './slot-layout.ts';
import { newSlotName, newStatus, newVolumeId, type VolumeRecord } from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';

export interface VolumeWish {
  /** CreateVolumeRequest.name */
  readonly name: string;
  readonly parameters: ClassParameters;
  readonly range: SizeRange;
  readonly topology: PoolTopology;
}

export interface ProvisionerParts {
  readonly records: VolumeRecords;
  readonly pools: Pools;
}

export class Provisioner {
  readonly #parts: ProvisionerParts;

  constructor(parts: ProvisionerParts) {
    this.#parts = parts;
  }

  /**
   * A volume of that name, ready for use. Records it first and waits for its master; who repeats the call after a
   * time-out waits for the same volume.
   * @throws DriverError `volume-exists` when the name belongs to another kind of volume, `operation-pending` when the
   *   time is over and the work goes on, the refusals of choosePool, and what keeps the master from its work
   */
  async create(wish: VolumeWish, signal: AbortSignal): Promise<VolumeRecord> {
    const record = await this.#recordOf(wish);
    return this.#untilReady(record, signal);
  }

  /**
   * Ends a volume. One that is not known is gone already.
   * @throws DriverError `volume-in-use` while a node has it published or may have
   */
  async delete(volumeId: string): Promise<void> {
    const { records, pools } = this.#parts;
    let record = await this.find(volumeId);
    if (record === undefined) return;
    if ((await pools.publishedVolumeIds()).has(volumeId)) {
      throw new DriverError(
        'volume-in-use',
        `Volume ${volumeId} is still published on a node, or was when the node was last heard of; end the pods that use it first.`,
      );
    }
    if (!record.deleting) record = await records.update({ ...record, deleting: true });
    await this.#leaveSlot(record);
    await records.remove(record);
  }

  /** The volume with this id, of whatever phase. */
  async find(volumeId: string): Promise<VolumeRecord | undefined> {
    return (await this.#parts.records.list()).find(({ spec }) => spec.volumeId === volumeId);
  }

  async #recordOf(wish: VolumeWish): Promise<VolumeRecord> {
    const { records } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const existing = await records.get(wish.name);
      if (existing !== undefined) return this.#requireCompatible(existing, wish);
      try {
        return await this.#newRecord(wish);
      } catch (error) {
        const lost = error instanceof DriverError && error.reason === 'record-conflict';
        if (!lost || attempt === 5) throw error;
      }
    }
  }

  /** The pool is fixed in the record before any work begins; a slot is promised before the record names it. */
  async #newRecord(wish: VolumeWish): Promise<VolumeRecord> {
    const { records } = this.#parts;
    const placement = await this.#place(wish);
    const { pool, master, layout } = placement;
    const slot = await this.#slotFor(wish.name, placement);
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
      },
      status: newStatus,
    });
    const promised = (await records.slots()).find((each) => each.slot === slot);
    if (promised !== undefined) await records.removeSlot(promised);
    return record;
  }

  async #place(wish: PlacementWish): Promise<Placement> {
    const { records, pools } = this.#parts;
    const [facts, volumes, slots] = await Promise.all([pools.list(), records.list(), records.slots()]);
    return choosePool(wish, facts, { volumes, slots });
  }

  async #slotFor(name: string, { slot }: Placement): Promise<string> {
    if (slot === undefined) return newSlotName();
    if (slot.promisedTo === undefined) await this.#parts.records.updateSlot({ ...slot, promisedTo: name });
    return slot.slot;
  }

  #requireCompatible(record: VolumeRecord, wish: VolumeWish): VolumeRecord {
    if (record.deleting) {
      throw new DriverError(
        'operation-pending',
        `The volume ${JSON.stringify(wish.name)} is being deleted; a new one of that name can be made when that is done.`,
      );
    }
    const difference = differenceBetween(record, wish);
    if (difference === undefined) return record;
    throw new DriverError(
      'volume-exists',
      `There is a volume named ${JSON.stringify(wish.name)} already, with ${difference}.`,
    );
  }

  async #untilReady(record: VolumeRecord, signal: AbortSignal): Promise<VolumeRecord> {
    const { records } = this.#parts;
    const { volumeId } = record.spec;
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
        if (now.status.phase === 'Ready') return now;
        if (now.status.problem !== undefined) await this.#giveUp(now);
        await changed.promise;
      } catch (error) {
        if (!signal.aborted) throw error;
        throw pendingError(await records.get(record.name), record.name);
      } finally {
        changed.end();
      }
    }
  }

  /** Tells the problem. A volume of which nothing was made leaves nothing behind; any other waits for its repetition. */
  async #giveUp(record: VolumeRecord): Promise<never> {
    const { problem, filesMade, phase } = record.status;
    if (isFinal(problem?.reason) && filesMade === 0 && phase !== 'Zeroing')
      await this.#parts.records.remove(record);
    throw new DriverError(problem?.reason ?? 'internal', problem?.message ?? 'The volume cannot be made.');
  }

  /** What was made of a volume stays in the pool for good; the record of its slot says so, before the volume's goes. */
  async #leaveSlot({ spec, status }: VolumeRecord): Promise<void> {
    const { records, pools } = this.#parts;
    if (status.phase === 'Pending') return;
    if ((await records.slots()).some(({ slot }) => slot === spec.slot)) return;
    const pool = (await pools.list()).find(({ uuid }) => uuid === spec.poolUuid);
    const isWhole = status.filesMade === spec.layout.fileCount;
    await records.createSlot({
      slot: spec.slot,
      poolUuid: spec.poolUuid,
      node: spec.node,
      layout: spec.layout,
      formerVolumeId: spec.volumeId,
      phase: pool?.deletedVolumes === 'Reuse' && isWhole ? 'Scrubbing' : 'Kept',
      bytesZeroed: 0n,
      problem: undefined,
      promisedTo: undefined,
    });
  }
}

/** Problems that a repetition does not mend, so that the orchestrator may look for another place. */
function isFinal(reason: string | undefined): boolean {
  return reason === 'out-of-space' || reason === 'log-full' || reason === 'path-too-long';
}

/** In what a volume differs from what is wanted now; undefined when it serves (CreateVolume, "idempotent"). */
function differenceBetween({ spec }: VolumeRecord, wish: VolumeWish): string | undefined {
  const { parameters, range, topology } = wish;
  const sizeBytes = sizeOf(spec.layout);
  if (parameters.pools.length > 0 && !parameters.pools.includes(spec.poolName))
    return `another pool, ${spec.poolName}`;
  if (!isOfClass(spec.layout, parameters)) return 'other files: their number, mode or owner differ';
  if (sizeBytes < range.requiredBytes) return `${sizeBytes} bytes, which is less than is required now`;
  if (range.limitBytes > 0n && sizeBytes > range.limitBytes)
    return `${sizeBytes} bytes, which is above the limit now`;
  if (topology.requisite !== undefined && !topology.requisite.has(spec.poolUuid))
    return `its memory in pool ${spec.poolName}, which cannot be seen where it is wanted now`;
  return undefined;
}

function pendingError(record: VolumeRecord | undefined, name: string): DriverError {
  const status = record?.status;
  const done =
    status?.phase === 'Zeroing'
      ? `zeroing, ${status.bytesZeroed} of ${record === undefined ? 0n : sizeOf(record.spec.layout)} bytes done`
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
