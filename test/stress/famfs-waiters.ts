// Starts a process that wants many famfs commands at once (famfs-waiters-main.ts) and knows what came of them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { waitUntil } from '../wait-until.ts';
import type { Ended, WaitersOrder } from './famfs-waiters-main.ts';

const program = path.join(import.meta.dirname, 'famfs-waiters-main.ts');
const patienceMs = 180_000;

export class FamfsWaiters {
  readonly pid: number;
  readonly #child: ChildProcess;
  #lines: string[] = [];
  #rest = '';

  constructor(order: WaitersOrder, compileCache: string) {
    const argv = ['--disable-warning=ExperimentalWarning', program, JSON.stringify(order)];
    this.#child = spawn(process.execPath, argv, {
      env: { PATH: process.env.PATH ?? '', NODE_COMPILE_CACHE: compileCache },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (this.#child.pid === undefined) throw new Error('the waiters could not be started');
    this.pid = this.#child.pid;
    this.#child.stdout?.on('data', (chunk) => {
      const lines = `${this.#rest}${chunk}`.split('\n');
      this.#rest = lines.pop() ?? '';
      this.#lines.push(...lines);
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The commands that ended while this process lived. */
  get ended(): readonly Ended[] {
    return this.#lines.filter((line) => line.startsWith('{')).map((line): Ended => JSON.parse(line));
  }

  /** Resolves when every command that it wants stands in line. */
  async waiting(): Promise<void> {
    await waitUntil('all commands wait', () => this.#lines.includes('all wait'), patienceMs);
  }

  /** Ends it by SIGKILL: its commands are not told. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
