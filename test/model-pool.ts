// A famfs pool in memory, by famfs's own rules as far as provisioning meets them: a file is one run of units, first fit, for ever;
// every file and every directory costs an entry of the log; new files hold whatever was there before.
import { DriverError } from '../src/errors.ts';
import type { PoolUuid } from '../src/volumes/ids.ts';
import type { DeletedVolumes } from '../src/volumes/pool-facts.ts';

export interface ModelFile {
  readonly firstUnit: number;
  readonly units: number;
  isZero: boolean;
}

export interface ModelPoolOptions {
  readonly name: string;
  readonly uuid: PoolUuid;
  readonly units: number;
  readonly logEntries: number;
  readonly deletedVolumes: DeletedVolumes;
  /** The node that can create files. */
  readonly master: string;
}

export class ModelPool {
  readonly name: string;
  readonly uuid: PoolUuid;
  readonly deletedVolumes: DeletedVolumes;
  master: string;
  readonly files = new Map<string, ModelFile>();
  readonly directories = new Set<string>();
  readonly units: number;
  readonly logEntries: number;
  readonly #taken: boolean[];

  constructor({ name, uuid, units, logEntries, deletedVolumes, master }: ModelPoolOptions) {
    this.name = name;
    this.uuid = uuid;
    this.units = units;
    this.logEntries = logEntries;
    this.deletedVolumes = deletedVolumes;
    this.master = master;
    this.#taken = Array.from({ length: units }, () => false);
  }

  get entriesUsed(): number {
    return this.files.size + this.directories.size;
  }

  get freeUnits(): number {
    return this.#taken.filter((isTaken) => !isTaken).length;
  }

  get longestFreeRun(): number {
    let longest = 0;
    let run = 0;
    for (const isTaken of this.#taken) {
      run = isTaken ? 0 : run + 1;
      longest = Math.max(longest, run);
    }
    return longest;
  }

  /** Whether so many files of that size could all be made, one after the other. */
  fits(count: number, units: number): boolean {
    let left = count;
    for (let run = 0, unit = 0; unit < this.units && left > 0; unit++) {
      run = this.#taken[unit] === true ? 0 : run + 1;
      if (run < units) continue;
      left--;
      run = 0;
    }
    return left === 0;
  }

  makeDirectory(path: string): void {
    if (this.directories.has(path)) return;
    this.#requireEntry();
    this.directories.add(path);
  }

  /** @throws DriverError `log-full`, `out-of-space`, `exists-differently` */
  makeFile(path: string, units: number): void {
    if (this.files.has(path)) throw new DriverError('exists-differently', `there is ${path}`);
    this.#requireEntry();
    const firstUnit = this.#firstFit(units);
    if (firstUnit === undefined) throw new DriverError('out-of-space', `no run of ${units} units`);
    this.#taken.fill(true, firstUnit, firstUnit + units);
    this.files.set(path, { firstUnit, units, isZero: false });
  }

  filesIn(directory: string): ModelFile[] {
    return [...this.files].filter(([path]) => path.startsWith(`${directory}/`)).map(([, file]) => file);
  }

  #requireEntry(): void {
    if (this.entriesUsed >= this.logEntries) throw new DriverError('log-full', 'no entry left');
  }

  #firstFit(units: number): number | undefined {
    for (let first = 0, unit = 0; unit < this.units; unit++) {
      if (this.#taken[unit] === true) first = unit + 1;
      else if (unit - first + 1 === units) return first;
    }
    return undefined;
  }
}
