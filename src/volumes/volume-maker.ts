// The master's part of provisioning: carries out the records that name this node. Whatever happens in between, the next
// round looks at the record and goes on from there; nothing is kept here that a new process would miss.
import { DriverError } from '../errors.ts';
import type { BackOff } from '../pace/back-off.ts';
import { Paced } from '../pace/paced.ts';
import { WokenLoop } from '../pace/woken-loop.ts';
import { SlotJobs, type SlotTask } from './slot-jobs.ts';
import { fileNamesOf, isSameLayout, sizeOf } from './slot-layout.ts';
import type { SlotMaker } from './slot-maker.ts';
import { ownsSlot } from './slot-promise.ts';
import { type LeftSlot, SlotScrubber, type SlotsInUse } from './slot-scrubber.ts';
import { type SlotRecord, slotPath, type VolumeRecord, type VolumeStatus } from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';
import { type MakerLog, unlessAway, WorkReports } from './work-reports.ts';

export interface VolumeMakerParts {
  readonly records: VolumeRecords;
  readonly maker: SlotMaker;
  /** the name of this node, as records call it */
  readonly node: string;
  /** Which of these slots some node may still have mounted, under whatever name: they are not touched. */
  readonly slotsInUse: (left: readonly LeftSlot[]) => Promise<SlotsInUse>;
  readonly log: MakerLog;
  readonly pace?: MakerPace;
}

export interface MakerPace extends BackOff {
  /** Progress is for people, who look; each report is a write of a record. */
  readonly reportIntervalMs: number;
  /** Looks at everything now and then: nobody tells when a node ends to publish a volume. */
  readonly roundIntervalMs: number;
  /** After so long the record of a slot says what keeps it from being zeroed. */
  readonly tellAfterMs: number;
}

const usualNodeReportIntervalMs = 60_000;

/** How fast to go beside nodes that report so often: each is waited for twice before that is worth telling. */
export function paceAmong(nodeReportIntervalMs: number): MakerPace {
  return {
    firstBackOffMs: 1_000,
    longestBackOffMs: 30_000,
    reportIntervalMs: 1_000,
    roundIntervalMs: 10_000,
    tellAfterMs: 2.5 * nodeReportIntervalMs,
  };
}

export class VolumeMaker {
  readonly #parts: VolumeMakerParts;
  readonly #pace: MakerPace;
  readonly #jobs: SlotJobs;
  readonly #reports: WorkReports;
  readonly #scrubber: SlotScrubber;
  readonly #loop: WokenLoop;
  #forget: () => void = () => undefined;

  constructor(parts: VolumeMakerParts) {
    const { records, maker, node, slotsInUse, log } = parts;
    this.#parts = parts;
    this.#pace = parts.pace ?? paceAmong(usualNodeReportIntervalMs);
    const { reportIntervalMs, tellAfterMs } = this.#pace;
    this.#reports = new WorkReports({ records, log, pace: this.#pace });
    const reports = this.#reports;
    this.#scrubber = new SlotScrubber({
      ...{ records, maker, node, slotsInUse, reports, log, reportIntervalMs, tellAfterMs },
    });
    this.#jobs = new SlotJobs(this.#pace, () => this.#loop.wake());
    this.#loop = new WokenLoop({
      round: async () => {
        await this.#round();
        return this.#pauseMs();
      },
      failed: (error) => {
        log.warn('records cannot be read', { problem: DriverError.from(error).message });
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
    this.#jobs.retryNow();
    this.#loop.wake();
  }

  /** Ends all work where it is; another process goes on with it. */
  async stop(): Promise<void> {
    this.#forget();
    await this.#loop.stop();
    await this.#jobs.stop();
  }

  async #round(): Promise<void> {
    const { records, node } = this.#parts;
    // Asked first, because it may take long: work begins with what the records say then.
    const unused = await this.#scrubber.findUnused();
    const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
    const open = volumes
      .filter(({ spec, status, deleting }) => spec.node === node && !deleting && status.phase !== 'Ready')
      .filter((record) => ownsSlot(record, { volumes, slots }));
    const dirty = this.#scrubber
      .dirtyAmong(volumes, slots)
      .filter(({ formerVolumeId }) => unused.has(formerVolumeId));
    this.#jobs.carryOut([
      ...open.map((record) => this.#making(record)),
      ...dirty.map((slot) => this.#scrubbing(slot)),
    ]);
  }

  #making(record: VolumeRecord): SlotTask {
    const { slot, poolUuid, volumeId } = record.spec;
    return { slot, poolUuid, purpose: volumeId, work: (signal) => this.#make(record, signal) };
  }

  #scrubbing(record: SlotRecord): SlotTask {
    const { slot, poolUuid, formerVolumeId } = record;
    const purpose = `what ${formerVolumeId} left`;
    return { slot, poolUuid, purpose, work: (signal) => this.#scrubber.scrub(record, signal) };
  }

  #pauseMs(): number {
    return Math.max(1, Math.min(this.#pace.roundIntervalMs, this.#jobs.nextMs()));
  }

  async #make({ name, spec }: VolumeRecord, signal: AbortSignal): Promise<void> {
    const { maker, log } = this.#parts;
    const report = (change: Partial<VolumeStatus>): Promise<void> =>
      this.#reports.ofVolume(name, spec, { problem: undefined, ...change });
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
      await this.#reports.untilTold(() => report(ready), spec.volumeId, signal);
      log.info('volume made', { volumeId: spec.volumeId, pool: spec.poolUuid, path: directory });
    } catch (error) {
      // How much was made decides what may be forgotten of it, so it is told together with what went wrong.
      await this.#reports.ofFailure(error, spec.volumeId, signal, (problem) => report({ ...made, problem }));
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
}
