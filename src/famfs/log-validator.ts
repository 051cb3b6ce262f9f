// Judges the entries of a log one after the other, each against all before it: any host that can write the memory can
// write the log, and famfs itself checks only a CRC. Must not read anything: it is given parsed entries.
import { type Extent, type FileEntry, type Interleave, type LogEntry, permissionBits } from './log-entry.ts';
import { PathIndex } from './path-index.ts';
import { pathProblem } from './path-rules.ts';
import { logRefusal } from './refusal.ts';
import { type Space, SpaceAccount } from './space.ts';
import type { Superblock } from './superblock.ts';
import type { UnitRun } from './unit-bitmap.ts';

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
  readonly #paths = new PathIndex();
  readonly #entries: LogEntry[] = [];
  /** The directory of the entry before: most entries lie where the last one did. */
  #recentParent = '';
  #recentParentIndex = -1;

  constructor(superblock: Superblock) {
    this.#account = new SpaceAccount(superblock);
    this.#deviceBytes = Number(superblock.deviceSizeBytes);
  }

  /** The accepted entries, in log order. */
  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  get space(): Space {
    return this.#account.space;
  }

  find(path: string): LogEntry | undefined {
    const index = this.#paths.find(path);
    return index === undefined ? undefined : this.#entries[index];
  }

  /** Everything below a directory, however deep, in log order; '' is the root. Empty for a file or an unknown path. */
  below(path: string): LogEntry[] {
    if (path === '') return [...this.#entries];
    const index = this.#paths.find(path);
    if (index === undefined) return [];
    const found = this.#paths.below(index);
    return found.sort((a, b) => a - b).flatMap((each) => this.#entries[each] ?? []);
  }

  /** Accepts the next entry of the log. Throws DriverError `log-refused` with details `{entry, field, reason}`. */
  accept(entry: LogEntry): void {
    const index = this.#entries.length;
    const parent = this.#judgePath(entry.path, index);
    if ((entry.mode & ~permissionBits) !== 0) {
      throw logRefusal(index, 'mode', `is 0${entry.mode.toString(8)}, which has more than permission bits`);
    }
    if (entry.kind === 'file') {
      this.#judgeFile(entry, index);
      this.#account.add(entry);
    }
    this.#paths.add(entry.path, index, parent);
    this.#entries.push(entry);
  }

  /** Returns the index of the parent directory, -1 for the root. */
  #judgePath(path: string, index: number): number {
    const problem = pathProblem(path);
    if (problem !== undefined) throw logRefusal(index, 'path', `${JSON.stringify(path)} ${problem}`);
    const other = this.#paths.find(path);
    if (other !== undefined) {
      throw logRefusal(index, 'path', `${JSON.stringify(path)} is a duplicate of entry ${other}`);
    }
    const slash = path.lastIndexOf('/');
    if (slash < 0) return -1;
    if (slash === this.#recentParent.length && path.startsWith(this.#recentParent))
      return this.#recentParentIndex;
    const parentPath = path.slice(0, slash);
    const parent = this.#paths.find(parentPath);
    if (parent === undefined) {
      throw logRefusal(
        index,
        'path',
        `${JSON.stringify(path)} has no parent: no directory ${JSON.stringify(parentPath)} was logged before it`,
      );
    }
    if (this.#entries[parent]?.kind !== 'directory') {
      throw logRefusal(
        index,
        'path',
        `${JSON.stringify(path)} uses the file of entry ${parent} as a directory`,
      );
    }
    this.#recentParent = parentPath;
    this.#recentParentIndex = parent;
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
    const owner = this.#entries.findIndex(
      (entry) =>
        entry.kind === 'file' &&
        entry.extents.some(
          (extent) => at >= extent.offsetBytes && at < extent.offsetBytes + extent.lengthBytes,
        ),
    );
    return `is ${offset}, which overlaps ${owner < 0 ? 'the superblock or the log' : `entry ${owner}`} at byte ${at}`;
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
