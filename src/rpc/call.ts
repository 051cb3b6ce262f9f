// The one way every call takes, whatever the service: admitted, logged, measured, bounded by its caller's
// deadline, answered. Knows no service and no meaning of any field but `volumeId`.
import { randomBytes } from 'node:crypto';
import {
  Metadata,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { CallMetrics } from '../observe/metrics.ts';
import type { MethodType } from './codec.ts';
import { reasonTrailer, statusOfReason } from './status.ts';

/** What a handler is told about the call it serves. */
export interface CallContext {
  /** As in the proto file, such as NodePublishVolume. */
  readonly method: string;
  /** Unique within this process; in every log line of the call. */
  readonly requestId: string;
  /** Fires at the caller's deadline, when the caller withdraws, and when the process stops; `reason` is a DriverError. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970; undefined when the caller set none. */
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

/** What all calls of a server share. */
export interface CallEnvironment {
  readonly logger: Logger;
  readonly metrics: CallMetrics | undefined;
  /** Hand the reason of an error to the caller in trailing metadata. CSI forbids extras; our own services do it. */
  readonly sendReason: boolean;
  /** Methods whose lines are written at debug, because they are asked all the time. */
  readonly quietMethods: ReadonlySet<string>;
  readonly running: RunningCalls;
}

/** Messages travel in an HTTP/2 header, which a peer may limit to 8 KiB after percent-encoding. */
const maximumMessageChars = 2000;
/**
 * A client gives up at its deadline; ours is later by the time the call took to get here, so that its cancel can
 * come first. This near to the deadline a cancel is taken for it.
 */
const deadlineSlackMs = 100;
const processTag = randomBytes(3).toString('hex');
let callCount = 0;

/** The calls a server is serving, so that it can stop with none of them half done. */
export class RunningCalls {
  readonly #unary = new Set<AbortController>();
  readonly #streams = new Set<AbortController>();
  #whenIdle: (() => void) | undefined;
  #draining = false;

  /** Throws shutting-down once draining began. */
  add(controller: AbortController, stream: boolean): void {
    if (this.#draining) throw shuttingDown();
    (stream ? this.#streams : this.#unary).add(controller);
  }

  delete(controller: AbortController): void {
    this.#unary.delete(controller);
    this.#streams.delete(controller);
    if (this.size === 0) this.#whenIdle?.();
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
      const idle = new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
      const timer = Promise.withResolvers<void>();
      const handle = setTimeout(timer.resolve, graceMs);
      await Promise.race([idle, timer.promise]);
      clearTimeout(handle);
    }
    for (const call of this.#unary) call.abort(shuttingDown());
  }
}

function shuttingDown(): DriverError {
  return new DriverError('shutting-down', 'the process is stopping; the call can be repeated in a moment');
}

type AnyCall = ServerUnaryCall<unknown, Buffer> | ServerWritableStream<unknown, Buffer>;
export type AnyUnaryHandler = (request: object, context: CallContext) => Promise<object>;
export type AnyStreamHandler = (request: object, context: CallContext) => AsyncIterable<object>;

/** Wraps a handler of a method with one answer into what grpc-js calls. Never throws, always answers. */
export function serveUnary(method: MethodType, handler: AnyUnaryHandler, environment: CallEnvironment) {
  return (call: ServerUnaryCall<unknown, Buffer>, answer: sendUnaryData<Buffer>): void => {
    const served = new ServedCall(method, call, environment);
    served
      .run(async (request) => method.response.encode(await handler(request, served)))
      .then(
        (bytes) => answer(null, bytes),
        (failure) => answer(failure),
      );
  };
}

/** Wraps a handler that answers with a stream. The stream ends at the deadline, at a cancel and at shutdown. */
export function serveStream(method: MethodType, handler: AnyStreamHandler, environment: CallEnvironment) {
  return (call: ServerWritableStream<unknown, Buffer>): void => {
    const served = new ServedCall(method, call, environment);
    const write = async (request: object): Promise<void> => {
      for await (const message of handler(request, served)) {
        if (served.signal.aborted) return;
        if (!call.write(method.response.encode(message))) await drained(call, served.signal);
      }
    };
    served.run(write).then(
      () => call.end(),
      (failure) => call.emit('error', failure),
    );
  };
}

/** One call from its arrival to its answer; the context its handler sees. */
class ServedCall implements CallContext {
  readonly method: string;
  readonly requestId = `${processTag}-${++callCount}`;
  readonly deadlineMs: number | undefined;
  readonly #startedAt = performance.now();
  readonly #controller = new AbortController();
  readonly #environment: CallEnvironment;
  readonly #type: MethodType;
  readonly #call: AnyCall;
  #log: Logger | undefined;
  #ended = false;

  constructor(type: MethodType, call: AnyCall, environment: CallEnvironment) {
    this.method = type.name;
    this.#type = type;
    this.#call = call;
    this.#environment = environment;
    const deadline = Number(call.getDeadline());
    this.deadlineMs = Number.isFinite(deadline) ? deadline : undefined;
    // grpc-js says so of finished calls too, when their stream closes.
    call.on('cancelled', () => {
      if (!this.#ended) this.#controller.abort(this.#withdrawal());
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get log(): Logger {
    this.#log ??= this.#environment.logger.child({ method: this.method, requestId: this.requestId });
    return this.#log;
  }

  /** Runs the work under the call's signal. Rejects with what grpc-js sends as the status. */
  async run<T>(work: (request: object) => Promise<T>): Promise<T> {
    const { metrics, running } = this.#environment;
    metrics?.started(this.method);
    let failure: DriverError | undefined;
    try {
      running.add(this.#controller, this.#type.responseStream);
      return await this.#untilAborted(work);
    } catch (error) {
      failure = failureOf(error, this.signal);
      throw this.#statusOf(failure);
    } finally {
      this.#finished(failure);
    }
  }

  /** The caller does not wait beyond its signal; the work keeps its place among the running calls until it ends. */
  #untilAborted<T>(work: (request: object) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const release = (): void => this.#environment.running.delete(this.#controller);
      const aborted = (): void => reject(this.signal.reason);
      if (this.#call.cancelled) this.#controller.abort(this.#withdrawal());
      if (this.signal.aborted) {
        release();
        aborted();
        return;
      }
      this.signal.addEventListener('abort', aborted, { once: true });
      this.#start(work).then(resolve, reject).finally(release);
    });
  }

  /** async, so that what a handler throws at once is a rejection like any other. */
  async #start<T>(work: (request: object) => Promise<T>): Promise<T> {
    const { request } = this.#call;
    if (request instanceof MalformedRequest) {
      throw new DriverError(
        'invalid-argument',
        `the request is not a valid ${this.#type.request.name} message`,
        {
          cause: request.cause,
        },
      );
    }
    if (this.#environment.logger.enabled('debug')) {
      this.log.debug('call started', { request: this.#type.request.redact(request as object) });
    }
    return await work(request as object);
  }

  #withdrawal(): DriverError {
    return this.deadlineMs !== undefined && Date.now() >= this.deadlineMs - deadlineSlackMs
      ? new DriverError('deadline-exceeded', `${this.method} did not finish before its caller's deadline`)
      : new DriverError('cancelled', `the caller of ${this.method} withdrew the call`);
  }

  #statusOf(failure: DriverError): { code: status; details: string; metadata?: Metadata } {
    const details = failure.message.slice(0, maximumMessageChars);
    const code = statusOfReason[failure.reason];
    if (!this.#environment.sendReason) return { code, details };
    const metadata = new Metadata();
    metadata.set(reasonTrailer, failure.reason);
    return { code, details, metadata };
  }

  #finished(failure: DriverError | undefined): void {
    this.#ended = true;
    const { logger, metrics, quietMethods } = this.#environment;
    const durationMs = performance.now() - this.#startedAt;
    const code = status[failure === undefined ? status.OK : statusOfReason[failure.reason]];
    metrics?.finished(this.method, code, durationMs / 1000);
    const level = levelOf(failure, quietMethods.has(this.method));
    if (!logger.enabled(level)) return;
    const outcome = { durationMs: Math.round(durationMs * 1000) / 1000, code };
    const volume = volumeIdOf(this.#call.request);
    if (failure === undefined) {
      this.log[level]('call finished', { ...volume, ...outcome });
    } else {
      const error = level === 'error' ? { error: failure } : { problem: failure.message };
      this.log[level]('call failed', { ...volume, ...outcome, reason: failure.reason, ...error });
    }
  }
}

/** A surprise goes to the log with its stack; what a caller or the node did wrong is a sentence. */
function levelOf(failure: DriverError | undefined, quiet: boolean): 'error' | 'warn' | 'info' | 'debug' {
  if (failure === undefined) return quiet ? 'debug' : 'info';
  if (failure.reason === 'internal') return 'error';
  return failure.reason === 'cancelled' ? 'info' : 'warn';
}

function failureOf(error: unknown, signal: AbortSignal): DriverError {
  if (error instanceof DriverError) return error;
  const name = error instanceof Error ? error.name : '';
  const interrupted = name === 'AbortError' || name === 'TimeoutError';
  if (interrupted && signal.reason instanceof DriverError) return signal.reason;
  if (name === 'TimeoutError') {
    return new DriverError('deadline-exceeded', 'a step of the call took too long', { cause: error });
  }
  return DriverError.from(error);
}

function volumeIdOf(request: unknown): { volumeId?: string } {
  if (typeof request !== 'object' || request === null || !('volumeId' in request)) return {};
  const { volumeId } = request;
  return typeof volumeId === 'string' && volumeId !== '' ? { volumeId: volumeId.slice(0, 128) } : {};
}

function drained(call: ServerWritableStream<unknown, Buffer>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      call.off('drain', settle);
      signal.removeEventListener('abort', settle);
      resolve();
    };
    call.once('drain', settle);
    signal.addEventListener('abort', settle, { once: true });
  });
}
