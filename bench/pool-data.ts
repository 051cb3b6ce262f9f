// Files in a pool for the benchmark to publish: made by famfs's own commands, filled with bytes, and, where the memory
// is simulated, given back afterwards. famfs itself can never remove a file.
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, statSync, truncateSync, writeSync } from 'node:fs';
import path from 'node:path';
import { acquireFileLock } from '../src/linux/file-lock.ts';

export interface PoolDataOptions {
  readonly pool: string;
  /** Where the mounter has mounted the pool. */
  readonly poolPath: string;
  /** Directory of the pool, from its root, below which everything lies; made when it is missing. */
  readonly base: string;
  /** The program. */
  readonly famfs: string;
  /** Where the mounter keeps its locks: a command takes the pool's for as long as it runs. */
  readonly lockDir: string;
  /** The folder of a simulated device; without it the memory is real and nothing can be given back. */
  readonly deviceFolder?: string;
  /** Whether a file that is missing may be made; on real memory it stays for the life of the pool. */
  readonly mayCreate: boolean;
}

/** A directory of the pool with one file, `data`. */
export interface DataDirectory {
  /** Publishes it through the driver. */
  readonly volumeContext: Readonly<Record<string, string>>;
  /** The directory in the pool's own mount. */
  readonly absolute: string;
  /** Gives the memory of the file back where it is simulated; its bytes read as zeros from then on. */
  free(): void;
}

const chunkBytes = 2 ** 20;

export class PoolData {
  readonly #options: PoolDataOptions;

  constructor(options: PoolDataOptions) {
    this.#options = options;
  }

  /**
   * A directory with a file `data` of that size, full of bytes; made unless it is there.
   * @throws Error when it is not there and may not be made, or has another size
   */
  async directory(name: string, sizeBytes: number): Promise<DataDirectory> {
    const { pool, poolPath, base } = this.#options;
    const inPool = path.join(base, name);
    const absolute = path.join(poolPath, inPool);
    const file = path.join(absolute, 'data');
    const before = new Set(this.#extents());
    if (!existsSync(file)) await this.#make(absolute, file, sizeBytes);
    const found = statSync(file).size;
    if (found !== sizeBytes)
      throw new Error(`${inPool}/data in pool ${pool} has ${found} bytes, not ${sizeBytes}`);
    const own = this.#extents().filter((extent) => !before.has(extent));
    return {
      volumeContext: { pool, path: inPool },
      absolute,
      free: () => {
        for (const extent of own) emptyFile(extent);
      },
    };
  }

  async #make(absolute: string, file: string, sizeBytes: number): Promise<void> {
    const { pool, base, famfs, lockDir, mayCreate } = this.#options;
    if (!mayCreate) {
      throw new Error(
        `pool ${pool} has no file ${path.relative(this.#options.poolPath, file)}; with --create the benchmark makes ` +
          `what it needs below ${base}, which stays in the pool for good`,
      );
    }
    const lock = await acquireFileLock(path.join(lockDir, `pool-${pool}`), { timeoutMs: 60_000 });
    try {
      execFileSync(famfs, ['mkdir', '-p', absolute], { stdio: 'pipe' });
      execFileSync(famfs, ['creat', '-s', `${sizeBytes}`, file], { stdio: 'pipe' });
    } finally {
      lock.release();
    }
    fill(file, sizeBytes);
  }

  #extents(): string[] {
    const { deviceFolder } = this.#options;
    if (deviceFolder === undefined) return [];
    return readdirSync(deviceFolder)
      .filter((name) => name.startsWith('x'))
      .map((name) => path.join(deviceFolder, name));
  }
}

/** Writes bytes all over a file of a fixed size, so that every page of it is really there. */
function fill(file: string, sizeBytes: number): void {
  const chunk = randomFillSync(Buffer.alloc(chunkBytes));
  const fd = openSync(file, 'r+');
  try {
    for (let offset = 0; offset < sizeBytes; offset += chunkBytes)
      writeSync(fd, chunk, 0, Math.min(chunkBytes, sizeBytes - offset), offset);
  } finally {
    closeSync(fd);
  }
}

function emptyFile(file: string): void {
  const { size } = statSync(file);
  truncateSync(file, 0);
  truncateSync(file, size);
}
