// One connection of a frame server: its calls from their request frame to their last one. Knows no particular
// service, and no other connection.
import type net from 'node:net';
import type { DriverError } from '../errors.ts';
import {
  type CallEnvironment,
  type CallInProgress,
  decodeRequest,
  type ServedMethod,
  serveStream,
  serveUnary,
  type TransportedStream,
  type TransportedUnary,
} from './call.ts';
import { DeadlineWatch } from './deadline-watch.ts';
import {
  encodeEmpty,
  encodeError,
  encodeMessage,
  FrameError,
  type FrameKind,
  frameKind,
  initialCredit,
  readCredit,
  readRequest,
} from './frame.ts';
import { FrameSocket } from './frame-socket.ts';
import { maximumCallsPerConnection, maximumFrameStreamsPerConnection } from './limits.ts';
import { messageOf, statusOfReason } from './status.ts';
import { statusCode } from './status-code.ts';
import { steadyNowMs } from './steady-clock.ts';

export interface FrameServerConnectionOptions {
  readonly methods: ReadonlyMap<string, ServedMethod>;
  readonly environment: CallEnvironment;
  readonly maximumFrameBytes: number;
  readonly onClose: (error: Error | undefined) => void;
}

export class FrameServerConnection {
  readonly #options: FrameServerConnectionOptions;
  readonly #socket: FrameSocket;
  readonly #calls = new Map<number, FrameCall>();
  readonly #deadlines = new DeadlineWatch((nowMs) => this.#expire(nowMs));

  constructor(socket: net.Socket, options: FrameServerConnectionOptions) {
    this.#options = options;
    this.#socket = new FrameSocket(socket, {
      maximumFrameBytes: options.maximumFrameBytes,
      onFrame: (kind, callId, body) => this.#take(kind, callId, body),
      onClose: (error) => this.#closed(error),
    });
    this.#socket.onDrain(() => {
      for (const call of this.#calls.values()) call.wake();
    });
  }

  /** No call is in flight. A client that follows a stream is never idle. */
  get isIdle(): boolean {
    return this.#calls.size === 0;
  }

  /** Ends the connection once all answers have left. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(kind: FrameKind, callId: number, body: Buffer): void {
    switch (kind) {
      case frameKind.request:
        this.#begin(callId, body);
        return;
      case frameKind.cancel:
        this.#withdraw(callId);
        return;
      // The two of calls that have just ended are no surprise: they were under way.
      case frameKind.credit:
        this.#calls.get(callId)?.grant(readCredit(body));
        return;
      case frameKind.ping:
        this.#socket.send(encodeEmpty(frameKind.pong, callId));
        return;
      default:
        throw new FrameError(`a client sent a frame of kind ${kind}, which only servers send`);
    }
  }

  #begin(callId: number, body: Buffer): void {
    const { methods, environment } = this.#options;
    const { path, timeoutMs, message } = readRequest(body);
    if (this.#calls.has(callId)) throw new FrameError(`the call id ${callId} is in use`);
    if (this.#calls.size >= maximumCallsPerConnection) {
      this.#refuseExcess(callId, `${maximumCallsPerConnection} calls`);
      return;
    }
    const method = methods.get(path);
    if (method === undefined) {
      this.#refuse(
        callId,
        statusCode.UNIMPLEMENTED,
        'unimplemented',
        `${path} is not a method of this server`,
      );
      return;
    }
    if (method.stream && this.#streamCount() >= maximumFrameStreamsPerConnection) {
      this.#refuseExcess(callId, `${maximumFrameStreamsPerConnection} streams`);
      return;
    }
    const request = decodeRequest(method.type.request, message);
    const deadlineMs = timeoutMs === 0 ? undefined : steadyNowMs() + timeoutMs;
    const call = new FrameCall(this.#socket, this.#calls, callId, request, deadlineMs);
    call.isStream = method.stream;
    this.#calls.set(callId, call);
    if (deadlineMs !== undefined) this.#deadlines.add(deadlineMs);
    call.inProgress = method.stream
      ? serveStream(method, call, environment)
      : serveUnary(method, call, environment);
  }

  #streamCount(): number {
    let count = 0;
    for (const { isStream } of this.#calls.values()) if (isStream) count += 1;
    return count;
  }

  #refuseExcess(callId: number, limit: string): void {
    const sentence = `more than ${limit} are in flight on one connection`;
    this.#refuse(callId, statusCode.RESOURCE_EXHAUSTED, 'resource-exhausted', sentence);
  }

  #refuse(callId: number, code: number, reason: DriverError['reason'], sentence: string): void {
    this.#socket.send(encodeError(callId, code, reason, sentence));
  }

  #withdraw(callId: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    call.withdrawn = true;
    call.inProgress?.withdraw();
  }

  #expire(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { deadlineMs, inProgress } of this.#calls.values()) {
      if (deadlineMs === undefined) continue;
      if (deadlineMs <= nowMs) inProgress?.expire();
      else if (deadlineMs < next) next = deadlineMs;
    }
    return next;
  }

  #closed(error: Error | undefined): void {
    this.#deadlines.close();
    for (const callId of this.#calls.keys()) this.#withdraw(callId);
    this.#options.onClose(error);
  }
}

/** One call, as the pipeline knows it. */
class FrameCall implements TransportedUnary, TransportedStream {
  readonly request: object;
  readonly deadlineMs: number | undefined;
  /** The caller has left: nothing more is sent. */
  withdrawn = false;
  isStream = false;
  inProgress: CallInProgress | undefined;
  readonly #socket: FrameSocket;
  readonly #calls: Map<number, FrameCall>;
  readonly #id: number;
  #credit = initialCredit;
  #finished = false;
  #wake: (() => void) | undefined;

  constructor(
    socket: FrameSocket,
    calls: Map<number, FrameCall>,
    id: number,
    request: object,
    deadlineMs: number | undefined,
  ) {
    this.#socket = socket;
    this.#calls = calls;
    this.#id = id;
    this.request = request;
    this.deadlineMs = deadlineMs;
  }

  answer(bytes: Buffer): void {
    this.#finish(encodeMessage(frameKind.response, this.#id, bytes));
  }

  end(): void {
    this.#finish(encodeEmpty(frameKind.end, this.#id));
  }

  fail(error: DriverError): void {
    const { reason } = error;
    this.#finish(encodeError(this.#id, statusOfReason[reason], reason, messageOf(error)));
  }

  write(bytes: Buffer): boolean {
    this.#credit -= 1;
    this.#socket.send(encodeMessage(frameKind.item, this.#id, bytes));
    return this.#writable;
  }

  async drained(): Promise<void> {
    while (!this.#writable && !this.#finished) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The reader takes so many items more. */
  grant(items: number): void {
    this.#credit = Math.min(this.#credit + items, Number.MAX_SAFE_INTEGER);
    this.wake();
  }

  /** Something has changed that a writer may wait for. */
  wake(): void {
    this.#wake?.();
  }

  get #writable(): boolean {
    return this.#credit > 0 && !this.#socket.behind;
  }

  #finish(frame: Buffer): void {
    this.#finished = true;
    this.#calls.delete(this.#id);
    if (!this.withdrawn) this.#socket.send(frame);
    this.wake();
  }
}
