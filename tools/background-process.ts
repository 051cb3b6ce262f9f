// A server as a process of its own: started, awaited until it listens, ended by its id. What it
// writes is kept, and shown when it fails.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;
const keptOutputCharacters = 8_000;

export class BackgroundProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  #output = '';
  #ended = false;

  /** Starts it; `env` is added to the environment of this process. */
  constructor(
    name: string,
    file: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.name = name;
    this.#child = spawn(file, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-keptOutputCharacters);
      });
    }
    this.#child.once('exit', () => {
      this.#ended = true;
    });
    this.#child.once('error', (error) => {
      this.#ended = true;
      this.#output += error.message;
    });
  }

  /** @throws Error when it could not be started */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} could not be started:\n${this.#output}`);
    return this.#child.pid;
  }

  /** The last of what the process wrote. */
  get output(): string {
    return this.#output;
  }

  /** Waits until `isReady` says so. @throws Error when the process ends first, or after that time */
  async waitUntil(
    what: string,
    isReady: () => Promise<boolean> | boolean,
    timeoutMs = startTimeoutMs,
  ): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (!(await isReady())) {
      if (this.#ended) throw new Error(`${this.name} ended before ${what}:\n${this.#output}`);
      if (performance.now() > deadlineMs) {
        throw new Error(`${this.name}: not ${what} within ${timeoutMs / 1000} s:\n${this.#output}`);
      }
      await delay(20);
    }
  }

  /** Waits until the Unix socket takes connections. */
  waitForSocket(socket: string): Promise<void> {
    return this.waitUntil(`listening on ${socket}`, () => takesConnections(socket));
  }

  /** SIGTERM, and SIGKILL for one that does not follow in time. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs);
    await exited;
    clearTimeout(timer);
  }

  /** SIGKILL: nothing of its own is done any more. Resolves when it has ended. */
  async kill(): Promise<void> {
    if (this.#ended) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

function takesConnections(socket: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = net.connect(socket);
  connection.once('connect', () => resolve(true)).once('error', () => resolve(false));
  return promise.finally(() => connection.destroy());
}
