// Stands between a client and a real API server, and does to their conversation what networks and busy servers do. Plain HTTP
// on the client's side, so that it can put an answer of its own in the place of the server's. Must not know any client.
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type Answer, reply } from './list-watch-server.ts';

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly watch: boolean;
}

interface Kubeconfig {
  readonly clusters: readonly {
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string };
  }[];
  readonly users: readonly { readonly user: { readonly token?: string } }[];
}

export class FaultProxy {
  readonly requests: ProxiedRequest[] = [];
  readonly #target: URL;
  readonly #agent: https.Agent;
  readonly #user: { readonly token?: string };
  readonly #server: http.Server;
  readonly #sockets = new Set<Socket>();
  readonly #watches = new Set<http.ServerResponse>();
  readonly #answers: { readonly match: (request: ProxiedRequest) => boolean; readonly answer: Answer }[] = [];
  readonly #cutLines = new Set<http.ServerResponse>();
  #delayMs = 0;
  #mute = false;

  private constructor(kubeconfig: Kubeconfig) {
    const [{ cluster } = { cluster: undefined }] = kubeconfig.clusters;
    const [{ user } = { user: {} }] = kubeconfig.users;
    if (cluster === undefined) throw new Error('The kubeconfig names no cluster.');
    this.#target = new URL(cluster.server);
    this.#user = user;
    const ca = Buffer.from(cluster['certificate-authority-data'], 'base64');
    this.#agent = new https.Agent({ ca, keepAlive: true });
    this.#server = http.createServer((request, response) => this.#forward(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** @param kubeconfig in JSON, of a user with a token */
  static async start(kubeconfig: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(JSON.parse(kubeconfig) as Kubeconfig);
    const { promise, resolve } = Promise.withResolvers<void>();
    proxy.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return proxy;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get watches(): number {
    return this.#watches.size;
  }

  /** The same user, by way of this proxy. */
  kubeconfig(): string {
    const { port } = this.#server.address() as AddressInfo;
    const cluster = { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
    return JSON.stringify({
      clusters: [{ name: 'proxied', cluster }],
      users: [{ name: 'proxied', user: this.#user }],
      contexts: [{ name: 'proxied', context: { cluster: 'proxied', user: 'proxied' } }],
      'current-context': 'proxied',
    });
  }

  /** The next request that matches is answered so, and never reaches the server. */
  answerOnce(match: (request: ProxiedRequest) => boolean, answer: Answer): void {
    this.#answers.push({ match, answer });
  }

  /** Breaks every connection to the client. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** What comes next in each open watch ends in the middle of a line, and so does the connection. */
  cutNextLines(): void {
    for (const watch of this.#watches) this.#cutLines.add(watch);
  }

  /** Every answer begins this much later. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** While it is mute, open watches stay open and nothing comes through them: what the server says is lost. */
  mute(mute: boolean): void {
    this.#mute = mute;
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#server.close(resolve);
    this.#server.closeAllConnections();
    await promise;
    this.#agent.destroy();
  }

  #forward(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://proxy');
    const watch = query.get('watch') === 'true';
    const proxied = { method: request.method ?? '', path: pathname, query, watch };
    this.requests.push(proxied);
    const index = this.#answers.findIndex(({ match }) => match(proxied));
    const [own] = index < 0 ? [] : this.#answers.splice(index, 1);
    if (own !== undefined) {
      request.resume();
      reply(response, own.answer);
      return;
    }
    const headers = { ...request.headers, host: this.#target.host };
    const onward = https.request(
      {
        host: this.#target.hostname,
        port: this.#target.port,
        path: request.url,
        agent: this.#agent,
        headers,
        method: request.method,
      },
      (answer) => this.#passOn(answer, response, watch),
    );
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  #passOn(answer: http.IncomingMessage, response: http.ServerResponse, watch: boolean): void {
    const begin = (): void => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      if (watch) {
        this.#watches.add(response);
        response.on('close', () => {
          this.#watches.delete(response);
          this.#cutLines.delete(response);
        });
      }
      answer.on('data', (chunk: Buffer) => this.#passPiece(chunk, response, watch));
      answer.on('end', () => response.end());
      answer.on('error', () => response.destroy());
    };
    if (this.#delayMs === 0) begin();
    else {
      const timer = setTimeout(begin, this.#delayMs);
      response.on('close', () => clearTimeout(timer));
    }
  }

  #passPiece(chunk: Buffer, response: http.ServerResponse, watch: boolean): void {
    if (watch && this.#mute) return;
    if (!this.#cutLines.has(response)) {
      response.write(chunk);
      return;
    }
    response.write(chunk.subarray(0, Math.ceil(chunk.length / 2)), () => response.destroy());
  }
}
