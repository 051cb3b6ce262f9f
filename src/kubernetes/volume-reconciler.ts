// Looks after FamfsVolumes that nobody is calling for (volumes/record-upkeep.ts): lets them follow the master when it moved, and
// tells people, at the volume and at its claim, why one does not go on. Runs where the Lease is held.
import { DriverError, isRecordConflict } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import { problemOf } from '../volumes/pool-choice.ts';
import type { PoolFacts, Pools } from '../volumes/pool-facts.ts';
import { tendRecords } from '../volumes/record-upkeep.ts';
import type { RecordProblem } from '../volumes/volume-record.ts';
import type { VolumeRecords } from '../volumes/volume-records.ts';
import type { EventNote, EventRecorder } from './event-recorder.ts';
import type { FamfsPool } from './famfs-pool.ts';
import { endAnnotation, type FamfsVolume } from './famfs-volume.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { NodeReports } from './node-reports.ts';
import type { ObjectCache } from './object-cache.ts';
import { claimObject, isUnready, noteOn } from './volume-notes.ts';

export interface VolumeReconcilerParts {
  readonly famfsVolumes: Pick<ObjectCache<FamfsVolume>, 'get' | 'list' | 'onChange'>;
  readonly famfsPools: Pick<ObjectCache<FamfsPool>, 'onChange'>;
  readonly reports: Pick<NodeReports, 'onChange'>;
  readonly records: VolumeRecords;
  readonly pools: Pools;
  /** Ends the volume with this id. @throws DriverError `volume-in-use` while a node has it published or may have */
  readonly end: (volumeId: string, signal: AbortSignal) => Promise<void>;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly log: Logger;
  /** A volume that is made in less gives nobody anything to read. */
  readonly patienceMs?: number;
}

/** What is to be done for all volumes together; no object has this name. */
const upkeep = '';
const paceMs = 1_000;
const lookAgainMs = 30_000;
const defaultPatienceMs = 5_000;

export class VolumeReconciler {
  readonly #parts: VolumeReconcilerParts;
  readonly #queue: KeyedQueue;
  /** What was told last about an object, by its name. */
  readonly #told = new Map<string, string>();
  /** Since when a volume is known not to be ready. */
  readonly #unreadySinceMs = new Map<string, number>();
  /** Why volumes are not ended that a person asks to end, by the names of their objects. */
  readonly #endProblems = new Map<string, RecordProblem>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #subscriptions: (() => void)[] = [];

  constructor(parts: VolumeReconcilerParts) {
    this.#parts = parts;
    const work = (name: string, signal: AbortSignal): Promise<number | undefined> =>
      name === upkeep ? this.#tend() : this.#look(name, signal);
    this.#queue = new KeyedQueue({ work, log: parts.log });
  }

  start(): void {
    const { famfsVolumes, famfsPools, reports } = this.#parts;
    const look = (): void => this.#queue.add(upkeep);
    this.#subscriptions = [
      famfsVolumes.onChange((name) => this.#queue.add(name)),
      famfsPools.onChange(look),
      reports.onChange(look),
    ];
    for (const { metadata } of famfsVolumes.list()) this.#queue.add(metadata.name);
    look();
  }

  async stop(): Promise<void> {
    for (const end of this.#subscriptions.splice(0)) end();
    await this.#queue.stop();
  }

  async #tend(): Promise<number> {
    const waitMs = this.#lookedAtMs + paceMs - performance.now();
    if (waitMs > 0) return Math.ceil(waitMs);
    this.#lookedAtMs = performance.now();
    const { records, pools, famfsVolumes } = this.#parts;
    await tendRecords(records, pools);
    const facts = await pools.list();
    for (const volume of famfsVolumes.list()) if (isUnready(volume)) this.#tell(volume, facts);
    return lookAgainMs;
  }

  async #look(name: string, signal: AbortSignal): Promise<number | undefined> {
    const { famfsVolumes, pools } = this.#parts;
    const volume = famfsVolumes.get(name);
    if (volume === undefined) {
      this.#told.delete(name);
      this.#unreadySinceMs.delete(name);
      this.#endProblems.delete(name);
      return undefined;
    }
    if (isToEnd(volume)) await this.#end(volume, signal);
    else this.#endProblems.delete(name);
    const facts = isUnready(volume) ? await pools.list() : [];
    const againMs = this.#tell(volume, facts);
    return this.#endProblems.has(name) ? lookAgainMs : againMs;
  }

  /** Nobody but a person asks for it: the orchestrator that had the volume made does not know of it. */
  async #end({ metadata, spec }: FamfsVolume, signal: AbortSignal): Promise<void> {
    const { end, log } = this.#parts;
    const id = spec.volume?.id ?? '';
    try {
      await end(id, signal);
      this.#endProblems.delete(metadata.name);
      log.info('volume ended on request', { volumeId: id });
    } catch (error) {
      if (signal.aborted || isRecordConflict(error)) throw error;
      const { reason, message } = DriverError.from(error);
      this.#endProblems.set(metadata.name, { reason, message });
    }
  }

  /** @returns after how many milliseconds there may be more to say, though nothing changes */
  #tell(volume: FamfsVolume, facts: readonly PoolFacts[]): number | undefined {
    const { name } = volume.metadata;
    const leftMs = this.#patienceLeftMs(volume);
    const pool = facts.find(({ uuid }) => uuid === volume.spec.poolUUID);
    const note = noteOn(volume, {
      poolProblem: pool && problemOf(pool),
      takesLong: leftMs <= 0,
      endProblem: this.#endProblems.get(name),
      wasTold: this.#told.has(name),
    });
    if (note === undefined) {
      if (!isUnready(volume)) this.#told.delete(name);
    } else {
      const text = `${note.reason} ${note.message}`;
      if (this.#told.get(name) !== text) this.#record(volume, note);
      // That it is ready is the end of what was told.
      if (note.type === 'Normal' && !isUnready(volume)) this.#told.delete(name);
      else this.#told.set(name, text);
    }
    return Number.isFinite(leftMs) && leftMs > 0 ? leftMs : undefined;
  }

  #record(volume: FamfsVolume, note: EventNote): void {
    const { events } = this.#parts;
    const { claim, volume: made } = volume.spec;
    events.record(volume, note);
    if (claim !== undefined && made !== undefined) events.record(claimObject(claim, made.name), note);
  }

  /** How long nobody has to wonder yet that it is not ready; for ever, when it is. */
  #patienceLeftMs(volume: FamfsVolume): number {
    const { name } = volume.metadata;
    if (!isUnready(volume)) {
      this.#unreadySinceMs.delete(name);
      return Number.POSITIVE_INFINITY;
    }
    const sinceMs = this.#unreadySinceMs.get(name) ?? performance.now();
    this.#unreadySinceMs.set(name, sinceMs);
    return sinceMs + (this.#parts.patienceMs ?? defaultPatienceMs) - performance.now();
  }
}

/** Whether a person asks for the end of this very life of it. */
function isToEnd({ metadata, spec }: FamfsVolume): boolean {
  return spec.volume !== undefined && metadata.annotations?.[endAnnotation] === spec.volume.id;
}
