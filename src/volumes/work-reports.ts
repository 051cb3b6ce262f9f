// How the master tells in records what it did and what went wrong, whoever writes them at the same time. Knows nothing of the work.
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError, isRecordConflict } from '../errors.ts';
import { type BackOff, backOffMs } from '../pace/back-off.ts';
import type { RecordProblem, SlotRecord, VolumeSpec, VolumeStatus } from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';

/** Where the maker tells what it did and what went wrong. */
export interface MakerLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface WorkReportsParts {
  readonly records: VolumeRecords;
  readonly log: MakerLog;
  readonly pace: BackOff;
}

export class WorkReports {
  readonly #parts: WorkReportsParts;

  constructor(parts: WorkReportsParts) {
    this.#parts = parts;
  }

  /** Changes what is said of a volume. @throws DriverError `cancelled` when it is not to be made any more */
  async ofVolume(
    name: string,
    { volumeId }: Pick<VolumeSpec, 'volumeId'>,
    change: Partial<VolumeStatus>,
  ): Promise<void> {
    const { records } = this.#parts;
    await untilAgreed(async () => {
      const record = await records.get(name);
      if (record?.spec.volumeId !== volumeId || record.deleting) throw calledOff(name);
      if (record.status.phase === 'Ready') {
        if (change.phase === 'Ready') return;
        // Somebody may have it, and whoever makes it begins with a report: what is ready is never touched again.
        throw calledOff(name);
      }
      await records.update({ ...record, status: { ...record.status, ...change } });
    });
  }

  /** Changes what is said of a slot. @throws DriverError `cancelled` when it is not to be zeroed any more */
  async ofSlot({ slot, formerVolumeId }: SlotRecord, change: Partial<SlotRecord>): Promise<void> {
    const { records } = this.#parts;
    await untilAgreed(async () => {
      const record = (await records.slots()).find((each) => each.slot === slot);
      if (record?.formerVolumeId !== formerVolumeId || record.phase !== 'Scrubbing') throw calledOff(slot);
      await records.updateSlot({ ...record, ...change });
    });
  }

  /** Says in the record what went wrong, and throws it, for a later try. Work that was called off says nothing. */
  async ofFailure(
    error: unknown,
    volumeId: string,
    signal: AbortSignal,
    report: (problem: RecordProblem) => Promise<void>,
  ): Promise<never> {
    const { reason, message } = DriverError.from(error);
    if (!signal.aborted) {
      this.#parts.log.warn('work on a volume failed', { volumeId, reason, problem: message });
      await report({ reason, message }).catch(() => undefined);
    }
    throw error;
  }

  /**
   * Tells that all is done, however long nobody can be told: who gave up would fill a terabyte with zeros once more to say the
   * same.
   */
  async untilTold(tell: () => Promise<void>, volumeId: string, signal: AbortSignal): Promise<void> {
    const { log, pace } = this.#parts;
    for (let failures = 0; ; failures++) {
      try {
        await tell();
        return;
      } catch (error) {
        const { reason, message } = DriverError.from(error);
        if (signal.aborted || reason === 'cancelled') throw error;
        if (failures === 0)
          log.warn('the end of work on a volume cannot be told yet', { volumeId, reason, problem: message });
      }
      await sleep(backOffMs(failures, pace), undefined, { signal });
    }
  }
}

/** Progress is for people: while the records cannot be reached it is not told, and a terabyte is not begun anew for that. */
export async function unlessAway(report: () => Promise<void>): Promise<void> {
  try {
    await report();
  } catch (error) {
    if (!(error instanceof DriverError && error.reason === 'api-unavailable')) throw error;
  }
}

export function calledOff(what: string): DriverError {
  return new DriverError('cancelled', `The work on ${what} was called off.`);
}

/** Repeats a conditional write that somebody else was quicker than. */
async function untilAgreed(write: () => Promise<void>): Promise<void> {
  const attempts = 10;
  for (let attempt = 1; ; attempt++) {
    try {
      await write();
      return;
    } catch (error) {
      if (!isRecordConflict(error) || attempt === attempts) throw error;
    }
  }
}
