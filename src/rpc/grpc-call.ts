// Calls of grpc-js as the pipeline knows them. Knows no service.
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from '@grpc/grpc-js';
import type { DriverError } from '../errors.ts';
import {
  type CallEnvironment,
  type CallInProgress,
  type ServedMethod,
  serveStream,
  serveUnary,
  type TransportedStream,
  type TransportedUnary,
} from './call.ts';
import { messageOf, statusOfReason } from './status.ts';
import { steadyNowMs } from './steady-clock.ts';

/** What grpc-js calls for a method with one answer. */
export function grpcUnaryHandler(
  method: ServedMethod & { stream: false },
  environment: CallEnvironment,
): handleUnaryCall<object, Buffer> {
  return (call, answer) => follow(call, serveUnary(method, new GrpcUnaryCall(call, answer), environment));
}

/** What grpc-js calls for a method that answers with a stream. */
export function grpcStreamHandler(
  method: ServedMethod & { stream: true },
  environment: CallEnvironment,
): handleServerStreamingCall<object, Buffer> {
  return (call) => follow(call, serveStream(method, new GrpcStreamCall(call), environment));
}

type GrpcCall = ServerUnaryCall<object, Buffer> | ServerWritableStream<object, Buffer>;

/** grpc-js says `cancelled` at the caller's deadline as well, and of finished calls when their stream closes. */
function follow(call: GrpcCall, inProgress: CallInProgress): void {
  call.on('cancelled', () => inProgress.withdraw());
}

function deadlineOf(call: GrpcCall): number | undefined {
  const deadline = Number(call.getDeadline());
  return Number.isFinite(deadline) ? steadyNowMs() + (deadline - Date.now()) : undefined;
}

function statusOf(error: DriverError) {
  return { code: statusOfReason[error.reason], details: messageOf(error) };
}

class GrpcUnaryCall implements TransportedUnary {
  readonly request: object;
  readonly deadlineMs: number | undefined;
  readonly withdrawn: boolean;
  readonly #answer: sendUnaryData<Buffer>;

  constructor(call: ServerUnaryCall<object, Buffer>, answer: sendUnaryData<Buffer>) {
    this.request = call.request;
    this.deadlineMs = deadlineOf(call);
    this.withdrawn = call.cancelled;
    this.#answer = answer;
  }

  answer(bytes: Buffer): void {
    this.#answer(null, bytes);
  }

  fail(error: DriverError): void {
    this.#answer(statusOf(error));
  }
}

class GrpcStreamCall implements TransportedStream {
  readonly request: object;
  readonly deadlineMs: number | undefined;
  readonly withdrawn: boolean;
  readonly #call: ServerWritableStream<object, Buffer>;
  #ended: (() => void) | undefined;

  constructor(call: ServerWritableStream<object, Buffer>) {
    this.request = call.request;
    this.deadlineMs = deadlineOf(call);
    this.withdrawn = call.cancelled;
    this.#call = call;
  }

  fail(error: DriverError): void {
    this.#call.emit('error', statusOf(error));
    this.#ended?.();
  }

  write(bytes: Buffer): boolean {
    return this.#call.write(bytes);
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#call.off('drain', settle);
        this.#ended = undefined;
        resolve();
      };
      this.#ended = settle;
      this.#call.once('drain', settle);
    });
  }

  end(): void {
    this.#call.end();
  }
}
