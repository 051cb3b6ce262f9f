// The one way every call takes, whatever the service and whatever carries it: admitted, logged, measured, bounded
// by its caller's deadline, answered. Knows no transport, no service and no meaning of any field but `volumeId`.
import { randomBytes } from 'node:crypto';
import { DriverError } from '../errors.ts';
import { afterEffect, beforeEffect } from '../linux/effect-point.ts';
import type { Logger } from '../observe/logger.ts';
import type { CallMetrics } from '../observe/metrics.ts';
import type { Codec, MethodType } from './codec.ts';
import type { Abortable, RunningCalls } from './running-calls.ts';
import { statusNameOf } from './status.ts';
import { steadyNowMs } from './steady-clock.ts';

/** What a handler is told about the call it serves. */
export interface CallContext {
  /** As in the proto file, such as NodePublishVolume. */
  readonly method: string;
  /** Unique within this process; in every log line of the call. */
  readonly requestId: string;
  /** Fires at the caller's deadline, when the caller withdraws, and when the process stops; `reason` is a DriverError. */
  readonly signal: AbortSignal;
  /** A moment of `steadyNowMs`; undefined when the caller set none. */
  readonly deadlineMs: number | undefined;
  readonly log: Logger;
}

/** What a request becomes when its bytes are not such a message; never reaches a handler. */
export class MalformedRequest {
  readonly cause: unknown;
  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** A request out of its bytes, or a MalformedRequest. */
export function decodeRequest(codec: Codec, bytes: Uint8Array): object {
  try {
    return codec.decode(bytes);
  } catch (error) {
    return new MalformedRequest(error);
  }
}

/** One call as its transport hands it over. It is ended once, and nothing is done with it afterwards. */
export interface TransportedCall {
  /** As its codec decoded it, or a MalformedRequest. */
  readonly request: object;
  /** A moment of `steadyNowMs`; undefined when the caller set none. */
  readonly deadlineMs: number | undefined;
  /** The caller left before the call got here. */
  readonly withdrawn: boolean;
  /** Ends the call. */
  fail(error: DriverError): void;
}

/** A call with one answer. */
export interface TransportedUnary extends TransportedCall {
  /** Ends the call. */
  answer(bytes: Buffer): void;
}

/** A call that is answered with a stream. */
export interface TransportedStream extends TransportedCall {
  /** False when the reader is behind, and `drained` is to be awaited. */
  write(bytes: Buffer): boolean;
  /** Settles when more can be written, and when the call has ended. */
  drained(): Promise<void>;
  /** Ends the call. */
  end(): void;
}

/** What all calls of a server share. */
export interface CallEnvironment {
  readonly logger: Logger;
  readonly metrics: CallMetrics | undefined;
  /** Methods whose lines are written at debug, because they are asked all the time. */
  readonly quietMethods: ReadonlySet<string>;
  readonly maximumMessageBytes: number;
  readonly running: RunningCalls;
}

export type AnyUnaryHandler = (request: object, context: CallContext) => Promise<object>;
export type AnyStreamHandler = (request: object, context: CallContext) => AsyncIterable<object>;

/** A method with its handler. */
export type ServedMethod =
  | { readonly type: MethodType; readonly stream: false; readonly handler: AnyUnaryHandler }
  | { readonly type: MethodType; readonly stream: true; readonly handler: AnyStreamHandler };

/** What a transport tells a call that is being served; both may come late or twice. */
export interface CallInProgress {
  /** The caller has left. */
  withdraw(): void;
  /** The caller's deadline has come. */
  expire(): void;
}

/** A method and its handler, as they are in a table of handlers. */
export function servedMethod(type: MethodType, handler: unknown): ServedMethod {
  return type.responseStream
    ? { type, stream: true, handler: handler as AnyStreamHandler }
    : { type, stream: false, handler: handler as AnyUnaryHandler };
}

/** Serves a call with one answer. Never throws, and ends the call in every case. */
export function serveUnary(
  { type, handler }: ServedMethod & { stream: false },
  call: TransportedUnary,
  environment: CallEnvironment,
): CallInProgress {
  const served = new ServedCall(type, call, environment);
  if (served.admit()) void served.answer(handler, call);
  return served;
}

/** Serves a call that is answered with a stream. Never throws, and ends the call in every case. */
export function serveStream(
  { type, handler }: ServedMethod & { stream: true },
  call: TransportedStream,
  environment: CallEnvironment,
): CallInProgress {
  const served = new ServedCall(type, call, environment);
  if (served.admit()) void served.stream(handler, call);
  return served;
}

/**
 * A client gives up at its deadline, and its cancel can come before our own clock says so. This near to the
 * deadline a cancel is taken for it.
 */
const deadlineSlackMs = 100;
const processTag = randomBytes(3).toString('hex');
let callCount = 0;

/** One call from its arrival to the end of its work; the context its handler sees. */
class ServedCall implements CallContext, CallInProgress, Abortable {
  readonly #number = ++callCount;
  readonly #startedAt = performance.now();
  readonly #environment: CallEnvironment;
  readonly #type: MethodType;
  readonly #call: TransportedCall;
  /** Made when somebody asks for the signal: most handlers of quick answers never do. */
  #controller: AbortController | undefined;
  #abortReason: DriverError | undefined;
  #log: Logger | undefined;
  #ended = false;

