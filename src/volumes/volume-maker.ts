// The master's part of provisioning: carries out the records that name this node. Whatever happens in between, the next
// round looks at the record and goes on from there; nothing is kept here that a new process would miss.
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError, isRecordConflict, type Reason } from '../errors.ts';
import { type BackOff, backOffMs } from '../pace/back-off.ts';
import { Paced } from '../pace/paced.ts';
import { WokenLoop } from '../pace/woken-loop.ts';
import { fileNamesOf, isSameLayout, type SlotLayout, sizeOf } from './slot-layout.ts';
import { isHeld, ownsSlot } from './slot-promise.ts';
import { type SlotRecord, slotPath, type VolumeRecord, type VolumeStatus } from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';

/** The mounter's verbs as the maker uses them; both report as they go. */
export interface SlotMaker {
  /** @returns the first report is of what is there already, the last says how long the log is with all files in it */
  makeFiles(
    poolUuid: string,
    directory: string,
    layout: SlotLayout,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly filesMade: number; readonly logEntries: number }>;
  zeroFiles(
    poolUuid: string,
    directory: string,
    names: readonly string[],
    signal: AbortSignal,
  ): AsyncIterable<{ readonly bytesDone: bigint }>;
}

/** Where the maker tells what it did and what went wrong. */
export interface MakerLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What a deleted volume left, as far as it matters who may still have that volume. */
export type LeftSlot = Pick<SlotRecord, 'formerVolumeId' | 'poolUuid'>;

export interface VolumeMakerParts {
  readonly records: VolumeRecords;
  readonly maker: SlotMaker;
  /** the name of this node, as records call it */
  readonly node: string;
  /** Ids of volumes that some node may still have published; of those that left these slots, above all. They are not touched. */
  readonly publishedVolumeIds: (left: readonly LeftSlot[]) => Promise<ReadonlySet<string>>;
  readonly log: MakerLog;
  readonly pace?: MakerPace;
}

export interface MakerPace extends BackOff {
  /** Progress is for people, who look; each report is a write of a record. */
  readonly reportIntervalMs: number;
  /** Looks at everything now and then: nobody tells when a node ends to publish a volume. */
  readonly roundIntervalMs: number;
}

const usualPace: MakerPace = {
  firstBackOffMs: 1_000,
  longestBackOffMs: 30_000,
  reportIntervalMs: 1_000,
  roundIntervalMs: 10_000,
};

/**
 * A pool does one thing at a time; more at once would only wait at the mounter, each on a stream of its own. Each pool has
 * its own share, so that one that hangs does not keep the others waiting.
 */
const maximumJobsOfPool = 8;

/** Work under way on one slot, for the volume or the scrubbing that it is named after. */
interface Job {
  readonly purpose: string;
  readonly poolUuid: string;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/** Something to be done in a slot. */
interface Task {
  readonly slot: string;
  readonly poolUuid: string;
  /** of one life: what is left of another's work is called off */
  readonly purpose: string;
  readonly work: (signal: AbortSignal) => Promise<void>;
}

interface Retry {
  readonly atMs: number;
  readonly failures: number;
}

export class VolumeMaker {
  readonly #parts: VolumeMakerParts;
  readonly #pace: MakerPace;
  readonly #jobs = new Map<string, Job>();
  readonly #retries = new Map<string, Retry>();
  readonly #loop: WokenLoop;
  #forget: () => void = () => undefined;

