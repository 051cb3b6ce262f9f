// A child process that does what may block for ever, so that its parent never does. Knows how to talk to such a
// child and how to give it up; what the child does is its user's business.
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEffect, atEffect, effectEnvironment } from './effect-point.ts';
import { HangWatch } from './hang-watch.ts';
import { MessageChannelEnd } from './message-channel.ts';
import { type ProcessorDemand, processorDemand } from './processor-demand.ts';
import { SyscallError } from './syscall-error.ts';

/** The descriptor of the child on which it talks with its parent. */
const channelFd = 3;

/** How a request to a worker ended when it did not end with the worker's own answer. */
export type WorkerFailure = 'timed-out' | 'exited' | 'not-started';

/** The worker gave no answer: it was too slow (and has been killed), it ended, or (with a cause) it never began. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError';
  readonly failure: WorkerFailure;
  /** Somebody ended it: we by `kill`, or the kernel for want of memory, or a person. */
  readonly killed: boolean;

  constructor(failure: WorkerFailure, message: string, options: { cause?: unknown; killed?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.failure = failure;
    this.killed = options.killed === true;
  }
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: WorkerError) => void;
  watch: HangWatch;
  readonly timeoutMs: number;
}

export interface WorkerOptions {
  /** The whole environment of its program. */
  readonly env: Readonly<Record<string, string>>;
  /** Processes that the worker's system calls wait for, such as the daemon of a file system. */
  readonly servers?: () => readonly number[];
}

/** What a worker sends: `ready` once, a sign of life while it works, and answers. */
type FromWorker = 'ready' | 'alive' | { readonly id: number; readonly value: unknown };

/** A worker that works says so this often; one that blocks in the kernel cannot. */
const signOfLifeMs = 100;
/** How long a process may take to load its program before its first answer is waited for. */
const startLimitMs = 30_000;

/**
 * One worker process with a message channel. Requests are answered in any order the worker likes. Work may take long as
 * long as the worker gives signs of life; one that gives none for `timeoutMs` (three times that on a machine too busy for it
 * and its servers) hangs in the kernel and answers nothing more, so the whole process is given up: it is sent SIGKILL and
 * every waiting request fails. A process in
 * uninterruptible sleep survives even that; `exited` then stays false, and whoever owns the worker decides whether a
 * second one may be tried.
 */
export class WorkerProcess {
  readonly #child: ChildProcess | undefined;
  readonly #channel: MessageChannelEnd | undefined;
  readonly #servers: () => readonly number[];
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #ready = false;
  #exited = false;
  #abandoned = false;
  #startError: WorkerError | undefined;

