// The HTTP side of a process: /metrics for Prometheus, /healthz and /readyz for whoever asks whether it works.
// Knows no role: what "ready" means is a function it is given.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** Why a process is not healthy or not ready; empty when it is. */
export type Check = () => readonly string[];

export interface HttpServerOptions {
  readonly host: string | undefined;
  readonly port: number;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** What only a restart would mend. */
  readonly healthy: Check;
  /** What keeps the process from doing its work now. */
  readonly ready: Check;
}

export interface ObserveServer {
  readonly port: number;
  close(): Promise<void>;
}

const requestTimeoutMs = 10_000;

/** Starts the HTTP server; rejects when the address cannot be had. */
export async function startHttpServer(options: HttpServerOptions): Promise<ObserveServer> {
  const server = http.createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    respond(options, request.url ?? '/').then(
      ({ status, type, body }) => {
        response.writeHead(status, { 'content-type': type });
        response.end(body);
      },
      (error) => {
        options.logger.error('an HTTP answer failed', { error });
        response.writeHead(500).end();
      },
    );
  });
  server.maxConnections = 100;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  options.logger.info('serving metrics', { port });
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

async function respond(options: HttpServerOptions, url: string): Promise<Answer> {
  const { registry } = options.metrics;
  switch (url.split('?')[0]) {
    case '/metrics':
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    case '/healthz':
      return verdict(options.healthy());
    case '/readyz':
      return verdict(options.ready());
    default:
      return { status: 404, type: 'text/plain', body: 'try /metrics, /healthz or /readyz\n' };
  }
}

function verdict(problems: readonly string[]): Answer {
  const body = problems.length === 0 ? 'ok\n' : `${problems.join('\n')}\n`;
  return { status: problems.length === 0 ? 200 : 503, type: 'text/plain; charset=utf-8', body };
}
