// Which volume a bind was made for. The kernel's mount table says that a bind exists, from where and how; it cannot say
// for whom. A record is a note pinned to the kernel's unique mount id, which is never used twice until the next boot,
// so a record can be stale but never wrong, and losing all of them loses no mount. (docs/adr/0010-bind-records.md)
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { atEffect } from '../linux/effect-point.ts';

const recordSchema = v.object({
  volumeId: v.string(),
  target: v.string(),
  poolUuid: v.string(),
  path: v.string(),
  writable: v.boolean(),
  allowExec: v.boolean(),
  soleTarget: v.boolean(),
  /** False while the files of a writable bind are still being put in place. */
  complete: v.boolean(),
});

export type BindRecord = v.InferOutput<typeof recordSchema>;

/** The records in one directory (on a file system that a reboot clears). All calls are short and synchronous. */
export class BindRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    atEffect('mkdir records', () => mkdirSync(directory, { recursive: true, mode: 0o700 }));
  }

  /** Writes the record of a mount id; a reader sees the whole record or none. */
  write(mountId: bigint, record: BindRecord): void {
    const file = this.#file(mountId);
    atEffect('write record', () => writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 }));
    atEffect('show record', () => renameSync(`${file}.new`, file));
  }

  /** The record of a mount id; undefined when there is none that can be read. */
  read(mountId: bigint): BindRecord | undefined {
    let text: string;
    try {
      text = readFileSync(this.#file(mountId), 'utf8');
    } catch {
      return undefined;
    }
    try {
      const parsed = v.safeParse(recordSchema, JSON.parse(text));
      return parsed.success ? parsed.output : undefined;
    } catch {
      return undefined;
    }
  }

  remove(mountId: bigint): void {
    atEffect('remove record', () => rmSync(this.#file(mountId), { force: true }));
  }

  /** Removes what a writer that was killed left half done; only while nobody writes. */
  removeUnfinished(): void {
    for (const name of readdirSync(this.#directory)) {
      if (/^\d+\.new$/.test(name)) rmSync(path.join(this.#directory, name), { force: true });
    }
  }

  /** Mount ids that have a record. */
  mountIds(): bigint[] {
    return readdirSync(this.#directory)
      .filter((name) => /^\d+$/.test(name))
      .map((name) => BigInt(name));
  }

  #file(mountId: bigint): string {
    return path.join(this.#directory, mountId.toString());
  }
}
