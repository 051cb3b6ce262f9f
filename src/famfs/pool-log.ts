// The log of one pool, read again whenever it may have grown and validated before anyone sees it.
// Must not know where the bytes come from or what the entries are wanted for.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import { EntryBatch } from './entry-batch.ts';
import { integrityProblem, type LogEntry, logEntryBytes, parseLogEntry } from './log-entry.ts';
import {
  type LogHeader,
  logEntryOffset,
  logHeaderBytes,
  parseLogHeader,
  requireTrustworthyLogHeader,
} from './log-header.ts';
import type { LogSource } from './log-source.ts';
import { LogValidator } from './log-validator.ts';
import { logRefusal, superblockRefusal } from './refusal.ts';
import type { Space } from './space.ts';
import { parseSuperblock, requireTrustworthySuperblock, type Superblock } from './superblock.ts';

/** About 1 MiB, which is read at once. */
const batchEntries = 1900;
/** After so much work the process turns to others: by the clock, since code that is not compiled yet is slow. */
const turnMs = 3;
/** How many entries are judged between two looks at the clock. */
const longestRun = 64;

export interface RefreshResult {
  /** Whether the header differs from the one of the last refresh that succeeded. */
  readonly changed: boolean;
  /** How many entries were accepted. */
  readonly added: number;
}

/** What is known once a superblock was accepted. */
interface Pool {
  readonly superblock: Superblock;
  readonly validator: LogValidator;
}

/**
 * An incremental reader. The first refresh() reads everything; each one after it costs a single read of 48 bytes
 * while the log has not moved, and else the superblock (twice, 200 bytes) and the new entries.
 *
 * What was accepted stays: a refusal of a later entry leaves those before it in place, and the next refresh() begins
 * at the refused one. A pool that was formatted anew ends the reader with `pool-reformatted`, until reset().
 * famfs appends without atomicity, so an entry that is not whole (CRC or sequence number) is read a second time
 * before it is refused; isNotYet() tells of the refusal whether it may be an append that is still under way.
 */
export class PoolLog {
  readonly #source: LogSource;
  #pool: Pool | undefined;
  #header: LogHeader | undefined;
  #headerBytes: Buffer | undefined;
  #reformatted: DriverError | undefined;
  #running: Promise<RefreshResult> | undefined;
  #following: Promise<RefreshResult> | undefined;

  constructor(source: LogSource) {
    this.#source = source;
  }

  /** The superblock. Throws DriverError `pool-not-ready` before the first refresh. */
  get superblock(): Superblock {
    return this.#loaded().superblock;
  }

