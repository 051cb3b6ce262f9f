// Stands between the suite and the driver and does something between two calls, such as killing the driver. Passes calls on
// as they are, on a connection of their own each; knows of gRPC only that it is HTTP/2.
import http2 from 'node:http2';

export interface InterruptingProxyOptions {
  readonly socket: string;
  /** where calls go */
  readonly target: string;
  /** awaited before every call is passed on */
  readonly beforeCall: (callIndex: number) => Promise<void>;
}

export class InterruptingProxy {
  readonly #server: http2.Http2Server;
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  #calls = 0;
  #turn: Promise<void> = Promise.resolve();
  #problem: unknown;

  /** @returns one that listens */
  static async start(options: InterruptingProxyOptions): Promise<InterruptingProxy> {
    const proxy = new InterruptingProxy(options);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(options.socket, resolve);
    });
    return proxy;
  }

  private constructor({ target, beforeCall }: InterruptingProxyOptions) {
    this.#server = http2.createServer();
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
    });
    this.#server.on('stream', (stream, headers) => {
      const index = this.#calls++;
      const mine = this.#turn.then(() => beforeCall(index));
      this.#turn = mine.catch(() => undefined);
      // Who called may have given up meanwhile, or is refused.
      stream.on('error', () => undefined);
      mine.then(
        () => passOn(stream, headers, target),
        (error: unknown) => {
          this.#problem ??= error;
          stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
        },
      );
    });
  }

  /** How many calls came. */
  get calls(): number {
    return this.#calls;
  }

  /** @throws whatever kept it from passing a call on */
  async close(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    if (this.#problem !== undefined) throw this.#problem;
  }
}

function passOn(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, target: string): void {
  if (stream.destroyed) return;
  const session = http2.connect('http://localhost', { path: target });
  const refuse = (): void => {
    if (!stream.destroyed) stream.close(http2.constants.NGHTTP2_CONNECT_ERROR);
    session.destroy();
  };
  session.on('error', refuse);
  const passed = Object.entries(headers).filter(([, value]) => value !== undefined);
  const request = session.request({ ...Object.fromEntries(passed), ':authority': 'localhost' });
  request.on('error', refuse);
  stream.on('error', () => request.close());
  let trailers: http2.IncomingHttpHeaders = {};
  request.on('trailers', (received) => {
    trailers = received;
  });
  request.on('response', (answer, flags) => {
    const isTrailersOnly = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.respond(answer, isTrailersOnly ? { endStream: true } : { waitForTrailers: true });
    if (isTrailersOnly) return;
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    request.pipe(stream);
  });
  request.on('close', () => session.close());
  stream.pipe(request);
}
