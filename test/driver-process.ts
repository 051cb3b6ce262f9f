// A process of the driver as its users start it: from the sources or a bundle, its log in a file, ended by its id.
// Knows no role.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { smallHeapEnvironment } from '../src/roles/small-heap.ts';

const projectRoot = path.dirname(import.meta.dirname);

/** Where `npm test` has put bundles of the sources as they are (tools/test-programs.ts), which start twice as fast. */
const bundles = process.env.FAMFS_CSI_TEST_PROGRAMS;

/** How the program is started, as it stands in the sources, unless another bundle is to be tried. */
export const sourceProgram: readonly string[] = startOf('src/main.ts', 'driver.cjs');

/** How the simulator is started. */
export const simulatorProgram: readonly string[] = startOf('src/sim/main.ts', 'sim.cjs');

function startOf(source: string, bundle: string): readonly string[] {
  return bundles === undefined
    ? [process.execPath, '--disable-warning=ExperimentalWarning', path.join(projectRoot, source)]
    : [process.execPath, path.join(bundles, bundle)];
}

/**
 * Where Node keeps compiled sources between runs: processes of the driver and of the simulator start several times
 * faster with it. Beside the dependencies, so that a fresh install begins afresh.
 */
export function compileCache(): string {
  const directory = path.join(projectRoot, 'node_modules/.cache/famfs-csi');
  mkdirSync(directory, { recursive: true });
  return directory;
}

export interface DriverProcessOptions {
  readonly argv: readonly string[];
  /** Where stdout and stderr go, appended. */
  readonly logPath: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** How long a process may take to stop by itself before it is killed. */
const stopLimitMs = 120_000;

export class DriverProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #logPath: string;
  readonly #ended: Promise<void>;
  #isRunning = true;

  /** @throws Error when the program cannot be started */
  constructor({ argv, logPath, env = {} }: DriverProcessOptions) {
    const [file, ...args] = argv;
    if (file === undefined) throw new TypeError('a process needs a program');
    this.#logPath = logPath;
    const log = openSync(logPath, 'a', 0o600);
    try {
      this.#child = spawn(file, args, {
        env: {
          PATH: process.env.PATH ?? '',
          NODE_COMPILE_CACHE: compileCache(),
          ...smallHeapEnvironment,
          ...env,
        },
        stdio: ['ignore', log, log],
      });
    } finally {
      closeSync(log);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    const onEnd = (): void => {
      this.#isRunning = false;
      resolve();
    };
    this.#child.once('exit', onEnd).once('error', onEnd);
    if (this.#child.pid === undefined) throw new Error(`${file} could not be started`);
    this.pid = this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Resolves when it has ended, for whatever reason. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Everything it has written. */
  get log(): string {
    return readFileSync(this.#logPath, 'utf8');
  }

  /** Sends SIGTERM and waits for the end; SIGKILL when there is none, which is an error. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return this.#ended;
    this.#child.kill('SIGTERM');
    const limit = new AbortController();
    const tooLong = sleep(stopLimitMs, 'too long' as const, { signal: limit.signal }).catch(() => 'stopped');
    const how = await Promise.race([this.#ended, tooLong]);
    limit.abort();
    if (how !== 'too long') return;
    await this.kill();
    throw new Error(`process ${this.pid} did not stop within ${stopLimitMs} ms\n${this.log.slice(-4000)}`);
  }

  /** Sends SIGKILL and waits for the end. */
  async kill(): Promise<void> {
    if (this.#isRunning) this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
