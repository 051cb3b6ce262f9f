// The calls a server is serving, so that it can stop with none of them half done. Knows nothing of what a call is.
import { DriverError } from '../errors.ts';

/** What can be ended from outside. */
export interface Abortable {
  abort(reason: DriverError): void;
}

/** The calls of one server, from their admission to the end of their work. */
export class RunningCalls {
  readonly #unary = new Set<Abortable>();
  readonly #streams = new Set<Abortable>();
  #whenIdle: (() => void) | undefined;
  #draining = false;

  /** @throws {DriverError} shutting-down once draining began. */
  add(call: Abortable, stream: boolean): void {
    if (this.#draining) throw shuttingDown();
    (stream ? this.#streams : this.#unary).add(call);
  }

  delete(call: Abortable): void {
    if (!this.#unary.delete(call)) this.#streams.delete(call);
    if (this.#whenIdle !== undefined && this.size === 0) this.#whenIdle();
  }

  get size(): number {
    return this.#unary.size + this.#streams.size;
  }

  /** Unary calls that are running; a stream is open for as long as its reader likes and does not count. */
  get unaryCount(): number {
    return this.#unary.size;
  }

  /** Takes no more calls, ends the streams, and settles when the last call has ended or `graceMs` are over. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    for (const stream of this.#streams) stream.abort(shuttingDown());
    if (this.size > 0) {
      const idle = Promise.withResolvers<void>();
      this.#whenIdle = idle.resolve;
      const timer = setTimeout(idle.resolve, graceMs);
      await idle.promise;
      clearTimeout(timer);
    }
    for (const call of this.#unary) call.abort(shuttingDown());
  }
}

function shuttingDown(): DriverError {
  return new DriverError('shutting-down', 'the process is stopping; the call can be repeated in a moment');
}
