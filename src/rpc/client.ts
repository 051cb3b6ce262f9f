// A typed client for a service on a Unix socket. Errors come back as the DriverError they were on the other side.
// Knows no particular service.
import {
  type ChannelOptions,
  Client,
  credentials,
  type CallOptions as GrpcCallOptions,
  logVerbosity,
  Metadata,
  type ServiceError,
  setLogVerbosity,
} from '@grpc/grpc-js';
import type { Reason } from '../errors.ts';
import type {
  Decoded,
  Encodable,
  IsStream,
  MethodName,
  MethodType,
  RequestOf,
  ResponseOf,
  ServiceType,
} from './codec.ts';
import { keepaliveTimeoutMs, maximumMessageBytes } from './limits.ts';
import { parseSocketAddress } from './socket.ts';
import { errorOfFailure } from './status.ts';
import { steadyNowMs } from './steady-clock.ts';

export interface CallOptions {
  /** Withdraws the call: the server sees a cancel. */
  readonly signal?: AbortSignal;
  /** Milliseconds the caller waits at most; the server learns of it. */
  readonly timeoutMs?: number;
  /** The same as a moment, of `steadyNowMs`; the earlier of the two counts. */
  readonly deadlineMs?: number | undefined;
}

/** What a service looks like to its caller: a promise per method, an async iterable for a streaming one. */
export type Calls<S> = {
  readonly [K in MethodName<S>]: IsStream<S, K> extends true
    ? (request: Encodable<RequestOf<S, K>>, options?: CallOptions) => AsyncIterable<Decoded<ResponseOf<S, K>>>
    : (request: Encodable<RequestOf<S, K>>, options?: CallOptions) => Promise<Decoded<ResponseOf<S, K>>>;
};

export interface RpcClient<S> {
  readonly calls: Calls<S>;
  /** Ends the connection; running calls fail. */
  close(): void;
}

export interface ClientOptions {
  /** For messages, such as "the mounter". */
  readonly name: string;
  /** What it means to this caller that nobody answers. */
  readonly unavailableReason: Reason;
  readonly maximumMessageBytes?: number;
  /** Ping a silent server this often, so that one which hangs counts as gone; off unless given. */
  readonly keepaliveMs?: number;
}

/**
 * Makes a client. It connects at the first call, stays connected, and finds a restarted server again within a
 * second; a call fails at once with `unavailableReason` while nobody listens.
 * @param address `unix:///path`, `unix:/path` or a path
 */
export function createClient<S>(
  service: ServiceType<S>,
  address: string,
  options: ClientOptions,
): RpcClient<S> {
  setLogVerbosity(logVerbosity.NONE);
  const maximumBytes = options.maximumMessageBytes ?? maximumMessageBytes;
  const client = new Client(`unix:${parseSocketAddress(address)}`, credentials.createInsecure(), {
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.min_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 500,
    'grpc.max_receive_message_length': maximumBytes,
    'grpc.max_send_message_length': maximumBytes,
    'grpc.default_authority': 'localhost',
    'grpc.service_config_disable_resolution': 1,
    ...keepalive(options.keepaliveMs),
  });
  const caller: Caller = {
    client,
    toError: (failure) => errorOf(failure, options),
  };
  const calls: Record<string, unknown> = {};
  for (const [name, method] of Object.entries<MethodType>(service.methods)) {
    calls[name] = method.responseStream ? streamCall(caller, method) : unaryCall(caller, method);
  }
  return { calls: calls as Calls<S>, close: () => client.close() };
}

function keepalive(everyMs: number | undefined): ChannelOptions {
  if (everyMs === undefined) return {};
  return {
    'grpc.keepalive_time_ms': everyMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    'grpc.keepalive_permit_without_calls': 1,
  };
}

interface Caller {
  readonly client: Client;
  toError(failure: ServiceError): Error;
}

function unaryCall({ client, toError }: Caller, method: MethodType) {
  const { encode } = method.request;
  const decode = (bytes: Buffer): object => method.response.decode(bytes);
  return (request: object, options: CallOptions = {}): Promise<object> =>
    new Promise((resolve, reject) => {
      const { signal } = options;
      const call = client.makeUnaryRequest(
        method.path,
        encode,
        decode,
        request,
        new Metadata(),
        grpcOptions(options),
        (failure, response) => {
          signal?.removeEventListener('abort', cancel);
          if (failure !== null) reject(toError(failure));
          else if (response === undefined) reject(new TypeError(`${method.path} answered nothing`));
          else resolve(response);
        },
      );
      const cancel = (): void => call.cancel();
      if (signal?.aborted === true) cancel();
      else signal?.addEventListener('abort', cancel, { once: true });
    });
}

function streamCall({ client, toError }: Caller, method: MethodType) {
  const decode = (bytes: Buffer): object => method.response.decode(bytes);
  return async function* (request: object, options: CallOptions = {}): AsyncGenerator<object> {
    const { signal } = options;
    const call = client.makeServerStreamRequest(
      method.path,
      method.request.encode,
      decode,
      request,
      new Metadata(),
      grpcOptions(options),
    );
    const cancel = (): void => call.cancel();
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const message of call) yield message;
    } catch (error) {
      throw isServiceError(error) ? toError(error) : error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      // A call left early may still report its own cancel; nobody is there to hear it.
      call.on('error', () => {});
      call.cancel();
    }
  };
}

function grpcOptions({ timeoutMs, deadlineMs }: CallOptions): GrpcCallOptions {
  const byDeadlineMs = deadlineMs === undefined ? Number.POSITIVE_INFINITY : deadlineMs - steadyNowMs();
  const leftMs = Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, byDeadlineMs);
  // grpc-js makes a duration of it again at once, by the clock of the machine.
  return Number.isFinite(leftMs) ? { deadline: Date.now() + leftMs } : {};
}

function errorOf(failure: ServiceError, { unavailableReason, name }: ClientOptions): Error {
  const { code, details: message } = failure;
  return errorOfFailure({ code, message, reason: undefined, cause: failure }, unavailableReason, name);
}

function isServiceError(error: unknown): error is ServiceError {
  return (
    error instanceof Error &&
    'code' in error &&
    'details' in error &&
    error['metadata' as never] !== undefined
  );
}
