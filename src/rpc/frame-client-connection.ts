// One connection to a frame server, with the calls that run on it. Knows no particular service.
import type net from 'node:net';
import { DriverError, type Reason } from '../errors.ts';
import { DeadlineWatch } from './deadline-watch.ts';
import {
  encodeCredit,
  encodeEmpty,
  encodeRequest,
  FrameError,
  type FrameKind,
  frameKind,
  longestTimeoutMs,
  readError,
} from './frame.ts';
import type { CallCarrier, PendingStream, PendingUnary } from './frame-call.ts';
import { FrameSocket } from './frame-socket.ts';
import { keepaliveTimeoutMs } from './limits.ts';
import { errorOfFailure } from './status.ts';
import { steadyNowMs } from './steady-clock.ts';

export interface FrameClientConnectionOptions {
  /** For messages, such as "the mounter". */
  readonly name: string;
  readonly unavailableReason: Reason;
  readonly socketPath: string;
  readonly maximumFrameBytes: number;
  /** Ping a silent server this often; off when undefined. */
  readonly keepaliveMs: number | undefined;
  /** Once, when the connection takes no more calls, and before the calls that ran on it fail. */
  readonly onEnding: () => void;
}

type PendingCall = PendingUnary | PendingStream;

export class FrameClientConnection implements CallCarrier {
  readonly #options: FrameClientConnectionOptions;
  readonly #socket: FrameSocket;
  readonly #calls = new Map<number, PendingCall>();
  readonly #deadlines = new DeadlineWatch((nowMs) => this.#expire(nowMs));
  readonly #keepalive: NodeJS.Timeout | undefined;
  #lastId = 0;
  #connected = false;
  #heard = true;
  #hangTimer: NodeJS.Timeout | undefined;
  #ended = false;

  /** @param socket one that is connecting; what is sent before it is connected waits in it */
  constructor(socket: net.Socket, options: FrameClientConnectionOptions) {
    this.#options = options;
    this.#socket = new FrameSocket(socket, {
      maximumFrameBytes: options.maximumFrameBytes,
      onFrame: (kind, callId, body) => this.#take(kind, callId, body),
      onClose: (error) => this.#end(error),
    });
    socket.once('connect', () => {
      this.#connected = true;
    });
    if (options.keepaliveMs !== undefined) {
      this.#keepalive = setInterval(() => this.#keepAlive(), options.keepaliveMs).unref();
    }
  }

  /** Sends the request of a call and sees it through; the call fails when that is not possible. */
  start(call: PendingCall, path: Buffer, message: Buffer): void {
    if (call.withdrawn) {
      call.withdraw();
      return;
    }
    let timeoutMs = 0;
    if (call.deadlineMs !== Number.POSITIVE_INFINITY) {
      timeoutMs = Math.min(Math.ceil(call.deadlineMs - steadyNowMs()), longestTimeoutMs);
      if (!(timeoutMs > 0)) {
        call.expire();
        return;
      }
      this.#deadlines.add(call.deadlineMs);
    }
    const callId = this.#freeId();
    this.#calls.set(callId, call);
    call.begin(callId, this);
    this.#socket.send(encodeRequest(callId, path, timeoutMs, message));
  }

  withdraw(callId: number): void {
    this.#socket.send(encodeEmpty(frameKind.cancel, callId));
  }

  grant(callId: number, items: number): void {
    this.#socket.send(encodeCredit(callId, items));
  }

  forget(callId: number): void {
    this.#calls.delete(callId);
  }

  /** Ends the connection now; running calls fail. */
  close(): void {
    this.#end(undefined);
  }

  #freeId(): number {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0;
    } while (this.#calls.has(this.#lastId));
    return this.#lastId;
  }

  #take(kind: FrameKind, callId: number, body: Buffer): void {
    this.#heard = true;
    if (kind === frameKind.pong) return;
    const call = this.#calls.get(callId);
    // An answer to a call that was given up meanwhile.
    if (call === undefined) return;
    if (kind === frameKind.error) {
      const { name, unavailableReason } = this.#options;
      call.fail(errorOfFailure(readError(body), unavailableReason, name));
    } else if (!call.take(kind, body)) {
      throw new FrameError(`a frame of kind ${kind}, which has no place in ${call.method.name}`);
    }
  }

  #expire(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const call of this.#calls.values()) {
      if (call.deadlineMs <= nowMs) call.expire();
      else if (call.deadlineMs < next) next = call.deadlineMs;
    }
    return next;
  }

  /** A server that has said nothing since the last look is asked whether it is there. */
  #keepAlive(): void {
    if (!this.#heard && this.#hangTimer === undefined) {
      this.#socket.send(encodeEmpty(frameKind.ping, 0));
      this.#hangTimer = setTimeout(() => this.#judge(), keepaliveTimeoutMs).unref();
      return;
    }
    this.#heard = false;
  }

  #judge(): void {
    this.#hangTimer = undefined;
    if (!this.#heard) this.#end(new Error(`no answer to a ping within ${keepaliveTimeoutMs} ms`));
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#keepalive);
    clearTimeout(this.#hangTimer);
    this.#deadlines.close();
    this.#socket.destroy();
    const { name, unavailableReason, socketPath, onEnding } = this.#options;
    onEnding();
    if (this.#calls.size === 0) return;
    const sentence = this.#connected
      ? `the connection ended before the answer came; what was asked may have been done`
      : `nobody answers on ${socketPath}`;
    const why = error === undefined ? '' : ` (${error.message})`;
    for (const call of this.#calls.values()) {
      call.fail(new DriverError(unavailableReason, `${name}: ${sentence}${why}`, { cause: error }));
    }
  }
}
