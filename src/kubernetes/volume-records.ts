// Records of volumes as FamfsVolume objects (docs/adr/0015): read from a cache, written on condition. The same class serves the
// controller, which sees them all, and the agent, which sees those of its node. Decides nothing.
import { isDeepStrictEqual } from 'node:util';
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { SlotRecord, VolumeRecord } from '../volumes/volume-record.ts';
import type { VolumeRecords } from '../volumes/volume-records.ts';
import type { ApiClient } from './api-client.ts';
import type { FamfsVolume, FamfsVolumeSpec, FamfsVolumeStatus } from './famfs-volume.ts';
import type { ObjectCache } from './object-cache.ts';
import { OwnWrites } from './own-writes.ts';
import { famfsVolumes } from './resources.ts';
import {
  objectNameOf,
  objectOfSlot,
  objectOfVolume,
  slotObjectNameOf,
  slotOfObject,
  specOfSlot,
  specOfVolume,
  statusOfSlot,
  statusOfVolume,
  volumeFinalizer,
  volumeOfObject,
} from './volume-object.ts';

export interface KubernetesVolumeRecordsParts {
  readonly client: Pick<ApiClient, 'get' | 'create' | 'update' | 'updateStatus' | 'remove'>;
  /** Started and stopped by whoever made it. */
  readonly cache: Pick<ObjectCache<FamfsVolume>, 'get' | 'list' | 'onChange' | 'synced'>;
  readonly log: Logger;
  /** When the cache follows the records of one node alone: that node. What has moved to another is not there any more. */
  readonly nodeName?: string;
}

/** What one object says: a volume, a slot, or nothing that this program understands. */
interface Reading {
  readonly volume: VolumeRecord | undefined;
  readonly slot: SlotRecord | undefined;
}

/** How long a call waits for the first list; whoever calls has no more patience for an API server that is away. */
const syncTimeoutMs = 10_000;

export class KubernetesVolumeRecords implements VolumeRecords {
  readonly #parts: KubernetesVolumeRecordsParts;
  readonly #own = new OwnWrites<FamfsVolume>();
  /** Names of which somebody else knows more than the cache here. */
  readonly #doubts = new Set<string>();
  /** Objects never change, so each is read once. */
  readonly #readings = new WeakMap<FamfsVolume, Reading>();
  /** What there is, until something changes. */
  #all: readonly Reading[] | undefined;
  #isSynced = false;

