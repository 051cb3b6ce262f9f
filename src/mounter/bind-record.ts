// Which volume a bind was made for. The kernel's mount table says that a bind exists, from where and how; it cannot say
// for whom. A record is a note pinned to the kernel's unique mount id, which is never used twice until the next boot,
// so a record can be stale but never wrong, and losing all of them loses no mount. The id counts in one mount namespace; in
// another one the registry finds the mount again. (docs/adr/0010-bind-records.md)
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { DriverError, exhaustedLimit } from '../errors.ts';
import { atEffect } from '../linux/effect-point.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';

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

/**
 * The records in one directory (on a file system that a reboot clears). All calls are short and synchronous. The directory
 * may be taken away, filled up or made read-only at any time: then no new record can be made, and everything else goes on.
 */
export class BindRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    try {
      this.#make();
    } catch {
      // Who writes the first record is told.
    }
  }

  /**
   * Writes the record of a mount id; a reader sees the whole record or none, and a failed try leaves nothing.
   * @throws DriverError `resource-exhausted`, `operation-pending` or `state-unusable`
   */
  write(mountId: bigint, record: BindRecord): void {
    const file = this.#file(mountId);
    try {
      atEffect('write record', () => this.#writeNew(`${file}.new`, JSON.stringify(record)));
      atEffect('show record', () => renameSync(`${file}.new`, file));
    } catch (error) {
      removeIfPossible(`${file}.new`);
      throw noteFailure(error, this.#directory);
    }
  }

  #writeNew(file: string, text: string): void {
    try {
      writeFileSync(file, text, { mode: 0o600 });
    } catch (error) {
      if (errorCodeOf(error) !== 'ENOENT') throw error;
      this.#make();
      writeFileSync(file, text, { mode: 0o600 });
    }
  }

  #make(): void {
    atEffect('mkdir records', () => mkdirSync(this.#directory, { recursive: true, mode: 0o700 }));
  }

  /**
   * The record of a mount id; undefined when there is none that can be read.
   * @throws DriverError `resource-exhausted` or `operation-pending` when it could be read at another time
   */
  read(mountId: bigint): BindRecord | undefined {
    let text: string;
    try {
      text = readFileSync(this.#file(mountId), 'utf8');
    } catch (error) {
      const failure = noteFailure(error, this.#directory);
      if (failure.reason !== 'state-unusable') throw failure;
      return undefined;
    }
    return parseRecord(text);
  }

  /** A record that cannot be removed stays, which does no harm: it speaks of a mount id that is not used again. */
  remove(mountId: bigint): void {
    atEffect('remove record', () => removeIfPossible(this.#file(mountId)));
  }

  /**
   * Removes what a writer that was killed left half done; only while nobody writes, or with the UUID of a pool, while
   * nobody writes for that pool. A text that was cut off says no pool, and waits for the next start.
   */
  removeUnfinished(poolUuid?: string): void {
    for (const name of this.#names()) {
      if (!/^\d+\.new$/.test(name)) continue;
      const file = path.join(this.#directory, name);
      if (poolUuid === undefined || parseRecord(readOrNothing(file))?.poolUuid === poolUuid)
        removeIfPossible(file);
    }
  }

  /** Mount ids that have a record. */
  mountIds(): bigint[] {
    return this.#names()
      .filter((name) => /^\d+$/.test(name))
      .map((name) => BigInt(name));
  }

  #names(): string[] {
    try {
      return readdirSync(this.#directory);
    } catch (error) {
      if (errorCodeOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  #file(mountId: bigint): string {
    return path.join(this.#directory, mountId.toString());
  }
}

function parseRecord(text: string): BindRecord | undefined {
  try {
    const parsed = v.safeParse(recordSchema, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function removeIfPossible(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // Read-only, or a disk that fails: whoever writes next is told.
  }
}

function noteFailure(error: unknown, directory: string): DriverError {
  const cause = { cause: error };
  const why = error instanceof Error ? error.message : String(error);
  const limit = exhaustedLimit(error);
  if (limit !== undefined) {
    return new DriverError(
      'resource-exhausted',
      `The mounter can note no bind in its state directory ${directory}, so none is made: the node has no more ${limit} (${why}). Make room there; nothing has to be restarted.`,
      cause,
    );
  }
  const code = errorCodeOf(error);
  if (code === 'EINTR' || code === 'EAGAIN') {
    return new DriverError('operation-pending', `Noting a bind was disturbed (${why}); try again.`, cause);
  }
  return new DriverError(
    'state-unusable',
    `The mounter cannot note a bind in its state directory ${directory}, so none is made (${why}). Make that directory writable; nothing has to be restarted.`,
    cause,
  );
}