  /** The header of the last refresh that succeeded. Throws DriverError `pool-not-ready` before the first. */
  get header(): LogHeader {
    if (this.#header === undefined) throw notRead();
    return this.#header;
  }

  /** The accepted entries, in log order. */
  get entries(): readonly LogEntry[] {
    return this.#loaded().validator.entries;
  }

  /** How many entries were accepted. */
  get entryCount(): number {
    return this.#loaded().validator.count;
  }

  /** The space of the pool as of the accepted entries. */
  get space(): Space {
    return this.#loaded().validator.space;
  }

  /** The entry with exactly this path, relative to the pool's root. */
  find(path: string): LogEntry | undefined {
    return this.#loaded().validator.find(path);
  }

  /** All entries below a directory, however deep, without itself, in log order; '' is the root. */
  below(path: string): LogEntry[] {
    return this.#loaded().validator.below(path);
  }

  /** Whether refresh() would find another header than the last one that succeeded: one read of 48 bytes. */
  async hasMoved(): Promise<boolean> {
    if (this.#headerBytes === undefined) return true;
    return !(await this.#source.readLog(0, logHeaderBytes)).equals(this.#headerBytes);
  }

  /**
   * Reads what is new. Callers meet: whoever comes while a refresh runs gets the result of one that began later.
   * Throws DriverError `superblock-refused`, `log-refused` or `pool-reformatted`, and the source's own errors.
   */
  refresh(): Promise<RefreshResult> {
    if (this.#running === undefined) {
      this.#running = this.#refresh().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#following ??= this.#running.then(
      () => this.#follow(),
      () => this.#follow(),
    );
    return this.#following;
  }

  /** Reads the superblock and compares it with the one of the first refresh. Throws like refresh(). */
  async verifyIdentity(): Promise<void> {
    const superblock = parseSuperblock(await this.#source.readSuperblock());
    requireTrustworthySuperblock(superblock);
    const pool = this.#pool;
    if (pool === undefined) {
      this.#pool = { superblock, validator: new LogValidator(superblock) };
      return;
    }
    const known = pool.superblock;
    if (superblock.fileSystemUuid !== known.fileSystemUuid) {
      throw this.#endReformatted(
        `the superblock now names file system ${superblock.fileSystemUuid}`,
        superblock.fileSystemUuid,
      );
    }
    for (const [field, key] of geometryFields) {
      if (superblock[key] !== known[key]) {
        throw superblockRefusal(
          field,
          `changed from ${known[key]} to ${superblock[key]} while the UUID stayed`,
        );
      }
    }
  }

  /** Forgets everything, as for a pool that was formatted anew on purpose. Not while a refresh runs. */
  reset(): void {
    this.#pool = undefined;
    this.#header = undefined;
    this.#headerBytes = undefined;
    this.#reformatted = undefined;
  }

  /** Closes the source. */
  close(): void {
    this.#source.close();
  }

  #follow(): Promise<RefreshResult> {
    this.#following = undefined;
    return this.refresh();
  }

  async #refresh(): Promise<RefreshResult> {
    if (this.#reformatted !== undefined) throw this.#reformatted;
    const headerBytes = Buffer.from(await this.#source.readLog(0, logHeaderBytes));
    if (this.#headerBytes?.equals(headerBytes)) return { changed: false, added: 0 };
    await this.verifyIdentity();
    const { superblock, validator } = this.#loaded();
    const before = validator.count;
    const read = await this.#readHeader(headerBytes, superblock);
    const count = Number(read.header.nextIndex);
    if (count < before) {
      throw this.#endReformatted(
        `its log went back from ${before} entries to ${count}`,
        superblock.fileSystemUuid,
      );
    }
    try {
      await this.#readEntries(validator, count);
    } finally {
      // A format between the reads above would mix two pools; it also explains a refusal better than the entry does.
      await this.verifyIdentity();
    }
    this.#header = read.header;
    this.#headerBytes = read.bytes;
    return { changed: true, added: count - before };
  }

  /** Judges a header; one whose counters are caught between two stores is read once more. */
  async #readHeader(bytes: Buffer, superblock: Superblock): Promise<{ header: LogHeader; bytes: Buffer }> {
    try {
      return { header: judgeHeader(bytes, superblock), bytes };
    } catch {
      const again = Buffer.from(await this.#source.readLog(0, logHeaderBytes));
      return { header: judgeHeader(again, superblock), bytes: again };
    }
  }

  /** Reads and judges the entries up to `count`, a batch at a time; the next one is on its way meanwhile. */
  async #readEntries(validator: LogValidator, count: number): Promise<void> {
    let current = this.#startBatch(validator.count, count, undefined);
    let spare: EntryBatch | undefined;
    try {
      while (current !== undefined) {
        const { batch, first, wanted } = current;
        const bytes = await current.bytes;
        current = this.#startBatch(first + wanted, count, spare);
        spare = batch;
        await this.#judgeBatch(validator, batch, bytes, first, wanted, count);
        await nextTurn();
      }
    } finally {
      // Whoever closes the source after a refusal must not do so under a read.
      await current?.bytes.catch(() => undefined);
    }
  }

  async #judgeBatch(
    validator: LogValidator,
    batch: EntryBatch,
    bytes: Buffer,
    first: number,
    wanted: number,
    count: number,
  ): Promise<void> {
    const whole = Math.floor(bytes.length / logEntryBytes);
    let turnEndsMs = performance.now() + turnMs;
    let run = longestRun;
    for (let i = 0; i < wanted; ) {
      const end = Math.max(i, Math.min(i + run, whole));
      const accepted = validator.acceptPlain(batch, i, end);
      i += accepted;
      if (accepted > 0 && i === end) {
        run = Math.min(run * 2, longestRun);
      } else {
        const entry = this.#entryAt(bytes, i, first, count);
        validator.accept(entry instanceof Promise ? await entry : entry);
        i += 1;
        run = 1;
      }
      if (performance.now() < turnEndsMs) continue;
      await nextTurn();
      turnEndsMs = performance.now() + turnMs;
    }
  }

  #startBatch(first: number, count: number, spare: EntryBatch | undefined): RunningBatch | undefined {
    if (first >= count) return undefined;
    const wanted = Math.min(batchEntries, count - first);
    const batch = spare ?? new EntryBatch(wanted);
    const bytes = this.#readInto(batch, first, wanted);
    // A failure is for whoever awaits the batch; until then it must not end the process.
    bytes.catch(() => undefined);
    return { batch, first, wanted, bytes };
  }

