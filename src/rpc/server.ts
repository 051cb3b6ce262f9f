// A gRPC server on a Unix socket: socket rules at the start, every call through the one pipeline, an orderly end.
// Knows no particular service.
import {
  logVerbosity,
  type MethodDefinition,
  Server,
  ServerCredentials,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { CallMetrics } from '../observe/metrics.ts';
import { type CallContext, type CallEnvironment, decodeRequest, servedMethod } from './call.ts';
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
import { grpcStreamHandler, grpcUnaryHandler } from './grpc-call.ts';
import { maximumMessageBytes, maximumRequestBytes, maximumStreamsPerConnection } from './limits.ts';
import { RunningCalls } from './running-calls.ts';
import { claimSocketPath, parseSocketAddress, protectSocket, type SocketFolderOptions } from './socket.ts';

/** The handler of one method: a promise of the answer, or an async iterable of them for a streaming method. */
export type Handler<S, K extends keyof S> =
  IsStream<S, K> extends true
    ? (request: Decoded<RequestOf<S, K>>, context: CallContext) => AsyncIterable<Encodable<ResponseOf<S, K>>>
    : (request: Decoded<RequestOf<S, K>>, context: CallContext) => Promise<Encodable<ResponseOf<S, K>>>;

/** Handlers of all methods of a service: none can be forgotten. */
export type Handlers<S> = { readonly [K in MethodName<S>]: Handler<S, K> };

export interface RpcServerOptions {
  /** For logs and messages, such as "csi" or "mounter". */
  readonly name: string;
  readonly logger: Logger;
  readonly metrics?: CallMetrics;
  /** Methods that are asked all the time; their lines are written at debug. */
  readonly quietMethods?: readonly string[];
  readonly maximumMessageBytes?: number;
}

/** How long answers on their way get before connections are cut, and how long that may take. */
const flushMs = 250;
const forcedEndMs = 100;

/** A gRPC server on one Unix socket. Create, add services, listen, drain; it cannot be started twice. */
export class RpcServer {
  readonly name: string;
  readonly #server: Server;
  readonly #environment: CallEnvironment;
  #socketPath: string | undefined;

  constructor(options: RpcServerOptions) {
    this.name = options.name;
    // grpc-js writes to stderr by itself; whatever matters reaches us as an error.
    setLogVerbosity(logVerbosity.NONE);
    const maximumBytes = options.maximumMessageBytes ?? maximumMessageBytes;
    this.#server = new Server({
      'grpc.enable_channelz': 0,
      'grpc.max_receive_message_length': Math.min(maximumBytes, maximumRequestBytes),
      'grpc.max_send_message_length': maximumBytes,
      'grpc.max_concurrent_streams': maximumStreamsPerConnection,
    });
    this.#environment = {
      logger: options.logger,
      metrics: options.metrics,
      quietMethods: new Set(options.quietMethods ?? []),
      maximumMessageBytes: maximumBytes,
      running: new RunningCalls(),
    };
  }

  /** The path this server listens on; undefined before listen and after drain. */
  get socketPath(): string | undefined {
    return this.#socketPath;
  }

  /** Calls with one answer that are running now. */
  get callsInFlight(): number {
    return this.#environment.running.unaryCount;
  }

  /** Adds a service with a handler for each of its methods; before listen. */
  addService<S>(service: ServiceType<S>, handlers: Handlers<S>): void {
    const definition: Record<string, MethodDefinition<unknown, unknown>> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries<MethodType>(service.methods)) {
      const served = servedMethod(method, handlers[name as MethodName<S>]);
      definition[name] = {
        path: method.path,
        requestStream: false,
        responseStream: method.responseStream,
        requestSerialize: (message) => method.request.encode(message as object),
        requestDeserialize: (bytes: Buffer) => decodeRequest(method.request, bytes),
        // The pipeline encodes, so that an answer that cannot be encoded is an error like any other.
        responseSerialize: (bytes) => bytes as Buffer,
        responseDeserialize: method.response.decode,
      };
      implementation[name] = served.stream
        ? grpcStreamHandler(served, this.#environment)
        : grpcUnaryHandler(served, this.#environment);
    }
    this.#server.addService(definition, implementation);
  }

  /**
   * Binds the socket (`unix:///path`, `unix:/path` or a path), which only its owner can use then.
   * @throws {DriverError} socket-refused, or config-invalid for an address that is none.
   */
  async listen(address: string, options: SocketFolderOptions = {}): Promise<void> {
    const socketPath = parseSocketAddress(address);
    await claimSocketPath(socketPath, options);
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (cause) => {
        if (cause === null) resolve();
        else reject(new DriverError('socket-refused', `cannot listen on ${socketPath}`, { cause }));
      });
    });
    protectSocket(socketPath);
    this.#socketPath = socketPath;
    this.#environment.logger.info('listening', { server: this.name, socket: socketPath });
  }

  /**
   * Stops in order: new calls are refused (shutting-down), streams end, running calls get `graceMs` to finish and
   * are aborted then. The socket is gone as soon as nobody listens. Settles even when a handler or a peer never does.
   */
  async drain(graceMs: number): Promise<void> {
    await this.#environment.running.drain(graceMs);
    await new Promise<void>((resolve) => {
      const force = setTimeout(
        () => {
          this.#server.forceShutdown();
          // A peer that keeps its half of a connection open keeps grpc-js waiting for ever.
          giveUp = setTimeout(resolve, forcedEndMs);
        },
        Math.min(graceMs, flushMs),
      );
      let giveUp: NodeJS.Timeout | undefined;
      this.#server.tryShutdown(() => {
        clearTimeout(force);
        clearTimeout(giveUp);
        resolve();
      });
    });
    this.#socketPath = undefined;
  }
}

/** A handler for a method that this driver does not offer; `sentence` tells the caller why. */
export function unimplemented(sentence: string): () => Promise<never> {
  return () => Promise.reject(new DriverError('unimplemented', sentence));
}
