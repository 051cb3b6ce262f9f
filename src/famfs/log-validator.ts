// Judges the entries of a log one after the other, each against all before it: any host that can write the memory can
// write the log, and famfs itself checks only a CRC. Must not read anything: it is given parsed entries.
import { type EntryBatch, entryWords } from './entry-batch.ts';
import { EntryStore } from './entry-store.ts';
import {
  directoryLayout,
  directoryType,
  type Extent,
  type FileEntry,
  fileLayout,
  fileType,
  type Interleave,
  type LogEntry,
  permissionBits,
  simpleExtents,
  simpleList,
} from './log-entry.ts';
import { logCapacity } from './log-header.ts';
import { PathIndex } from './path-index.ts';
import { pathProblem } from './path-rules.ts';
import { PlainPaths } from './plain-paths.ts';
import { logRefusal } from './refusal.ts';
import { type Space, SpaceAccount } from './space.ts';
import type { Superblock } from './superblock.ts';
import type { UnitRun } from './unit-bitmap.ts';

/** How many entries' paths are read before the first of them is judged: see PathIndex.touch. */
const lookAhead = 64;

/**
 * The accepted entries of one log. The rules, beyond what parseLogEntry demands of an entry alone:
 *
 * - the path by path-rules.ts; new in this log; its parent logged before, as a directory. famfs's own tools write a
 *   directory before what is in it, and `mkdir -p` logs no directory twice, so genuine logs keep this.
 * - mode: permission bits (with setuid, setgid, sticky) alone. famfs keeps the type out of it.
 * - size: more than 0 (`creat` refuses 0, while a size like 2^64-4096 does get into logs: famfs-kernel reference 12).
 * - extents: aligned to the allocation unit in place and length, not empty, behind the log, within the device (in
 *   bytes, although famfs's bitmap rounds the device up), taking no unit twice, and together long enough for the size.
 * - striped files: a chunk that is a power of two and a multiple of the unit; each strip as long as its share of chunks.
 *   Strips longer than that are fine: famfs gives all strips of a file the length of the longest.
 *
 * Owners are any number; `flags` and padding are not looked at. A refused entry changes nothing.
 */
export class LogValidator {
  readonly #account: SpaceAccount;
  readonly #deviceBytes: number;
  readonly #unitsPerByte: number;
  readonly #store = new EntryStore();
  readonly #paths: PathIndex;
  readonly #plainPaths: PlainPaths;

  constructor(superblock: Superblock) {
    this.#account = new SpaceAccount(superblock);
    this.#deviceBytes = Number(superblock.deviceSizeBytes);
    this.#unitsPerByte = 1 / this.#account.unitBytes;
    this.#paths = new PathIndex(this.#store, Number(logCapacity(superblock.logLengthBytes)));
    this.#plainPaths = new PlainPaths(lookAhead, this.#paths.seed);
  }

  /** How many entries were accepted. */
  get count(): number {
    return this.#store.count;
  }

  /** The accepted entries, in log order. Makes an object of each that is new since the last time. */
  get entries(): readonly LogEntry[] {
    return this.#store.all();
  }

  get space(): Space {
    return this.#account.space;
  }

  find(path: string): LogEntry | undefined {
    const index = this.#paths.find(path);
    return index < 0 ? undefined : this.#store.at(index);
  }