  /** Fills a batch with entries from `first`. Returns the part of it that was filled. */
  async #readInto(batch: EntryBatch, first: number, wanted: number): Promise<Buffer> {
    const length = wanted * logEntryBytes;
    const got = await this.#source.readLog(logEntryOffset(first), length, batch.bytes);
    if (got.buffer !== batch.bytes.buffer) got.copy(batch.bytes);
    return batch.bytes.subarray(0, got.length);
  }

  /** Entry `first + i` from a batch, or from the source again where the batch has it not whole. */
  #entryAt(bytes: Buffer, i: number, first: number, count: number): LogEntry | Promise<LogEntry> {
    try {
      return parseLogEntry(bytes, first + i, i * logEntryBytes);
    } catch (error) {
      return this.#entryAgain(error, bytes, i, first, count);
    }
  }

  async #entryAgain(
    error: unknown,
    bytes: Buffer,
    i: number,
    first: number,
    count: number,
  ): Promise<LogEntry> {
    const index = first + i;
    if (!isIntegrityRefusal(error)) throw error;
    const again = await this.#source.readLog(logEntryOffset(index), logEntryBytes);
    try {
      return parseLogEntry(again, index);
    } catch (stillBad) {
      if (!(stillBad instanceof DriverError) || !isIntegrityRefusal(stillBad)) throw stillBad;
      const { field, reason } = stillBad.details;
      const notYet =
        first + Math.floor(bytes.length / logEntryBytes) === count && isTornTail(bytes, i, first);
      throw logRefusal(index, String(field), String(reason), { notYet });
    }
  }

  #loaded(): Pool {
    if (this.#pool === undefined) throw notRead();
    return this.#pool;
  }

  #endReformatted(finding: string, foundUuid: string): DriverError {
    const expectedUuid = this.#pool?.superblock.fileSystemUuid ?? foundUuid;
    this.#reformatted = new DriverError(
      'pool-reformatted',
      `Pool ${expectedUuid} was formatted anew: ${finding}. Nothing of the old pool can be used any more.`,
      { details: { expectedUuid, foundUuid } },
    );
    return this.#reformatted;
  }
}

/** A batch that is being filled with `wanted` entries from `first`. */
interface RunningBatch {
  readonly batch: EntryBatch;
  readonly first: number;
  readonly wanted: number;
  readonly bytes: Promise<Buffer>;
}

const geometryFields = [
  ['log length', 'logLengthBytes'],
  ['allocation unit', 'allocationUnitBytes'],
  ['device size', 'deviceSizeBytes'],
] as const;

function judgeHeader(bytes: Buffer, superblock: Superblock): LogHeader {
  const header = parseLogHeader(bytes);
  requireTrustworthyLogHeader(header, superblock.logLengthBytes);
  return header;
}

function isIntegrityRefusal(error: unknown): boolean {
  if (!(error instanceof DriverError)) return false;
  return error.details.field === 'crc' || error.details.field === 'seqnum';
}

/** Whether no entry from the i-th of a batch to its end is whole: what appends under way look like, not damage. */
function isTornTail(bytes: Buffer, i: number, first: number): boolean {
  for (let each = i; (each + 1) * logEntryBytes <= bytes.length; each += 1) {
    if (integrityProblem(bytes, each * logEntryBytes, first + each) === undefined) return false;
  }
  return true;
}

function notRead(): DriverError {
  return new DriverError('pool-not-ready', 'The log of the pool has not been read yet.');
}
