// Keeps one worker process at hand and replaces it when it was given up. Never more than one that is stuck in the kernel.
import { DriverError } from '../errors.ts';
import { WorkerError, type WorkerProcess } from '../linux/worker-process.ts';
import { valueOrThrow, type WorkerAnswer } from './worker-answer.ts';

/** Starts a worker process; the composition root knows the program. */
export type StartWorker = () => WorkerProcess;

/**
 * The mounter's handle on a worker. A request that is not answered in time fails with `pool-hung`; while the process
 * that hung has not ended (it can be unkillable), further requests fail so at once.
 */
export class SupervisedWorker {
  readonly #start: StartWorker;
  readonly #describeHang: string;
  #process: WorkerProcess | undefined;
  #closed = false;

  constructor(start: StartWorker, describeHang: string) {
    this.#start = start;
    this.#describeHang = describeHang;
  }

  /** True while a process that was given up has still not ended. */
  get isStuck(): boolean {
    return this.#process?.abandoned === true && !this.#process.exited;
  }

  /** @throws DriverError: the worker's own, or `pool-hung`, or `internal` when the worker died of itself */
  async request(body: unknown, timeoutMs: number): Promise<unknown> {
    const worker = this.#current();
    try {
      return valueOrThrow((await worker.request(body, timeoutMs)) as WorkerAnswer);
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      if (error.failure === 'timed-out') {
        throw new DriverError('pool-hung', `${this.#describeHang} (${error.message}).`, {
          cause: error,
        });
      }
      if (error.failure === 'not-started') {
        const { reason, message } = DriverError.from(error.cause);
        const sentence = `A worker process of the mounter cannot be started: ${message}`;
        throw new DriverError(reason, sentence, { cause: error });
      }
      if (error.killed) {
        throw new DriverError(
          'operation-pending',
          'The worker process of the mounter that was at it has been killed, perhaps for want of memory (the log of the kernel tells); another one begins with the next try.',
          { cause: error },
        );
      }
      throw new DriverError(
        'internal',
        `A worker process of the mounter ended while it worked: ${error.message}.`,
        { cause: error },
      );
    }
  }

  /** Ends the process; no new one is started. */
  close(): void {
    this.#closed = true;
    this.#process?.kill();
  }

  /** Ends the process, unless it is one that was given up; the next request starts a fresh one. */
  restart(): void {
    if (this.isStuck) return;
    this.#process?.kill();
    this.#process = undefined;
  }

  #current(): WorkerProcess {
    if (this.#closed) throw new DriverError('shutting-down', 'The mounter is stopping.');
    const worker = this.#process;
    if (worker !== undefined && !worker.abandoned && !worker.exited) return worker;
    if (this.isStuck)
      throw new DriverError('pool-hung', `${this.#describeHang}; the last try has not come back.`);
    this.#process = this.#start();
    return this.#process;
  }
}