  /** Starts `argv` (absolute program first) with a message channel on descriptor 3. When it cannot be, requests say so. */
  constructor(argv: readonly string[], { env, servers = () => [] }: WorkerOptions) {
    this.#servers = servers;
    const [file, ...args] = argv;
    if (file === undefined) throw new TypeError('a worker needs a program');
    let child: ChildProcess;
    try {
      child = atEffect('spawn worker', () =>
        spawn(file, args, {
          env: { ...effectEnvironment(), ...env },
          cwd: '/',
          stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
        }),
      );
    } catch (error) {
      this.#onStartError(error);
      return;
    }
    child.on('exit', (code, signal) => this.#onExit(`exited with ${signal ?? code}`, signal === 'SIGKILL'));
    child.on('error', (error) => this.#onStartError(error));
    this.#child = child;
    // Where there is no descriptor left there are no streams either, and the error comes in the next turn.
    const stream = (child.stdio as ChildProcess['stdio'] | undefined)?.[channelFd] as Socket | undefined;
    if (stream === undefined) return;
    this.#channel = new MessageChannelEnd(stream, (message) => this.#onMessage(message as FromWorker));
    // The channel must not keep the parent alive; a waiting request does, through its timer.
    child.unref();
    stream.unref();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** True once the process is gone for good. */
  get exited(): boolean {
    return this.#exited;
  }

  /** True once the process was given up; it takes no more requests. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  /**
   * Sends `body` and waits for the answer, for as long as there are signs of life at least every `timeoutMs`.
   * @throws WorkerError `timed-out` when there are none, `exited` when the process ends first, `not-started`
   */
  async request(body: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#child?.pid === undefined && this.#startError === undefined) await nextTurn();
    if (this.#startError !== undefined) throw this.#startError;
    const channel = this.#channel;
    if (channel === undefined || this.#exited || this.#abandoned) {
      throw new WorkerError('exited', 'the worker is gone');
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, watch: this.#watch(timeoutMs), timeoutMs });
      channel.send({ id, body });
    });
  }

  /** Ends the process. Waiting requests fail. */
  kill(): void {
    this.#abandoned = true;
    atEffect('end worker', () => this.#child?.kill('SIGKILL'));
    this.#rejectAll(new WorkerError('exited', 'the worker was ended', { killed: true }));
  }

  #watch(timeoutMs: number): HangWatch {
    return new HangWatch({
      silenceMs: this.#ready ? timeoutMs : startLimitMs,
      demand: () => this.#demand(),
      onHang: (silentMs) => this.#giveUp(silentMs),
    });
  }

  #demand(): ProcessorDemand | undefined {
    const { pid } = this;
    return pid === undefined ? undefined : processorDemand([pid, ...this.#servers()]);
  }

  #onMessage(message: FromWorker): void {
    if (message === 'alive') {
      for (const { watch } of this.#pending.values()) watch.alive();
    } else if (message === 'ready') {
      this.#ready = true;
      for (const pending of this.#pending.values()) {
        pending.watch.stop();
        pending.watch = this.#watch(pending.timeoutMs);
      }
    } else {
      this.#settle(message);
    }
  }

  #settle(message: { readonly id: number; readonly value: unknown }): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    this.#pending.delete(message.id);
    pending.watch.stop();
    pending.resolve(message.value);
  }

  #giveUp(silentMs: number): void {
    this.#abandoned = true;
    this.#child?.kill('SIGKILL');
    this.#rejectAll(new WorkerError('timed-out', `no sign of life for ${silentMs} ms`));
  }

  #onStartError(error: unknown): void {
    this.#exited = true;
    const cause = SyscallError.from(error);
    this.#startError = new WorkerError('not-started', String(cause), { cause });
    this.#rejectAll(this.#startError);
  }

  #onExit(what: string, killed: boolean): void {
    afterEffect('exit of worker');
    this.#exited = true;
    this.#rejectAll(new WorkerError('exited', `the worker ${what}`, { killed }));
  }

  #reject(id: number, error: WorkerError): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.watch.stop();
    pending.reject(error);
  }

  #rejectAll(error: WorkerError): void {
    for (const id of [...this.#pending.keys()]) this.#reject(id, error);
  }
}

/**
 * The worker's side: answers each message with what `handle` returns. Ends when the parent is gone. `handle` must not
 * throw; what it returns must be plain data (MessageChannelEnd). What may block must block this thread (synchronous calls), or
 * the signs of life would go on while nothing moves.
 */
export function serveParent(handle: (body: unknown) => Promise<unknown> | unknown): void {
  let working = 0;
  let signs: NodeJS.Timeout | undefined;
  const stream = new Socket({ fd: channelFd, readable: true, writable: true });
  stream.on('close', () => process.exit(0));
  const channel = new MessageChannelEnd(stream, (message) => {
    const { id, body } = message as { readonly id: number; readonly body: unknown };
    void answer(id, body);
  });
  channel.send('ready' satisfies FromWorker);
  async function answer(id: number, body: unknown): Promise<void> {
    if (working++ === 0) {
      signs = setInterval(() => channel.send('alive' satisfies FromWorker), signOfLifeMs);
    }
    const value = await handle(body);
    if (--working === 0) clearInterval(signs);
    channel.send({ id, value } satisfies FromWorker);
  }
}
