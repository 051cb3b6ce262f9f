// Records of volumes in memory, with the rules of every store of records (volume-records-contract.ts): for tests that need
// thousands of stores. Several processes may have the same one open, as they have an API server.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { DriverError } from '../src/errors.ts';
import type { SlotRecord, VolumeRecord } from '../src/volumes/volume-record.ts';
import type { VolumeRecords } from '../src/volumes/volume-records.ts';

interface Versioned {
  readonly version: string;
}

export class MemoryRecords implements VolumeRecords {
  readonly #volumes = new Map<string, VolumeRecord>();
  readonly #slots = new Map<string, SlotRecord>();
  readonly #listeners = new Set<() => void>();
  #revision = 0;

  async get(name: string): Promise<VolumeRecord | undefined> {
    return this.#volumes.get(name);
  }

  async list(): Promise<readonly VolumeRecord[]> {
    return [...this.#volumes.values()];
  }

  async create(record: Omit<VolumeRecord, 'version'>): Promise<VolumeRecord> {
    return this.#put(this.#volumes, record.name, undefined, record);
  }

  async update(record: VolumeRecord): Promise<VolumeRecord> {
    const before = this.#volumes.get(record.name);
    if (before?.version === record.version) {
      const { status, ...said } = record;
      const { status: reported, ...saidBefore } = before;
      assertOneSide(isDeepStrictEqual(said, saidBefore), isDeepStrictEqual(status, reported));
    }
    return this.#put(this.#volumes, record.name, record.version, record);
  }

  async remove(record: VolumeRecord): Promise<void> {
    this.#drop(this.#volumes, record.name, record.version);
  }

  async slots(): Promise<readonly SlotRecord[]> {
    return [...this.#slots.values()];
  }

  async createSlot(record: Omit<SlotRecord, 'version'>): Promise<SlotRecord> {
    return this.#put(this.#slots, record.slot, undefined, record);
  }

  async updateSlot(record: SlotRecord): Promise<SlotRecord> {
    const before = this.#slots.get(record.slot);
    if (before?.version === record.version) {
      const { promisedTo, node } = record;
      const isSaidSame = promisedTo === before.promisedTo && node === before.node;
      assertOneSide(isSaidSame, isDeepStrictEqual(record, { ...before, promisedTo, node }));
    }
    return this.#put(this.#slots, record.slot, record.version, record);
  }

  async removeSlot(record: SlotRecord): Promise<void> {
    this.#drop(this.#slots, record.slot, record.version);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #put<R extends object>(
    records: Map<string, R & Versioned>,
    key: string,
    version: string | undefined,
    record: R,
  ): R & Versioned {
    requireVersion(records, key, version);
    const written = { ...record, version: String(++this.#revision) };
    records.set(key, written);
    this.#tell();
    return written;
  }

  #drop(records: Map<string, Versioned>, key: string, version: string): void {
    requireVersion(records, key, version);
    records.delete(key);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) queueMicrotask(listener);
  }
}

function requireVersion(
  records: ReadonlyMap<string, Versioned>,
  key: string,
  version: string | undefined,
): void {
  if (records.get(key)?.version === version) return;
  throw new DriverError('record-conflict', `The record ${JSON.stringify(key)} was changed meanwhile.`);
}

/** An API server takes what the controller says and what the node reports in two requests. */
function assertOneSide(isSaidSame: boolean, isReportSame: boolean): void {
  assert.ok(isSaidSame || isReportSame, 'an update changes what is said and what is reported at once');
}