  /** Everything below a directory, however deep, in log order; '' is the root. Empty for a file or an unknown path. */
  below(path: string): LogEntry[] {
    if (path === '') return [...this.#store.all()];
    const index = this.#paths.find(path);
    if (index < 0) return [];
    const found = this.#paths.below(index);
    return found.sort((a, b) => a - b).flatMap((each) => this.#store.at(each) ?? []);
  }

  /** Accepts the next entry of the log. Throws DriverError `log-refused` with details `{entry, field, reason}`. */
  accept(entry: LogEntry): void {
    const index = this.#store.count;
    const parent = this.#judgePath(entry.path, index);
    if ((entry.mode & ~permissionBits) !== 0) {
      throw logRefusal(index, 'mode', `is 0${entry.mode.toString(8)}, which has more than permission bits`);
    }
    if (entry.kind === 'file') {
      this.#judgeFile(entry, index);
      this.#account.add(entry);
    }
    this.#store.add(entry);
    this.#paths.add(this.#paths.hashOf(Buffer.from(entry.path)), index, parent);
  }

  /**
   * Accepts the entries [from, to) of a batch as the next of the log, as long as they are whole and plain: a directory,
   * or a file with one simple extent, with an ASCII path whose first character is not a dot. Returns how many that
   * were; the one behind them, good or bad, is to be parsed and given to accept(). Exists for speed, makes no object,
   * has the same rules.
   */
  acceptPlain(batch: EntryBatch, from: number, to: number): number {
    for (let start = from; start < to; start += lookAhead) {
      const run = Math.min(lookAhead, to - start);
      for (let k = 0; k < run; k += 1) this.#readPath(batch.words, (start + k) * entryWords, k);
      this.#paths.touch(this.#plainPaths.hashes, run);
      for (let k = 0; k < run; k += 1) {
        if (!this.#acceptOne(batch, start + k, k)) return start + k - from;
      }
    }
    return to - from;
  }

  #readPath(words: Uint32Array, at: number, which: number): void {
    const layout = words[at + 2] === fileType ? fileLayout : directoryLayout;
    this.#plainPaths.read(words, at + layout.path / 4, which);
  }

  /** Accepts the i-th entry of a batch, whose path was read as path `which`, if it is whole and plain. */
  #acceptOne(batch: EntryBatch, i: number, which: number): boolean {
    const index = this.#store.count;
    const length = this.#plainPaths.length(which);
    if (length === 0 || !batch.isWhole(i, index)) return false;
    const { words } = batch;
    const at = i * entryWords;
    const type = words[at + 2];
    if (type !== fileType && type !== directoryType) return false;
    const layout = type === fileType ? fileLayout : directoryLayout;
    if (((words[at + layout.mode / 4] ?? 0) & ~permissionBits) !== 0) return false;
    const pathAt = at + layout.path / 4;
    const hash = this.#plainPaths.hashes[which] ?? 0;
    if (this.#paths.findWords(hash, words, pathAt, length) >= 0) return false;
    let parent = -1;
    const parentLength = this.#plainPaths.parentLength(which);
    if (parentLength > 0) {
      parent = this.#paths.findWords(this.#plainPaths.parentHash(which), words, pathAt, parentLength);
      if (parent < 0 || !this.#store.isDirectory(parent)) return false;
    }
    if (type === fileType && !this.#takePlainExtent(words, at)) return false;
    this.#store.addPlain(words, at);
    this.#paths.add(hash, index, parent);
    return true;
  }

  #takePlainExtent(words: Uint32Array, at: number): boolean {
    const list = at + simpleList / 4;
    const isPlain =
      words[at + fileLayout.extentType / 4] === simpleExtents &&
      words[at + fileLayout.extentCount / 4] === 1 &&
      words[list] === 0 &&
      words[list + 1] === 0;
    if (!isPlain) return false;
    const size = bytes64(words, at + fileLayout.size / 4);
    const offset = bytes64(words, list + 2);
    const length = bytes64(words, list + 4);
    if (size === 0 || size > length || offset + length > this.#deviceBytes) return false;
    const first = offset * this.#unitsPerByte;
    const count = length * this.#unitsPerByte;
    if (Math.floor(first) !== first || Math.floor(count) !== count) return false;
    return this.#account.takeIfFree(first, count);
  }

  /** Returns the index of the parent directory, -1 for the root. */
  #judgePath(path: string, index: number): number {
    const problem = pathProblem(path);
    if (problem !== undefined) throw logRefusal(index, 'path', `${JSON.stringify(path)} ${problem}`);
    const other = this.#paths.find(path);
    if (other >= 0) {
      throw logRefusal(index, 'path', `${JSON.stringify(path)} is a duplicate of entry ${other}`);
    }
    const end = path.lastIndexOf('/');
    if (end < 0) return -1;
    const parentPath = path.slice(0, end);
    const parent = this.#paths.find(parentPath);
    if (parent < 0) {
      throw logRefusal(
        index,
        'path',
        `${JSON.stringify(path)} has no parent: no directory ${JSON.stringify(parentPath)} was logged before it`,
      );
    }
    if (!this.#store.isDirectory(parent)) {
      throw logRefusal(
        index,
        'path',
        `${JSON.stringify(path)} uses the file of entry ${parent} as a directory`,
      );
    }
    return parent;
  }

  #judgeFile(entry: FileEntry, index: number): void {
    const size = Number(entry.sizeBytes);
    if (size === 0) throw logRefusal(index, 'size', 'is 0, which famfs never writes');
    if (size > this.#deviceBytes) {
      throw logRefusal(
        index,
        'size',
        `is ${entry.sizeBytes} bytes, more than the device’s ${this.#deviceBytes}`,
      );
    }
    const { extents } = entry;
    const runs: UnitRun[] = [];
    let total = 0;
    for (let i = 0; i < extents.length; i += 1) {
      const extent = extents[i];
      if (extent === undefined) break;
      runs.push(this.#judgeExtent(extent, i, runs, index));
      total += Number(extent.lengthBytes);
    }
    if (entry.interleave !== undefined) this.#judgeStrips(entry, entry.interleave, index);
    if (total < size) {
      throw logRefusal(
        index,
        'extents',
        `hold ${total} bytes together, too few for the size of ${entry.sizeBytes}`,
      );
    }
  }

  #judgeExtent(extent: Extent, which: number, earlier: readonly UnitRun[], index: number): UnitRun {
    const offset = Number(extent.offsetBytes);
    const length = Number(extent.lengthBytes);
    const { unitBytes, bitmap } = this.#account;
    if (length === 0) throw logRefusal(index, `extent ${which} length`, 'is 0');
    // Far beyond any device a number is no longer exact; the comparison with the device still holds.
    if (offset + length > this.#deviceBytes) {
      const end = extent.offsetBytes + extent.lengthBytes;
      const field = offset >= this.#deviceBytes ? 'offset' : 'length';
      throw logRefusal(
        index,
        `extent ${which} ${field}`,
        `leads to byte ${end}, past the end of the device at ${this.#deviceBytes}`,
      );
    }
    if (offset % unitBytes !== 0) {
      throw logRefusal(
        index,
        `extent ${which} offset`,
        `is ${offset}, not a multiple of the allocation unit ${unitBytes}`,
      );
    }
    if (length % unitBytes !== 0) {
      throw logRefusal(
        index,
        `extent ${which} length`,
        `is ${length}, not a multiple of the allocation unit ${unitBytes}`,
      );
    }
    const run = this.#account.unitsOf(extent);
    const taken = bitmap.firstTaken(run);
    if (taken !== undefined)
      throw logRefusal(index, `extent ${which} offset`, this.#overlapReason(offset, taken));
    for (const other of earlier) {
      if (run.first < other.first + other.count && other.first < run.first + run.count) {
        throw logRefusal(
          index,
          `extent ${which} offset`,
          `is ${offset}, which overlaps another extent of the same entry`,
        );
      }
    }
    return run;
  }

  #overlapReason(offset: number, unit: number): string {
    const at = BigInt(unit) * BigInt(this.#account.unitBytes);
    const owner = this.#store.ownerOf(at);
    return `is ${offset}, which overlaps ${owner === undefined ? 'the superblock or the log' : `entry ${owner}`} at byte ${at}`;
  }

  #judgeStrips(entry: FileEntry, interleave: Interleave, index: number): void {
    const { extents, sizeBytes } = entry;
    const { chunkBytes } = interleave;
    const unit = BigInt(this.#account.unitBytes);
    if (chunkBytes <= 0n || (chunkBytes & (chunkBytes - 1n)) !== 0n) {
      throw logRefusal(index, 'chunk size', `is ${chunkBytes}, not a power of two`);
    }
    if (chunkBytes % unit !== 0n) {
      throw logRefusal(
        index,
        'chunk size',
        `is ${chunkBytes}, not a multiple of the allocation unit ${unit}`,
      );
    }
    const strips = BigInt(extents.length);
    const wholeChunks = sizeBytes / chunkBytes;
    for (let i = 0n; i < strips; i += 1n) {
      const whole = (wholeChunks - i + strips - 1n) / strips;
      const rest = wholeChunks % strips === i ? sizeBytes % chunkBytes : 0n;
      const needed = (whole > 0n ? whole * chunkBytes : 0n) + rest;
      const length = extents[Number(i)]?.lengthBytes ?? 0n;
      if (length < needed) {
        throw logRefusal(
          index,
          `extent ${i} length`,
          `is ${length}, too short for the ${needed} bytes of its strip`,
        );
      }
    }
  }
}

/** A 64-bit figure as a number, exact as far as any device reaches. */
function bytes64(words: Uint32Array, at: number): number {
  return (words[at + 1] ?? 0) * 0x100000000 + (words[at] ?? 0);
}
