// Looks after FamfsVolumes that nobody is calling for (volumes/record-upkeep.ts): lets them follow the master when it moved, and
// tells people why one does not go on. Runs where the Lease is held.
import type { Logger } from '../observe/logger.ts';
import type { Pools } from '../volumes/pool-facts.ts';
import { tendRecords } from '../volumes/record-upkeep.ts';
import type { VolumeRecords } from '../volumes/volume-records.ts';
import { conditionOf, reasonOfCondition } from './conditions.ts';
import type { EventNote, EventRecorder } from './event-recorder.ts';
import type { FamfsPool } from './famfs-pool.ts';
import type { FamfsVolume } from './famfs-volume.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { NodeReports } from './node-reports.ts';
import type { ObjectCache } from './object-cache.ts';

export interface VolumeReconcilerParts {
  readonly famfsVolumes: Pick<ObjectCache<FamfsVolume>, 'get' | 'list' | 'onChange'>;
  readonly famfsPools: Pick<ObjectCache<FamfsPool>, 'onChange'>;
  readonly reports: Pick<NodeReports, 'onChange'>;
  readonly records: VolumeRecords;
  readonly pools: Pools;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly log: Logger;
}

/** The one thing to be done for all volumes together. */
const upkeep = 'upkeep';
const paceMs = 1_000;
const lookAgainMs = 30_000;

export class VolumeReconciler {
  readonly #parts: VolumeReconcilerParts;
  readonly #queue: KeyedQueue;
  /** What was told last about an object, by its name. */
  readonly #told = new Map<string, string>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #subscriptions: (() => void)[] = [];

  constructor(parts: VolumeReconcilerParts) {
    this.#parts = parts;
    this.#queue = new KeyedQueue({ work: () => this.#tend(), log: parts.log });
  }

  start(): void {
    const { famfsVolumes, famfsPools, reports } = this.#parts;
    const look = (): void => this.#queue.add(upkeep);
    this.#subscriptions = [
      famfsVolumes.onChange((name) => this.#tell(name)),
      famfsPools.onChange(look),
      reports.onChange(look),
    ];
    for (const { metadata } of famfsVolumes.list()) this.#tell(metadata.name);
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
    await tendRecords(this.#parts.records, this.#parts.pools);
    return lookAgainMs;
  }

  #tell(name: string): void {
    const object = this.#parts.famfsVolumes.get(name);
    const note = object && noteOn(object);
    if (object === undefined || note === undefined) {
      this.#told.delete(name);
      return;
    }
    const text = `${note.reason} ${note.message}`;
    if (this.#told.get(name) === text) return;
    this.#told.set(name, text);
    this.#parts.events.record(object, note);
  }
}

/** What a person should know who looks at the object. */
function noteOn({ metadata, spec, status }: FamfsVolume): EventNote | undefined {
  if (
    metadata.deletionTimestamp !== undefined &&
    spec.volume !== undefined &&
    spec.volume.deleting !== true
  ) {
    return {
      type: 'Warning',
      reason: 'RecordIsNeeded',
      message:
        'The record stays as long as its volume, which is deleted with its PersistentVolume. Until then the volume goes on as before.',
    };
  }
  const ready = conditionOf(status?.conditions, 'Ready');
  if (ready?.status !== 'False' || reasonOfCondition(ready.reason) === undefined) return undefined;
  return { type: 'Warning', reason: ready.reason, message: ready.message };
}
