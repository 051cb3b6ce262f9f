// A call at its caller, from the request to its end. Knows no socket and no service.
import { DriverError } from '../errors.ts';
import type { CallOptions } from './client.ts';
import type { MethodType } from './codec.ts';
import { type FrameKind, frameKind, initialCredit } from './frame.ts';
import { steadyNowMs } from './steady-clock.ts';

/** What a call can ask of the connection it runs on. */
export interface CallCarrier {
  /** Tells the server that nobody waits for the call any more. */
  withdraw(callId: number): void;
  /** Lets the server send so many items more. */
  grant(callId: number, items: number): void;
  /** The call has ended, and its id is free. */
  forget(callId: number): void;
}

/** What both kinds of calls share: the deadline, the withdrawal, an end that comes once. */
abstract class PendingCall {
  readonly method: MethodType;
  /** A moment of `steadyNowMs`; Infinity when there is none. */
  readonly deadlineMs: number;
  protected callId = 0;
  protected carrier: CallCarrier | undefined;
  readonly #signal: AbortSignal | undefined;
  #ended = false;

  constructor(method: MethodType, { signal, timeoutMs, deadlineMs }: CallOptions) {
    this.method = method;
    this.#signal = signal;
    const byTimeout = timeoutMs === undefined ? Number.POSITIVE_INFINITY : steadyNowMs() + timeoutMs;
    this.deadlineMs = deadlineMs === undefined ? byTimeout : Math.min(byTimeout, deadlineMs);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The caller has left before anything was sent. */
  get withdrawn(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Ties the call to the connection that its request goes out on. */
  begin(callId: number, carrier: CallCarrier): void {
    this.callId = callId;
    this.carrier = carrier;
    this.#signal?.addEventListener('abort', this, { once: true });
  }

  /** The caller's signal has fired. */
  handleEvent(): void {
    this.withdraw();
  }

  withdraw(): void {
    this.#abandon(new DriverError('cancelled', `${this.method.name} was withdrawn by its caller`));
  }

  expire(): void {
    const sentence = `${this.method.name} was not answered before its caller's deadline`;
    this.#abandon(new DriverError('deadline-exceeded', sentence));
  }

  fail(error: DriverError): void {
    if (this.end()) this.failed(error);
  }

  /** A frame of the server for this call; false for a kind that has no place in it. */
  abstract take(kind: FrameKind, body: Buffer): boolean;
  /** Hands the error to the caller. */
  protected abstract failed(error: DriverError): void;

  /** False when the call had ended before. */
  protected end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this);
    this.carrier?.forget(this.callId);
    return true;
  }

  #abandon(error: DriverError): void {
    if (this.#ended) return;
    this.carrier?.withdraw(this.callId);
    this.fail(error);
  }
}

export interface Settlers {
  resolve(message: object): void;
  reject(error: unknown): void;
}

/** A call with one answer. */
export class PendingUnary extends PendingCall {
  readonly #settlers: Settlers;

  constructor(method: MethodType, options: CallOptions, settlers: Settlers) {
    super(method, options);
    this.#settlers = settlers;
  }

  take(kind: FrameKind, body: Buffer): boolean {
    if (kind !== frameKind.response) return false;
    const message = decodeAnswer(this.method, body);
    if (message instanceof DriverError) this.fail(message);
    else if (this.end()) this.#settlers.resolve(message);
    return true;
  }

  protected failed(error: DriverError): void {
    this.#settlers.reject(error);
  }
}

/** A call that is answered with a stream; at most `initialCredit` items wait for its reader. */
export class PendingStream extends PendingCall {
  readonly #items: object[] = [];
  #taken = 0;
  #error: DriverError | undefined;
  #wake: (() => void) | undefined;

  /** The next item; undefined at the end. Rejects with the error the stream ended with. */
  async next(): Promise<object | undefined> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#count();
        return item;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The reader reads no more. */
  leave(): void {
    this.withdraw();
  }

  take(kind: FrameKind, body: Buffer): boolean {
    if (kind === frameKind.end) {
      this.end();
    } else if (kind === frameKind.item && this.#items.length < initialCredit) {
      const item = decodeAnswer(this.method, body);
      if (item instanceof DriverError) this.fail(item);
      else this.#items.push(item);
    } else {
      return false;
    }
    this.#wake?.();
    return true;
  }

  protected failed(error: DriverError): void {
    this.#error = error;
    this.#wake?.();
  }

  /** Credit goes out in halves of the window, so that few frames are about it. */
  #count(): void {
    this.#taken += 1;
    if (this.ended || this.#taken < initialCredit / 2) return;
    this.carrier?.grant(this.callId, this.#taken);
    this.#taken = 0;
  }
}

function decodeAnswer(method: MethodType, body: Buffer): object | DriverError {
  try {
    return method.response.decode(body);
  } catch (cause) {
    return new DriverError('internal', `the answer of ${method.name} is not its message`, { cause });
  }
}
