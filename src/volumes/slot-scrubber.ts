// Makes slots of deleted volumes fit for the next: finds those that no node can have mounted any more, says of the others what they
// wait for, and fills them with zeros. Decides nothing about who gets them.
import { Paced } from '../pace/paced.ts';
import { fileNamesOf, sizeOf } from './slot-layout.ts';
import type { SlotMaker } from './slot-maker.ts';
import { isHeld } from './slot-promise.ts';
import { type SlotRecord, slotPath, type VolumeRecord } from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';
import { calledOff, type MakerLog, unlessAway, type WorkReports } from './work-reports.ts';

/** What a deleted volume left, as far as it matters who may still have it. */
export type LeftSlot = Pick<SlotRecord, 'slot' | 'formerVolumeId' | 'poolUuid'>;

/** Slots that are not to be touched, by their names: why, as a sentence that says what to do. */
export type SlotsInUse = ReadonlyMap<string, string>;

export interface SlotScrubberParts {
  readonly records: VolumeRecords;
  readonly maker: Pick<SlotMaker, 'zeroFiles'>;
  readonly node: string;
  /** Which of these slots some node may still have mounted, under whatever name. */
  readonly slotsInUse: (left: readonly LeftSlot[]) => Promise<SlotsInUse>;
  readonly reports: WorkReports;
  readonly log: MakerLog;
  readonly reportIntervalMs: number;
  /** For so long a slot may be in use before its record says so: nodes need some time to report in any case. */
  readonly tellAfterMs: number;
}

export class SlotScrubber {
  readonly #parts: SlotScrubberParts;
  /** Since when slots are known to be in use, by their names and whose they were. */
  #inUseSinceMs: ReadonlyMap<string, number> = new Map();

  constructor(parts: SlotScrubberParts) {
    this.#parts = parts;
  }

  /** Those that this node is to fill with zeros. */
  dirtyAmong(volumes: readonly VolumeRecord[], slots: readonly SlotRecord[]): readonly SlotRecord[] {
    const { node } = this.#parts;
    return slots.filter((slot) => slot.node === node && slot.phase === 'Scrubbing' && !isHeld(slot, volumes));
  }

  /** Of what volumes left here, by their ids, what no node has any more. The records of the others say why, after a while. */
  async findUnused(): Promise<ReadonlySet<string>> {
    const { records, slotsInUse } = this.#parts;
    const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
    const dirty = this.dirtyAmong(volumes, slots);
    if (dirty.length === 0) {
      this.#inUseSinceMs = new Map();
      return new Set();
    }
    const inUse = await slotsInUse(dirty);
    await this.#tell(dirty, inUse);
    return new Set(dirty.filter(({ slot }) => !inUse.has(slot)).map(({ formerVolumeId }) => formerVolumeId));
  }

  /** Fills it with zeros, and records that when they are read back and nobody has come to have it meanwhile. */
  async scrub(record: SlotRecord, signal: AbortSignal): Promise<void> {
    const { maker, log, reports, reportIntervalMs } = this.#parts;
    const { slot, poolUuid, layout, formerVolumeId } = record;
    const report = (change: Partial<SlotRecord>): Promise<void> =>
      reports.ofSlot(record, { problem: undefined, ...change });
    try {
      await this.#requireLeft(record);
      const paced = new Paced(reportIntervalMs);
      const names = fileNamesOf(layout);
      for await (const { bytesDone } of maker.zeroFiles(poolUuid, slotPath(slot), names, signal))
        await paced.perhaps(() => unlessAway(() => report({ bytesZeroed: bytesDone })));
      const tell = async (): Promise<void> => {
        // Whoever had it meanwhile may have written behind the zeroes.
        if ((await this.#parts.slotsInUse([record])).has(slot)) throw calledOff(slot);
        await report({ phase: 'Reusable', bytesZeroed: sizeOf(layout) });
      };
      await reports.untilTold(tell, formerVolumeId, signal);
      log.info('slot can be used again', { pool: poolUuid, path: slotPath(slot) });
    } catch (error) {
      await reports.ofFailure(error, formerVolumeId, signal, (problem) => report({ problem }));
    }
  }

  /** A slot that was listed a moment ago may be somebody's since; it is looked at once more before a byte of it is changed. */
  async #requireLeft({ slot, formerVolumeId }: SlotRecord): Promise<void> {
    const { records } = this.#parts;
    const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
    const isLeft = this.dirtyAmong(volumes, slots).some(
      (each) => each.slot === slot && each.formerVolumeId === formerVolumeId,
    );
    if (!isLeft) throw calledOff(slot);
  }

  async #tell(dirty: readonly SlotRecord[], inUse: SlotsInUse): Promise<void> {
    const { reports, tellAfterMs } = this.#parts;
    const nowMs = performance.now();
    const sinceMs = new Map<string, number>();
    for (const record of dirty) {
      const why = inUse.get(record.slot);
      if (why === undefined) continue;
      const key = `${record.slot} ${record.formerVolumeId}`;
      const since = this.#inUseSinceMs.get(key) ?? nowMs;
      sinceMs.set(key, since);
      const message = `What volume ${record.formerVolumeId} left is not filled with zeros yet. ${why}`;
      if (nowMs - since < tellAfterMs || record.problem?.message === message) continue;
      // Whoever reads it is told at the next look, if not now.
      await reports.ofSlot(record, { problem: { reason: 'volume-in-use', message } }).catch(() => undefined);
    }
    this.#inUseSinceMs = sinceMs;
  }
}
