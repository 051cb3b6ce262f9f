// Records of volumes in one file of one host, for the role that runs without Kubernetes. A journal: every write adds a line, so
// that it costs the same however many volumes there are, and a process that is killed leaves all lines whole but the last.
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import type { SlotRecord, VolumeRecord } from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';

type Kind = 'volumes' | 'slots';

/** One line: a record as it was written, or that it is gone. */
interface Line {
  readonly kind: Kind;
  readonly key: string;
  /** counts writes; versions come from it */
  readonly revision: number;
  /** missing: the record was removed */
  readonly record?: VolumeRecord | SlotRecord;
}

/** The first line of every file. */
export const recordsHeader = '{"format":1,"is":"volume records of famfs-csi"}';

/** A journal is written anew when it has so many lines more than records. */
const sparseLines = 1_000;

/** For one process at a time; who opens it holds a lock on it. */
export class FileRecords implements VolumeRecords {
  readonly #path: string;
  readonly #listeners = new Set<() => void>();
  readonly #records = { volumes: new Map<string, VolumeRecord>(), slots: new Map<string, SlotRecord>() };
  #revision = 0;
  #length = 0;
  #lines = 0;

  /**
   * @param filePath the file, made when it is missing; its folder exists
   * @throws DriverError `config-invalid` when there is a file that is not one of ours
   */
  constructor(filePath: string) {
    this.#path = filePath;
    if (existsSync(filePath)) for (const line of readLines(filePath)) this.#apply(line);
    this.#writeAnew();
  }

  async get(name: string): Promise<VolumeRecord | undefined> {
    return this.#records.volumes.get(name);
  }

  async list(): Promise<readonly VolumeRecord[]> {
    return [...this.#records.volumes.values()];
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
    return [...this.#records.slots.values()];
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
    const revision = this.#revision + 1;
    const written = { ...record, version: String(revision) };
    this.#write({ kind, key, revision, record: written as R & (VolumeRecord | SlotRecord) });
    return written;
  }

  #drop(kind: Kind, key: string, version: string): void {
    this.#requireVersion(kind, key, version);
    this.#write({ kind, key, revision: this.#revision + 1 });
  }

  #requireVersion(kind: Kind, key: string, version: string | undefined): void {
    if (this.#records[kind].get(key)?.version === version) return;
    throw new DriverError(
      'record-conflict',
      `The record ${JSON.stringify(key)} was changed by somebody else meanwhile.`,
    );
  }

  /** On the disk first. What a full disk took of a line is cut off again. */
  #write(line: Line): void {
    const bytes = Buffer.from(`${textOf(line)}\n`);
    const fd = openSync(this.#path, 'r+');
    try {
      for (let done = 0; done < bytes.length; )
        done += writeSync(fd, bytes, done, bytes.length - done, this.#length + done);
      fdatasyncSync(fd);
    } catch (error) {
      ftruncateSync(fd, this.#length);
      throw error;
    } finally {
      closeSync(fd);
    }
    this.#length += bytes.length;
    this.#lines += 1;
    this.#apply(line);
    for (const listener of this.#listeners) queueMicrotask(listener);
    if (this.#lines > this.#records.volumes.size + this.#records.slots.size + sparseLines) this.#writeAnew();
  }

  #apply({ kind, key, revision, record }: Line): void {
    this.#revision = Math.max(this.#revision, revision);
    const records: Map<string, VolumeRecord | SlotRecord> = this.#records[kind];
    if (record === undefined) records.delete(key);
    else records.set(key, record);
  }

  /** Temporary file, fsync, rename, fsync of the folder: the file is the old one or the new one after any crash. */
  #writeAnew(): void {
    const lines = (['volumes', 'slots'] as const).flatMap((kind) =>
      [...this.#records[kind]].map(([key, record]) =>
        textOf({ kind, key, revision: this.#revision, record }),
      ),
    );
    const text = `${[recordsHeader, ...lines].join('\n')}\n`;
    const temporary = `${this.#path}.new`;
    const fd = openSync(temporary, 'w', 0o600);
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, this.#path);
    const folder = openSync(path.dirname(this.#path), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
    this.#length = Buffer.byteLength(text);
    this.#lines = lines.length;
  }
}

/** @throws DriverError `config-invalid` for what no process of ours has written */
function readLines(filePath: string): Line[] {
  const [first, ...lines] = readFileSync(filePath, 'utf8').split('\n');
  if (first !== recordsHeader)
    throw new DriverError('config-invalid', `${filePath} is not a file of volume records of this version.`);
  // Whatever follows the last end of a line was cut off while it was written, and nobody was told that it is there.
  lines.pop();
  return lines.map((line, index) => {
    try {
      return JSON.parse(line, fromText) as Line;
    } catch (error) {
      throw new DriverError(
        'config-invalid',
        `Line ${index + 2} of the records in ${filePath} cannot be read; give another file, or bring back a copy of it.`,
        { cause: error },
      );
    }
  });
}

function textOf(line: Line): string {
  return JSON.stringify(line, asText);
}

/** JSON has no bigint: `{"$bytes": "123"}`. */
function asText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? { $bytes: value.toString() } : value;
}

function fromText(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$bytes' in value)) return value;
  return typeof value.$bytes === 'string' && /^\d{1,19}$/.test(value.$bytes) ? BigInt(value.$bytes) : value;
}