  constructor(parts: VolumeMakerParts) {
    this.#parts = parts;
    this.#pace = parts.pace ?? usualPace;
    this.#loop = new WokenLoop({
      round: async () => {
        await this.#round();
        return this.#pauseMs();
      },
      failed: (error) => {
        parts.log.warn('records cannot be read', { problem: DriverError.from(error).message });
        return this.#pauseMs();
      },
    });
  }

  /** Begins to work, until `stop`. */
  start(): void {
    this.#forget = this.#parts.records.onChange(() => this.#loop.wake());
    this.#loop.start();
  }

  /** Looks at all records now: something has changed that none of them tells, such as what nodes have published. */
  look(): void {
    this.#loop.wake();
  }

  /** Tries at once what failed: who makes the files has come back. */
  retryNow(): void {
    this.#retries.clear();
    this.#loop.wake();
  }

  /** Ends all work where it is; another process goes on with it. */
  async stop(): Promise<void> {
    this.#forget();
    await this.#loop.stop();
    const jobs = [...this.#jobs.values()];
    for (const { abort } of jobs) abort.abort();
    await Promise.all(jobs.map(({ done }) => done));
  }

  async #round(): Promise<void> {
    const { records, node } = this.#parts;
    // Asked first, because it may take long: work begins with what the records say then.
    const unused = await this.#unusedSlots();
    const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
    const open = volumes
      .filter(({ spec, status, deleting }) => spec.node === node && !deleting && status.phase !== 'Ready')
      .filter((record) => ownsSlot(record, { volumes, slots }));
    const tasks = [
      ...open.map((record) => this.#making(record)),
      ...this.#dirtySlots(volumes, slots)
        .filter(({ formerVolumeId }) => unused.has(formerVolumeId))
        .map((slot) => this.#scrubbing(slot)),
    ];
    const wanted = new Map(tasks.map(({ slot, purpose }) => [slot, purpose]));
    for (const [slot, { purpose, abort }] of this.#jobs) if (wanted.get(slot) !== purpose) abort.abort();
    for (const slot of this.#retries.keys()) if (!wanted.has(slot)) this.#retries.delete(slot);
    for (const task of tasks) this.#begin(task);
  }

  #dirtySlots(volumes: readonly VolumeRecord[], slots: readonly SlotRecord[]): readonly SlotRecord[] {
    const { node } = this.#parts;
    return slots.filter((slot) => slot.node === node && slot.phase === 'Scrubbing' && !isHeld(slot, volumes));
  }

  /** Of the volumes that left dirty slots, those that no node has any more. */
  async #unusedSlots(): Promise<ReadonlySet<string>> {
    const { records, publishedVolumeIds } = this.#parts;
    const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
    const dirty = this.#dirtySlots(volumes, slots);
    if (dirty.length === 0) return new Set();
    const published = await publishedVolumeIds(dirty);
    return new Set(dirty.map(({ formerVolumeId }) => formerVolumeId).filter((id) => !published.has(id)));
  }

  #making(record: VolumeRecord): Task {
    const { slot, poolUuid, volumeId } = record.spec;
    return { slot, poolUuid, purpose: volumeId, work: (signal) => this.#make(record, signal) };
  }

  #scrubbing(record: SlotRecord): Task {
    const { slot, poolUuid, formerVolumeId } = record;
    const purpose = `what ${formerVolumeId} left`;
    return { slot, poolUuid, purpose, work: (signal) => this.#scrub(record, signal) };
  }

  #pauseMs(): number {
    const next = Math.min(...[...this.#retries.values()].map(({ atMs }) => atMs));
    return Math.max(1, Math.min(this.#pace.roundIntervalMs, next - performance.now()));
  }

  #begin({ slot, poolUuid, purpose, work }: Task): void {
    if (this.#jobs.has(slot) || (this.#retries.get(slot)?.atMs ?? 0) > performance.now()) return;
    const ofPool = [...this.#jobs.values()].filter((job) => job.poolUuid === poolUuid);
    if (ofPool.length >= maximumJobsOfPool) return;
    const abort = new AbortController();
    const done = work(abort.signal)
      .then(() => void this.#retries.delete(slot))
      .catch(() => this.#retryLater(slot))
      .finally(() => {
        this.#jobs.delete(slot);
        this.#loop.wake();
      });
    this.#jobs.set(slot, { purpose, poolUuid, abort, done });
  }

  #retryLater(slot: string): void {
    const failures = this.#retries.get(slot)?.failures ?? 0;
    const atMs = performance.now() + backOffMs(failures, this.#pace);
    this.#retries.set(slot, { atMs, failures: failures + 1 });
  }

  async #make({ name, spec }: VolumeRecord, signal: AbortSignal): Promise<void> {
    const { maker, log } = this.#parts;
    const report = (change: Partial<VolumeStatus>): Promise<void> =>
      this.#report(name, spec.volumeId, { problem: undefined, ...change });
    let made: Partial<VolumeStatus> = {};
    try {
      await report({ phase: 'Creating' });
      const directory = slotPath(spec.slot);
      let logEntries = 0;
      const making = new Paced(this.#pace.reportIntervalMs);
      for await (const progress of maker.makeFiles(spec.poolUuid, directory, spec.layout, signal)) {
        logEntries = progress.logEntries;
        made = { filesMade: progress.filesMade };
        if (progress.filesMade > 0) await making.perhaps(() => report(made));
      }
      made = { filesMade: spec.layout.fileCount, logEntries };
      if (!(await this.#isProvenZero(name, spec))) await this.#zero(spec, made, report, signal);
      const ready = { ...made, phase: 'Ready', bytesZeroed: sizeOf(spec.layout) } as const;
      await this.#untilTold(() => report(ready), spec.volumeId, signal);
      log.info('volume made', { volumeId: spec.volumeId, pool: spec.poolUuid, path: directory });
    } catch (error) {
      // How much was made decides what may be forgotten of it, so it is told together with what went wrong.
      await this.#fail(error, spec.volumeId, signal, (problem) => report({ ...made, problem }));
    }
  }

  /**
   * Whether the slot was filled with zeros, read back, and recorded so when its former volume had left it, and nobody has had it
   * since: its record stays, promised to this very volume, until the volume is handed out.
   */
  async #isProvenZero(name: string, { slot, poolUuid, layout }: VolumeRecord['spec']): Promise<boolean> {
    const record = (await this.#parts.records.slots()).find((each) => each.slot === slot);
    if (record?.phase !== 'Reusable' || record.promisedTo !== name || record.poolUuid !== poolUuid)
      return false;
    return record.bytesZeroed === sizeOf(layout) && isSameLayout(record.layout, layout);
  }

  async #zero(
    { poolUuid, slot, layout }: VolumeRecord['spec'],
    made: Partial<VolumeStatus>,
    report: (change: Partial<VolumeStatus>) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    await report({ ...made, phase: 'Zeroing', bytesZeroed: 0n });
    const paced = new Paced(this.#pace.reportIntervalMs);
    const names = fileNamesOf(layout);
    for await (const { bytesDone } of this.#parts.maker.zeroFiles(poolUuid, slotPath(slot), names, signal))
      await paced.perhaps(() => unlessAway(() => report({ bytesZeroed: bytesDone })));
  }

  async #scrub(record: SlotRecord, signal: AbortSignal): Promise<void> {
    const { maker, log } = this.#parts;
    const { slot, poolUuid, layout } = record;
    const report = (change: Partial<SlotRecord>): Promise<void> =>
      this.#reportSlot(record, { problem: undefined, ...change });
    try {
      await this.#requireLeft(record);
      const paced = new Paced(this.#pace.reportIntervalMs);
      for await (const { bytesDone } of maker.zeroFiles(
        poolUuid,
        slotPath(slot),
        fileNamesOf(layout),
        signal,
      ))
        await paced.perhaps(() => unlessAway(() => report({ bytesZeroed: bytesDone })));
      const bytesZeroed = sizeOf(layout);
      const tell = async (): Promise<void> => {
        // Whoever had it meanwhile may have written behind the zeroes.
        if ((await this.#parts.publishedVolumeIds([record])).has(record.formerVolumeId))
          throw calledOff(slot);
        await report({ phase: 'Reusable', bytesZeroed });
      };
      await this.#untilTold(tell, record.formerVolumeId, signal);
      log.info('slot can be used again', { pool: poolUuid, path: slotPath(slot) });
    } catch (error) {
      await this.#fail(error, record.formerVolumeId, signal, (problem) => report({ problem }));
    }
  }

  /** A slot that was listed a moment ago may be somebody's since; it is looked at once more before a byte of it is changed. */
  async #requireLeft({ slot, formerVolumeId }: SlotRecord): Promise<void> {
    const { records } = this.#parts;
    const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
    const isLeft = this.#dirtySlots(volumes, slots).some(
      (each) => each.slot === slot && each.formerVolumeId === formerVolumeId,
    );
    if (!isLeft) throw calledOff(slot);
  }

  /** Says in the record what went wrong, and throws it, for a later try. Work that was called off says nothing. */
  async #fail(
    error: unknown,
    volumeId: string,
    signal: AbortSignal,
    report: (problem: { reason: Reason; message: string }) => Promise<void>,
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
  async #untilTold(tell: () => Promise<void>, volumeId: string, signal: AbortSignal): Promise<void> {
    for (let failures = 0; ; failures++) {
      try {
        await tell();
        return;
      } catch (error) {
        const { reason, message } = DriverError.from(error);
        if (signal.aborted || reason === 'cancelled') throw error;
        if (failures === 0)
          this.#parts.log.warn('the end of work on a volume cannot be told yet', {
            ...{ volumeId, reason, problem: message },
          });
      }
      await sleep(backOffMs(failures, this.#pace), undefined, { signal });
    }
  }

  async #report(name: string, volumeId: string, change: Partial<VolumeStatus>): Promise<void> {
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

  async #reportSlot({ slot, formerVolumeId }: SlotRecord, change: Partial<SlotRecord>): Promise<void> {
    const { records } = this.#parts;
    await untilAgreed(async () => {
      const record = (await records.slots()).find((each) => each.slot === slot);
      if (record?.formerVolumeId !== formerVolumeId || record.phase !== 'Scrubbing') throw calledOff(slot);
      await records.updateSlot({ ...record, ...change });
    });
  }
}

/** Progress is for people: while the records cannot be reached it is not told, and a terabyte is not begun anew for that. */
async function unlessAway(report: () => Promise<void>): Promise<void> {
  try {
    await report();
  } catch (error) {
    if (!(error instanceof DriverError && error.reason === 'api-unavailable')) throw error;
  }
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

function calledOff(what: string): DriverError {
  return new DriverError('cancelled', `The work on ${what} was called off.`);
}
