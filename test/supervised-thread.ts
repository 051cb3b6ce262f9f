// A thread that does one thing at a time, synchronously, while each system call of it can be made to fail. Knows nothing
// of what it does.
import { closeSync, openSync, readlinkSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { DriverError } from '../src/errors.ts';
import { errorNumber } from '../src/linux/syscall-error.ts';
import { nextCall, settle, type WaitingCall } from './system-call-filter.ts';

/** Where a thread is: it idles, works on an order, or has answered it. Shared by both sides. */
export const phase = { idle: 0, working: 1, answered: 2 } as const;

/** What the thread program is given (test/supervised-thread-main.ts). */
export interface ThreadStart {
  /** A module whose export `serve` answers orders. */
  readonly module: string;
  readonly phases: Int32Array<SharedArrayBuffer>;
  readonly orders: MessagePort;
}

export type ThreadAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly reason: string; readonly message: string; readonly causeCode: string };

/** A system call as a person would name it, such as `openat2 pods/p1` or `statx of /x`. */
export interface SeenCall {
  readonly name: string;
  readonly object: string;
}

/** Which call fails, by its place in the order of all calls of the work, and with what. */
export interface Fault {
  readonly index: number;
  readonly code: string;
}

export class SupervisedThread {
  readonly #worker: Worker;
  readonly #phases: Int32Array<SharedArrayBuffer>;
  readonly #port: MessagePort;
  readonly #listenerFd: number;
  readonly #memoryFd = openSync('/proc/self/mem', 'r');

  private constructor(
    worker: Worker,
    phases: Int32Array<SharedArrayBuffer>,
    port: MessagePort,
    listenerFd: number,
  ) {
    this.#worker = worker;
    this.#phases = phases;
    this.#port = port;
    this.#listenerFd = listenerFd;
  }

  /** @param module path of a module with `export function serve(order: unknown): unknown`, which works synchronously */
  static async start(module: string): Promise<SupervisedThread> {
    const phases = new Int32Array(new SharedArrayBuffer(8));
    const { port1, port2 } = new MessageChannel();
    const start: ThreadStart = { module, phases, orders: port2 };
    const worker = new Worker(new URL('./supervised-thread-main.ts', import.meta.url), {
      workerData: start,
      transferList: [port2],
    });
    const failed = new Promise<never>((_, reject) => worker.once('error', reject));
    failed.catch(() => undefined);
    // Its last act before each call waits for us is to leave the descriptor in shared memory.
    const ready = async (): Promise<number> => {
      for (;;) {
        const fd = Atomics.load(phases, 1);
        if (fd > 0) return fd;
        await nextTurn();
      }
    };
    const listenerFd = await Promise.race([ready(), failed]);
    return new SupervisedThread(worker, phases, port1, listenerFd);
  }

  /** Does the order to its end, with a fault or without. Blocks this thread meanwhile. */
  run(order: unknown, fault?: Fault): { answer: ThreadAnswer; calls: SeenCall[] } {
    const calls: SeenCall[] = [];
    this.#port.postMessage(order);
    Atomics.store(this.#phases, 0, phase.working);
    Atomics.notify(this.#phases, 0);
    let answer: ThreadAnswer | undefined;
    while (answer === undefined) {
      const call = nextCall(this.#listenerFd, 1);
      if (call !== undefined) this.#deal(call, calls, fault);
      if (Atomics.load(this.#phases, 0) === phase.idle) answer = this.#receive();
    }
    return { answer, calls };
  }

  /** Ends the thread. */
  async end(): Promise<void> {
    let isOver = false;
    const ended = this.#worker.terminate().then(() => {
      isOver = true;
    });
    while (!isOver) {
      const call = nextCall(this.#listenerFd, 0);
      if (call !== undefined) settle(this.#listenerFd, call);
      await nextTurn();
    }
    await ended;
    this.#port.close();
    closeSync(this.#memoryFd);
    closeSync(this.#listenerFd);
  }

  #receive(): ThreadAnswer | undefined {
    return receiveMessageOnPort(this.#port)?.message as ThreadAnswer | undefined;
  }

  #deal(call: WaitingCall, calls: SeenCall[], fault: Fault | undefined): void {
    if (Atomics.load(this.#phases, 0) !== phase.working) {
      settle(this.#listenerFd, call);
      return;
    }
    const isFaulty = fault?.index === calls.length;
    calls.push({ name: call.name, object: this.#objectOf(call) });
    settle(this.#listenerFd, call, isFaulty ? errorNumber(fault.code) : undefined);
  }

  #objectOf({ name, args }: WaitingCall): string {
    const [first = 0n, second = 0n] = args;
    const takesPathFirst = ['open', 'umount2', 'mkdir', 'rmdir', 'unlink', 'rename'].includes(name);
    if (takesPathFirst) return this.#text(first);
    const takesPathSecond = /at2?$|^statx$/.test(name) && name !== 'fstat';
    const text = takesPathSecond ? this.#text(second) : '';
    return text === '' ? descriptorPath(Number(first)) : text;
  }

  #text(address: bigint): string {
    const bytes = Buffer.alloc(256);
    const length = readSync(this.#memoryFd, bytes, 0, bytes.length, address);
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? length : end).replace(/^\/proc\/self\/fd\/\d+\//, '…/');
  }
}

function descriptorPath(fd: number): string {
  try {
    return `of ${readlinkSync(`/proc/self/fd/${fd}`)}`;
  } catch {
    return '';
  }
}

/** What a thread answers for an error. */
export function answerOfError(error: unknown): ThreadAnswer {
  const { reason, message, cause } = DriverError.from(error);
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return { ok: false, reason, message, causeCode: code };
}