  constructor(parts: KubernetesVolumeRecordsParts) {
    this.#parts = parts;
    parts.cache.onChange(() => this.#changed());
  }

  async get(name: string): Promise<VolumeRecord | undefined> {
    await this.#untilSynced();
    const object = await this.#certain(objectNameOf(name));
    const volume = object && this.#read(object).volume;
    return volume?.name === name ? volume : undefined;
  }

  async list(): Promise<readonly VolumeRecord[]> {
    return (await this.#everything()).map(({ volume }) => volume).filter((volume) => volume !== undefined);
  }

  async create(record: Omit<VolumeRecord, 'version'>): Promise<VolumeRecord> {
    await this.#untilSynced();
    const object = await this.#write(objectNameOf(record.name), () =>
      this.#parts.client.create<FamfsVolume>(famfsVolumes, objectOfVolume(record)),
    );
    const created = this.#volumeIn(object);
    if (isDeepStrictEqual(created.status, record.status)) return created;
    return await this.update({ ...created, status: record.status });
  }

  async update(record: VolumeRecord): Promise<VolumeRecord> {
    const base = await this.#base(objectNameOf(record.name), record.version);
    const before = this.#volumeIn(base);
    const status = isDeepStrictEqual(record.status, before.status)
      ? undefined
      : statusOfVolume(record, base.status, new Date());
    return this.#volumeIn(await this.#replace(base, specOfVolume(record), status));
  }

  async remove(record: VolumeRecord): Promise<void> {
    await this.#remove(objectNameOf(record.name), record.version);
  }

  async slots(): Promise<readonly SlotRecord[]> {
    return (await this.#everything()).map(({ slot }) => slot).filter((slot) => slot !== undefined);
  }

  async createSlot(record: Omit<SlotRecord, 'version'>): Promise<SlotRecord> {
    await this.#untilSynced();
    const object = await this.#write(slotObjectNameOf(record.slot), () =>
      this.#parts.client.create<FamfsVolume>(famfsVolumes, objectOfSlot(record)),
    );
    const created = this.#slotIn(object);
    const wanted = { ...record, version: created.version };
    return isDeepStrictEqual(created, wanted) ? created : await this.updateSlot(wanted);
  }

  async updateSlot(record: SlotRecord): Promise<SlotRecord> {
    const base = await this.#base(slotObjectNameOf(record.slot), record.version);
    const { promisedTo, node } = record;
    const isReportSame = isDeepStrictEqual(record, { ...this.#slotIn(base), promisedTo, node });
    const status = isReportSame ? undefined : statusOfSlot(record, base.status, new Date());
    const deletedVolumes = base.spec.leftover?.deletedVolumes ?? 'Keep';
    return this.#slotIn(await this.#replace(base, specOfSlot(record, deletedVolumes), status));
  }

  async removeSlot(record: SlotRecord): Promise<void> {
    await this.#remove(slotObjectNameOf(record.slot), record.version);
  }

  onChange(listener: () => void): () => void {
    return this.#parts.cache.onChange(() => listener());
  }

  async #untilSynced(): Promise<void> {
    if (this.#isSynced) return;
    const signal = AbortSignal.timeout(syncTimeoutMs);
    try {
      await this.#parts.cache.synced(signal);
      this.#isSynced = true;
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new DriverError(
        'api-unavailable',
        'The API server has not told yet which volumes there are; the call is repeated. See that the controller can reach it.',
        { cause: error },
      );
    }
  }

  async #everything(): Promise<readonly Reading[]> {
    await this.#untilSynced();
    const isDoubtful = (name: string): boolean => this.#doubts.has(name) || this.#own.isDoubtful(name);
    const doubtful = new Set([...this.#doubts, ...this.#own.names()].filter(isDoubtful));
    await Promise.all([...doubtful].map((name) => this.#certain(name)));
    this.#all ??= this.#readAll();
    return this.#all;
  }

  #readAll(): readonly Reading[] {
    // Few names have been written lately, and thousands are there.
    const own = new Set(this.#own.names());
    const readings: Reading[] = [];
    const add = (object: FamfsVolume | undefined): void => {
      if (object !== undefined && this.#isOurs(object)) readings.push(this.#read(object));
    };
    for (const object of this.#parts.cache.list()) {
      const { name } = object.metadata;
      add(own.delete(name) ? this.#own.newest(name, object) : object);
    }
    for (const name of own) add(this.#own.newest(name, undefined));
    return readings;
  }

  #changed(): void {
    this.#all = undefined;
  }

  #newest(name: string): FamfsVolume | undefined {
    const newest = this.#own.newest(name, this.#parts.cache.get(name));
    return newest !== undefined && this.#isOurs(newest) ? newest : undefined;
  }

  #isOurs({ spec }: FamfsVolume): boolean {
    const { nodeName = spec.nodeName } = this.#parts;
    return spec.nodeName === nodeName;
  }

  /** The object as it is, asked for where the cache may be behind. */
  async #certain(name: string): Promise<FamfsVolume | undefined> {
    if (!this.#doubts.has(name) && !this.#own.isDoubtful(name)) return this.#newest(name);
    const known = this.#own.written(name);
    const found = await this.#parts.client.get<FamfsVolume>(famfsVolumes, name);
    this.#doubts.delete(name);
    this.#changed();
    const cached = this.#parts.cache.get(name);
    // What has moved away is remembered only until the cache has lost it.
    if (found !== undefined && (cached !== undefined || this.#isOurs(found))) this.#own.wrote(found);
    else if (found === undefined && cached !== undefined) this.#own.removed(cached);
    else this.#own.forget(name, known);
    return this.#newest(name);
  }

  /** What a write begins from: the object in the version that the writer has read. */
  async #base(name: string, version: string): Promise<FamfsVolume> {
    await this.#untilSynced();
    const known = this.#newest(name);
    if (known !== undefined && known.metadata.resourceVersion === version) return known;
    this.#doubts.add(name);
    throw new DriverError(
      'record-conflict',
      `The record ${JSON.stringify(name)} was changed by somebody else meanwhile.`,
    );
  }

  /** Spec and status are two requests, and mostly only one of them has changed. */
  async #replace(
    base: FamfsVolume,
    spec: FamfsVolumeSpec,
    status: FamfsVolumeStatus | undefined,
  ): Promise<FamfsVolume> {
    const { client } = this.#parts;
    const { name } = base.metadata;
    let object = base;
    if (!isDeepStrictEqual(spec, object.spec)) {
      const changed = { ...object, spec };
      object = await this.#write(name, () => client.update(famfsVolumes, changed));
    }
    if (status !== undefined) {
      const reported = { ...object, status };
      object = await this.#write(name, () => client.updateStatus(famfsVolumes, reported));
    }
    return object;
  }

  /** The finalizer goes first: a process that dies in between leaves a record that is removed as any other. */
  async #remove(name: string, version: string): Promise<void> {
    let object = await this.#base(name, version);
    const { client } = this.#parts;
    const { finalizers = [] } = object.metadata;
    if (finalizers.includes(volumeFinalizer)) {
      const metadata = {
        ...object.metadata,
        finalizers: finalizers.filter((each) => each !== volumeFinalizer),
      };
      const released = { ...object, metadata };
      object = await this.#write(name, () => client.update(famfsVolumes, released));
    }
    const { uid, resourceVersion } = object.metadata;
    await this.#orDoubt(name, () => client.remove(famfsVolumes, name, { uid, resourceVersion }));
    this.#own.removed(object);
    this.#changed();
  }

  async #write(name: string, write: () => Promise<FamfsVolume>): Promise<FamfsVolume> {
    const { metadata, ...rest } = await this.#orDoubt(name, write);
    const { managedFields: _, ...kept } = metadata as FamfsVolume['metadata'] & { managedFields?: unknown };
    const object: FamfsVolume = { ...rest, metadata: kept };
    this.#own.wrote(object);
    this.#changed();
    return object;
  }

  /** Whatever went wrong, the API server may hold something else than is known here. */
  async #orDoubt<T>(name: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      this.#doubts.add(name);
      throw error;
    }
  }

  #volumeIn(object: FamfsVolume): VolumeRecord {
    return this.#read(object).volume ?? misread(object);
  }

  #slotIn(object: FamfsVolume): SlotRecord {
    return this.#read(object).slot ?? misread(object);
  }

  #read(object: FamfsVolume): Reading {
    const known = this.#readings.get(object);
    if (known !== undefined) return known;
    const reading = this.#readAfresh(object);
    this.#readings.set(object, reading);
    return reading;
  }

  /** One object that nobody understands must not hide all others. */
  #readAfresh(object: FamfsVolume): Reading {
    try {
      return { volume: volumeOfObject(object), slot: slotOfObject(object) };
    } catch (error) {
      this.#parts.log.error('the record of a volume cannot be read', { name: object.metadata.name, error });
      return { volume: undefined, slot: undefined };
    }
  }
}

function misread({ metadata: { name } }: FamfsVolume): never {
  throw new DriverError(
    'api-invalid',
    `The FamfsVolume ${JSON.stringify(name)} says something else than was written. Make sure that the CRDs in the cluster are of the same version as the driver.`,
  );
}
