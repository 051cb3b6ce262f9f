// Records of volumes in one file of one host, for the role that runs without Kubernetes. Written whole and atomically:
// a reader, and a process that was killed, sees the old file or the new one.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import type { SlotRecord, VolumeRecord } from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';

interface Contents {
  readonly format: 1;
  /** counts writes; versions come from it */
  readonly revision: number;
  readonly volumes: Readonly<Record<string, VolumeRecord>>;
  readonly slots: Readonly<Record<string, SlotRecord>>;
}

type Kind = 'volumes' | 'slots';

/** For one process at a time; who opens it holds a lock on it. */
export class FileRecords implements VolumeRecords {
  readonly #path: string;
  readonly #listeners = new Set<() => void>();
  #contents: Contents;

  /**
   * @param filePath the file, made when it is missing; its folder exists
   * @throws DriverError `config-invalid` when there is a file that is not one of ours
   */
  constructor(filePath: string) {
    this.#path = filePath;
    this.#contents = existsSync(filePath)
      ? read(filePath)
      : { format: 1, revision: 0, volumes: {}, slots: {} };
  }

  async get(name: string): Promise<VolumeRecord | undefined> {
    return Object.hasOwn(this.#contents.volumes, name) ? this.#contents.volumes[name] : undefined;
  }

  async list(): Promise<readonly VolumeRecord[]> {
    return Object.values(this.#contents.volumes);
  }

  async create(record: Omit<VolumeRecord, 'version'>): Promise<VolumeRecord> {
    return this.#put('volumes', record.name, undefined, record);
  }

  async update(record: VolumeRecord): Promise<VolumeRecord> {
    return this.#put('volumes', record.name, record.version, record);
  }

  async remove(record: VolumeRecord): Promise<void> {
    this.#drop('volumes', record.name, record.version);
  }

  async slots(): Promise<readonly SlotRecord[]> {
    return Object.values(this.#contents.slots);
  }

  async createSlot(record: Omit<SlotRecord, 'version'>): Promise<SlotRecord> {
    return this.#put('slots', record.slot, undefined, record);
  }

  async updateSlot(record: SlotRecord): Promise<SlotRecord> {
    return this.#put('slots', record.slot, record.version, record);
  }

  async removeSlot(record: SlotRecord): Promise<void> {
    this.#drop('slots', record.slot, record.version);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #put<R extends object>(
    kind: Kind,
    key: string,
    version: string | undefined,
    record: R,
  ): R & { version: string } {
    this.#requireVersion(kind, key, version);
    const revision = this.#contents.revision + 1;
    const written = { ...record, version: String(revision) };
    this.#write({
      ...this.#contents,
      revision,
      [kind]: { ...this.#contents[kind], [key]: written },
    });
    return written;
  }

  #drop(kind: Kind, key: string, version: string): void {
    this.#requireVersion(kind, key, version);
    const { [key]: _gone, ...rest } = this.#contents[kind];
    this.#write({ ...this.#contents, revision: this.#contents.revision + 1, [kind]: rest });
  }

  #requireVersion(kind: Kind, key: string, version: string | undefined): void {
    const records: Readonly<Record<string, { readonly version: string }>> = this.#contents[kind];
    const found = Object.hasOwn(records, key) ? records[key]?.version : undefined;
    if (found === version) return;
    throw new DriverError(
      'record-conflict',
      `The record ${JSON.stringify(key)} was changed by somebody else meanwhile.`,
    );
  }

  #write(contents: Contents): void {
    writeWhole(this.#path, JSON.stringify(contents, asText, 1));
    this.#contents = contents;
    for (const listener of this.#listeners) queueMicrotask(listener);
  }
}

function read(filePath: string): Contents {
  try {
    const contents = JSON.parse(readFileSync(filePath, 'utf8'), fromText) as Partial<Contents>;
    if (contents.format === 1 && contents.volumes !== undefined && contents.slots !== undefined)
      return contents as Contents;
  } catch (error) {
    throw new DriverError(
      'config-invalid',
      `The records in ${filePath} cannot be read; give another file, or bring back a copy of it.`,
      { cause: error },
    );
  }
  throw new DriverError('config-invalid', `${filePath} is not a file of volume records of this version.`);
}

/** Temporary file, fsync, rename, fsync of the folder: the file is the old one or the new one after any crash. */
function writeWhole(filePath: string, text: string): void {
  const temporary = `${filePath}.new`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, filePath);
  const folder = openSync(path.dirname(filePath), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** JSON has no bigint: `{"$bytes": "123"}`. */
function asText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? { $bytes: value.toString() } : value;
}

function fromText(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$bytes' in value)) return value;
  return typeof value.$bytes === 'string' && /^\d{1,19}$/.test(value.$bytes) ? BigInt(value.$bytes) : value;
}