  constructor(type: MethodType, call: TransportedCall, environment: CallEnvironment) {
    this.#type = type;
    this.#call = call;
    this.#environment = environment;
    environment.metrics?.started(type.name);
  }

  get method(): string {
    return this.#type.name;
  }

  get requestId(): string {
    return `${processTag}-${this.#number}`;
  }

  get deadlineMs(): number | undefined {
    return this.#call.deadlineMs;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get log(): Logger {
    this.#log ??= this.#environment.logger.child({ method: this.method, requestId: this.requestId });
    return this.#log;
  }

  /** Whether the handler is to be called; the call has ended otherwise. */
  admit(): boolean {
    const { running, logger } = this.#environment;
    const { request, withdrawn } = this.#call;
    try {
      if (withdrawn) throw this.#withdrawal();
      if (request instanceof MalformedRequest) {
        const message = `the request is not a valid ${this.#type.request.name} message`;
        throw new DriverError('invalid-argument', message, { cause: request.cause });
      }
      if (logger.enabled('debug')) {
        this.log.debug('call started', { request: this.#type.request.redact(request) });
      }
      running.add(this, this.#type.responseStream);
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** The work of a unary call, which keeps its place among the running calls when the caller no longer waits. */
  async answer(handler: AnyUnaryHandler, call: TransportedUnary): Promise<void> {
    try {
      beforeEffect(`serve ${this.method}`);
      const message = await handler(call.request, this);
      afterEffect(`serve ${this.method}`);
      if (this.#ended) return;
      const bytes = this.#encode(message);
      this.#ended = true;
      call.answer(bytes);
      this.#record(undefined);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#environment.running.delete(this);
    }
  }

  /** The work of a stream, which ends at the deadline, when the caller leaves and at shutdown. */
  async stream(handler: AnyStreamHandler, call: TransportedStream): Promise<void> {
    try {
      for await (const message of handler(call.request, this)) {
        if (this.#ended) return;
        if (!call.write(this.#encode(message))) await call.drained();
      }
      if (this.#ended) return;
      this.#ended = true;
      call.end();
      this.#record(undefined);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#environment.running.delete(this);
    }
  }

  withdraw(): void {
    if (!this.#ended) this.abort(this.#withdrawal());
  }

  expire(): void {
    if (!this.#ended) this.abort(this.#expiry());
  }

  /** Fires the signal and ends the call: its caller does not wait for the handler to notice. */
  abort(reason: DriverError): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
    this.#fail(reason);
  }

  #encode(message: object): Buffer {
    const bytes = this.#type.response.encode(message);
    const limit = this.#environment.maximumMessageBytes;
    if (bytes.length <= limit) return bytes;
    const sentence = `the answer to ${this.method} has ${bytes.length} bytes, where ${limit} can be sent`;
    throw new DriverError('resource-exhausted', sentence);
  }

  #withdrawal(): DriverError {
    const { deadlineMs } = this.#call;
    return deadlineMs !== undefined && steadyNowMs() >= deadlineMs - deadlineSlackMs
      ? this.#expiry()
      : new DriverError('cancelled', `the caller of ${this.method} withdrew the call`);
  }

  #expiry(): DriverError {
    return new DriverError('deadline-exceeded', `${this.method} did not finish before its caller's deadline`);
  }

  /** Nothing happens when the call has ended: what its handler says then is for nobody. */
  #fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const failure = failureOf(error, this.#abortReason);
    this.#call.fail(failure);
    this.#record(failure);
  }

  #record(failure: DriverError | undefined): void {
    const { logger, metrics, quietMethods } = this.#environment;
    const durationMs = performance.now() - this.#startedAt;
    const code = failure === undefined ? 'OK' : statusNameOf(failure.reason);
    metrics?.finished(this.method, code, durationMs / 1000);
    const level = levelOf(failure, quietMethods.has(this.method));
    if (!logger.enabled(level)) return;
    const { method, requestId } = this;
    const call = { method, requestId, ...volumeIdOf(this.#call.request) };
    const outcome = { durationMs: Math.round(durationMs * 1000) / 1000, code };
    if (failure === undefined) {
      logger[level]('call finished', { ...call, ...outcome });
    } else {
      const error = level === 'error' ? { error: failure } : { problem: failure.message };
      logger[level]('call failed', { ...call, ...outcome, reason: failure.reason, ...error });
    }
  }
}

/** A surprise goes to the log with its stack; what a caller or the node did wrong is a sentence. */
function levelOf(failure: DriverError | undefined, quiet: boolean): 'error' | 'warn' | 'info' | 'debug' {
  if (failure === undefined) return quiet ? 'debug' : 'info';
  if (failure.reason === 'internal') return 'error';
  return failure.reason === 'cancelled' ? 'info' : 'warn';
}

function failureOf(error: unknown, abortReason: DriverError | undefined): DriverError {
  if (error instanceof DriverError) return error;
  const name = error instanceof Error ? error.name : '';
  if (abortReason !== undefined && (name === 'AbortError' || name === 'TimeoutError')) return abortReason;
  if (name === 'TimeoutError') {
    return new DriverError('deadline-exceeded', 'a step of the call took too long', { cause: error });
  }
  return DriverError.from(error);
}

function volumeIdOf(request: object): { volumeId?: string } {
  if (!('volumeId' in request)) return {};
  const { volumeId } = request;
  return typeof volumeId === 'string' && volumeId !== '' ? { volumeId: volumeId.slice(0, 128) } : {};
}
