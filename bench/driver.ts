// Our driver as processes: a mounter and a node plugin on the devices that its flags name. Both can be ended, killed
// and started again one by one.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { readMountTable } from '../src/linux/mount-table.ts';
import { smallHeapEnvironment } from '../src/roles/small-heap.ts';
import { BackgroundProcess } from '../tools/background-process.ts';
import type { Programs } from './programs.ts';

export interface DriverOptions {
  readonly programs: Programs;
  /** Where sockets and everything else of its own lies. */
  readonly folder: string;
  /** Below it every target lies. */
  readonly kubeletDir: string;
  /** What leads the mounter to devices and famfs programs. */
  readonly mounterFlags: Readonly<Record<string, string>>;
  /** UUID of the pool to mount, where there may be others. */
  readonly pool?: string;
}

/** The peer writes no line a call, so neither does the driver. */
const quiet = { 'log-level': 'warn' };

export class Driver {
  readonly folder: string;
  readonly kubeletDir: string;
  readonly socket: string;
  readonly #mounterSocket: string;
  readonly #poolDir: string;
  readonly #options: DriverOptions;
  #mounter: BackgroundProcess | undefined;
  #node: BackgroundProcess | undefined;

  /** Starts both processes; resolves when the pool is mounted and both serve. */
  static async start(options: DriverOptions): Promise<Driver> {
    const driver = new Driver(options);
    try {
      const mounter = driver.startMounter();
      await mounter.waitForSocket(driver.#mounterSocket);
      await mounter.waitUntil('the pool is mounted', () => driver.#mountedPool() !== undefined);
      await driver.startNode().waitForSocket(driver.socket);
    } catch (error) {
      await driver.stop();
      throw error;
    }
    return driver;
  }

  private constructor(options: DriverOptions) {
    this.#options = options;
    this.folder = options.folder;
    this.kubeletDir = options.kubeletDir;
    this.#poolDir = path.join(options.folder, 'pools');
    this.#mounterSocket = path.join(options.folder, 'mounter/mounter.sock');
    this.socket = path.join(options.folder, 'csi/csi.sock');
    for (const folder of [path.dirname(this.#mounterSocket), path.dirname(this.socket)])
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    mkdirSync(options.kubeletDir, { recursive: true });
  }

  get mounter(): BackgroundProcess {
    if (this.#mounter === undefined) throw new Error('the mounter has not been started');
    return this.#mounter;
  }

  get node(): BackgroundProcess {
    if (this.#node === undefined) throw new Error('the node plugin has not been started');
    return this.#node;
  }

  /** UUID of the pool that it publishes from. */
  get pool(): string {
    const pool = this.#mountedPool();
    if (pool === undefined) throw new Error('no pool is mounted');
    return pool;
  }

  /** Where the mounter has mounted that pool. */
  get poolPath(): string {
    return path.join(this.#poolDir, this.pool);
  }

  /** File system and device of the pool's mount, as the mount table has them. */
  describePool(): string {
    const entry = readMountTable().find(({ mountPoint }) => mountPoint === this.poolPath);
    return entry === undefined ? 'not mounted' : `${entry.fileSystemType}, ${entry.source}`;
  }

  /** Starts the mounter, for the first time or after it has ended; it does not serve yet. */
  startMounter(): BackgroundProcess {
    const { folder, kubeletDir, mounterFlags, pool, programs } = this.#options;
    this.#mounter = this.#startRole('mounter', programs.mounter, {
      ...{ socket: this.#mounterSocket, 'kubelet-dir': kubeletDir, 'pool-dir': this.#poolDir },
      ...{ 'shadow-dir': path.join(folder, 'shadow'), 'state-dir': path.join(folder, 'binds') },
      // The benchmark's own namespaces are the host here: nothing of it is to be seen, or to stay, outside.
      ...{ 'famfs-location': 'image', launcher: 'in-place', ...quiet },
      ...(pool === undefined ? {} : { pools: pool }),
      ...mounterFlags,
    });
    return this.#mounter;
  }

  /** Starts the node plugin, for the first time or after it has ended; it does not serve yet. */
  startNode(): BackgroundProcess {
    this.#node = this.#startRole('node', this.#options.programs.node, {
      ...{ 'node-id': 'bench', 'kubelet-dir': this.kubeletDir, 'csi-socket': this.socket },
      ...{ 'mounter-socket': this.#mounterSocket, 'skip-registration': undefined, ...quiet },
    });
    return this.#node;
  }

  async stop(): Promise<void> {
    await this.#node?.stop();
    await this.#mounter?.stop();
  }

  #mountedPool(): string | undefined {
    const { pool } = this.#options;
    const pools = existsSync(this.#poolDir) ? readdirSync(this.#poolDir) : [];
    return pools
      .filter((uuid) => pool === undefined || uuid === pool)
      .find((uuid) => existsSync(path.join(this.#poolDir, uuid, '.meta/.log')));
  }

  #startRole(
    role: string,
    program: readonly string[],
    flags: Readonly<Record<string, string | undefined>>,
  ): BackgroundProcess {
    const [file = '', ...words] = program;
    const given = Object.entries(flags).flatMap(([flag, value]) =>
      value === undefined ? [`--${flag}`] : [`--${flag}`, value],
    );
    // What containers of the chart have: compiled code is kept from one start to the next.
    const compileCache = path.join(this.folder, 'compile-cache');
    return new BackgroundProcess(role, file, [...words, ...given], {
      ...smallHeapEnvironment,
      NODE_COMPILE_CACHE: compileCache,
    });
  }
}
