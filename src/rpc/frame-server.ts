// A server of frames on a Unix socket, for our own processes: socket rules at the start, every call through the one
// pipeline, an orderly end. Knows no particular service.
import net from 'node:net';
import { DriverError } from '../errors.ts';
import { type CallEnvironment, type ServedMethod, servedMethod } from './call.ts';
import type { MethodName, MethodType, ServiceType } from './codec.ts';
import { FrameError, frameOverheadBytes } from './frame.ts';
import { FrameServerConnection } from './frame-server-connection.ts';
import { maximumMessageBytes, maximumRequestBytes } from './limits.ts';
import { RunningCalls } from './running-calls.ts';
import type { Handlers, RpcServerOptions } from './server.ts';
import { claimSocketPath, parseSocketAddress, protectSocket, type SocketFolderOptions } from './socket.ts';

/** The processes of a node are two; more connections than this many are a mistake. Idle ones make room for new ones. */
const maximumConnections = 64;
/** How long a drain waits for answers to leave after the last call has ended. */
const flushMs = 250;

/** A server of frames on one Unix socket. Create, add services, listen, drain; it cannot be started twice. */
export class FrameServer {
  readonly name: string;
  readonly #server: net.Server;
  readonly #environment: CallEnvironment;
  readonly #methods = new Map<string, ServedMethod>();
  readonly #connections = new Set<FrameServerConnection>();
  #socketPath: string | undefined;

  constructor(options: RpcServerOptions) {
    this.name = options.name;
    this.#environment = {
      logger: options.logger,
      metrics: options.metrics,
      quietMethods: new Set(options.quietMethods ?? []),
      maximumMessageBytes: options.maximumMessageBytes ?? maximumMessageBytes,
      running: new RunningCalls(),
    };
    this.#server = net.createServer((socket) => this.#accept(socket));
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
    for (const [name, type] of Object.entries<MethodType>(service.methods)) {
      this.#methods.set(type.path, servedMethod(type, handlers[name as MethodName<S>]));
    }
  }

  /**
   * Binds the socket (`unix:///path`, `unix:/path` or a path), which only its owner can use then.
   * @throws {DriverError} socket-refused, or config-invalid for an address that is none.
   */
  async listen(address: string, options: SocketFolderOptions = {}): Promise<void> {
    const socketPath = parseSocketAddress(address);
    await claimSocketPath(socketPath, options);
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: Error): void =>
        reject(new DriverError('socket-refused', `cannot listen on ${socketPath}`, { cause }));
      this.#server.once('error', failed);
      this.#server.listen(socketPath, () => {
        this.#server.off('error', failed);
        resolve();
      });
    });
    protectSocket(socketPath);
    // Out of descriptors, for instance: the connection is lost, and its client says so.
    this.#server.on('error', (error) => {
      this.#environment.logger.error('a connection could not be accepted', { server: this.name, error });
    });
    this.#socketPath = socketPath;
    this.#environment.logger.info('listening', { server: this.name, socket: socketPath });
  }

  /**
   * Stops in order: new calls are refused (shutting-down), streams end, running calls get `graceMs` to finish and
   * are aborted then. The socket is gone as soon as nobody listens. Settles even when a handler never does.
   */
  async drain(graceMs: number): Promise<void> {
    await this.#environment.running.drain(graceMs);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.end();
    const force = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy();
    }, flushMs);
    await closed;
    clearTimeout(force);
    this.#socketPath = undefined;
  }

  #accept(socket: net.Socket): void {
    if (this.#connections.size >= maximumConnections && !this.#makeRoom()) {
      socket.destroy();
      this.#environment.logger.warn('a connection was refused', { server: this.name, maximumConnections });
      return;
    }
    const connection = new FrameServerConnection(socket, {
      methods: this.#methods,
      environment: this.#environment,
      maximumFrameBytes:
        Math.min(this.#environment.maximumMessageBytes, maximumRequestBytes) + frameOverheadBytes,
      onClose: (error) => {
        this.#connections.delete(connection);
        if (error === undefined) return;
        const level = error instanceof FrameError ? 'warn' : 'info';
        this.#environment.logger[level]('a connection broke', { server: this.name, problem: error.message });
      },
    });
    this.#connections.add(connection);
  }

  /** Ends the oldest connection without a call in flight; false when all have one. */
  #makeRoom(): boolean {
    for (const connection of this.#connections) {
      if (!connection.isIdle) continue;
      this.#connections.delete(connection);
      connection.destroy();
      this.#environment.logger.info('an idle connection made room', {
        server: this.name,
        maximumConnections,
      });
      return true;
    }
    return false;
  }
}
