// A connection to a Unix socket over which a test sends any bytes. Knows no protocol.
import net from 'node:net';

export interface RawConnectionOptions {
  /** Take nothing of what the server sends, so that it has to keep it. */
  readonly deaf?: boolean;
}

export class RawConnection {
  readonly #socket: net.Socket;
  readonly #closed: Promise<void>;
  #isClosed = false;

  private constructor(socket: net.Socket, { deaf = false }: RawConnectionOptions) {
    this.#socket = socket;
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isClosed = true;
        resolve();
      });
    });
    socket.on('error', () => {});
    if (!deaf) socket.resume();
  }

  /** Resolves when it is connected, or refused, which counts as closed. */
  static async open(socketPath: string, options: RawConnectionOptions = {}): Promise<RawConnection> {
    const socket = net.connect({ path: socketPath });
    const connection = new RawConnection(socket, options);
    await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), connection.#closed]);
    return connection;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Settles when the server has closed it, or `close` was called. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Resolves with whether the kernel has taken all of it; false when the connection is closed or the server stopped reading. */
  async send(bytes: Uint8Array): Promise<boolean> {
    if (this.#isClosed) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#socket.write(bytes, (error) => resolve(error == null));
    const patience = setTimeout(resolve, 500, false);
    const taken = await Promise.race([promise, this.#closed.then(() => false)]);
    clearTimeout(patience);
    return taken;
  }

  /** Sends, says that no more will come, and waits until the server has closed its end, or a second. */
  async sendAll(bytes: Uint8Array): Promise<void> {
    this.#socket.end(bytes);
    const patience = setTimeout(() => this.close(), 1000);
    await this.#closed;
    clearTimeout(patience);
  }

  close(): void {
    this.#socket.destroy();
  }
}
