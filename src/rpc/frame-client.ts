// A typed client of a frame server on a Unix socket. Errors come back as the DriverError they were on the other
// side. Knows no particular service.
import net from 'node:net';
import { DriverError } from '../errors.ts';
import { afterEffect, beforeEffect } from '../linux/effect-point.ts';
import type { CallOptions, Calls, ClientOptions, RpcClient } from './client.ts';
import type { MethodType, ServiceType } from './codec.ts';
import { encodePath, frameOverheadBytes } from './frame.ts';
import { PendingStream, PendingUnary } from './frame-call.ts';
import { FrameClientConnection } from './frame-client-connection.ts';
import { maximumMessageBytes, maximumRequestBytes } from './limits.ts';
import { parseSocketAddress } from './socket.ts';

/**
 * Makes a client. It connects at the first call and stays connected; once the connection is lost, the next call
 * makes a new one. A call fails at once with `unavailableReason` while nobody listens.
 * @param address `unix:///path`, `unix:/path` or a path
 */
export function createFrameClient<S>(
  service: ServiceType<S>,
  address: string,
  options: ClientOptions,
): RpcClient<S> {
  const client = new FrameClient(parseSocketAddress(address), options);
  const calls: Record<string, unknown> = {};
  for (const [name, method] of Object.entries<MethodType>(service.methods)) {
    calls[name] = method.responseStream ? streamCall(client, method) : unaryCall(client, method);
  }
  return { calls: calls as Calls<S>, close: () => client.close() };
}

const noOptions: CallOptions = {};

function unaryCall(client: FrameClient, method: MethodType) {
  const path = encodePath(method.path);
  const effect = `call ${method.name}`;
  return (request: object, options: CallOptions = noOptions): Promise<object> =>
    new Promise((resolve, reject) => {
      beforeEffect(effect);
      const answered = (answer: object): void => {
        afterEffect(effect);
        resolve(answer);
      };
      client.start(new PendingUnary(method, options, { resolve: answered, reject }), path, request);
    });
}

function streamCall(client: FrameClient, method: MethodType) {
  const path = encodePath(method.path);
  return async function* (request: object, options: CallOptions = noOptions): AsyncGenerator<object> {
    const call = new PendingStream(method, options);
    client.start(call, path, request);
    try {
      for (let item = await call.next(); item !== undefined; item = await call.next()) yield item;
    } finally {
      call.leave();
    }
  };
}

/** The client of one socket, over any number of connections one after the other. */
class FrameClient {
  readonly #socketPath: string;
  readonly #options: ClientOptions;
  readonly #maximumMessageBytes: number;
  #connection: FrameClientConnection | undefined;
  #closed = false;

  constructor(socketPath: string, options: ClientOptions) {
    this.#socketPath = socketPath;
    this.#options = options;
    this.#maximumMessageBytes = options.maximumMessageBytes ?? maximumMessageBytes;
  }

  start(call: PendingUnary | PendingStream, path: Buffer, request: object): void {
    try {
      const message = call.method.request.encode(request);
      const limitBytes = Math.min(this.#maximumMessageBytes, maximumRequestBytes);
      if (message.length > limitBytes) {
        const sentence = `a request of ${message.length} bytes, where ${limitBytes} can be sent`;
        throw new DriverError('resource-exhausted', `${this.#options.name}: ${sentence}`);
      }
      this.#connected().start(call, path, message);
    } catch (error) {
      call.fail(DriverError.from(error));
    }
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
  }

  #connected(): FrameClientConnection {
    const { name, unavailableReason, keepaliveMs } = this.#options;
    if (this.#closed) throw new DriverError(unavailableReason, `${name}: this client has been closed`);
    this.#connection ??= new FrameClientConnection(net.connect(this.#socketPath), {
      name,
      unavailableReason,
      keepaliveMs,
      socketPath: this.#socketPath,
      maximumFrameBytes: this.#maximumMessageBytes + frameOverheadBytes,
      onEnding: () => {
        this.#connection = undefined;
      },
    });
    return this.#connection;
  }
}
