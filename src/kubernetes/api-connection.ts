// Requests to the API server as HTTP: credentials, time limits, what is repeated at once. Knows no kind and no verb of the
// API. Made on node:http, since client-node 2 makes a new pool of connections for every request that it sends itself.
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import { failureOfAnswer, failureOfConnection } from './api-failure.ts';
import type { KubeAccess } from './kube-access.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** JSON, of the type below. */
  readonly body?: unknown;
  readonly contentType?: string;
  /** For people: what is asked for, such as `update famfsvolumes "pvc-1"`. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  /** For the whole answer; of a stream, for its beginning. */
  readonly timeoutMs: number;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

interface Attempt {
  readonly request: ApiRequest;
  readonly signal: AbortSignal;
}

/** Told of every request that was sent, by what became of it: an HTTP status, or what stopped it. */
export type RequestListener = (request: ApiRequest, outcome: number | 'error', seconds: number) => void;

/** As client-go: a server that names a time to wait is asked again this often. */
const maximumRepeats = 10;
const longestWaitSeconds = 30;
const maximumBodyBytes = 64 * 1024 * 1024;

/** Sends requests to one API server. */
export class ApiConnection {
  readonly #access: KubeAccess;
  readonly #userAgent: string;
  readonly #onRequest: RequestListener;
  readonly #onWarning: (text: string) => void;

  constructor(options: {
    access: KubeAccess;
    userAgent: string;
    onRequest: RequestListener;
    /** A `Warning` header of the server, such as that a field was not known. */
    onWarning: (text: string) => void;
  }) {
    this.#access = options.access;
    this.#userAgent = options.userAgent;
    this.#onRequest = options.onRequest;
    this.#onWarning = options.onWarning;
  }

  /**
   * The whole answer, whatever its status, except one that asks to come back later, which is done.
   * @throws DriverError `api-unavailable` | `cancelled`
   */
  send(request: ApiRequest): Promise<ApiAnswer> {
    return withinLimits(request, async (signal) => {
      const response = await this.#persist({ request, signal });
      return { status: response.statusCode ?? 0, body: await textOf(response) };
    });
  }

  /**
   * The beginning of an answer that goes on: a stream of bytes, which ends when the server or the network ends it. The
   * caller destroys it when it has enough.
   * @throws DriverError for every status but 200, and as `send`
   */
  open(request: ApiRequest): Promise<http.IncomingMessage> {
    return withinLimits(request, async (signal) => {
      const response = await this.#persist({ request, signal });
      if (response.statusCode === 200) return response;
      throw failureOfAnswer(request.what, response.statusCode ?? 0, await textOf(response));
    });
  }

  /** Asks again what the server or a worn out connection put off, for as long as the caller has time. */
  async #persist(attempt: Attempt): Promise<http.IncomingMessage> {
    let renewed = false;
    for (let repeats = 0; ; repeats += 1) {
      const response = await this.#attempt(attempt);
      const status = response.statusCode ?? 0;
      if (status === 401 && !renewed) {
        renewed = true;
        response.resume();
        this.#access.renew();
        continue;
      }
      const waitSeconds = putOffSeconds(response);
      if (waitSeconds === undefined || repeats >= maximumRepeats) return response;
      response.resume();
      await sleep(waitSeconds * 1000, undefined, { signal: attempt.signal });
    }
  }

  async #attempt(attempt: Attempt): Promise<http.IncomingMessage> {
    try {
      return await this.#exchange(attempt);
    } catch (error) {
      if (!(error instanceof StaleConnection) || attempt.request.method === 'POST') throw error;
      return await this.#exchange(attempt);
    }
  }

  async #exchange({ request, signal }: Attempt): Promise<http.IncomingMessage> {
    const { headers, agent } = await this.#access.admission();
    signal.throwIfAborted();
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const url = urlOf(this.#access.server, request);
    const began = performance.now();
    const finished = (outcome: number | 'error'): void =>
      this.#onRequest(request, outcome, (performance.now() - began) / 1000);
    const options: https.RequestOptions = {
      method: request.method,
      agent,
      signal,
      headers: {
        ...headers,
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...(body === undefined
          ? {}
          : {
              'content-type': request.contentType ?? 'application/json',
              'content-length': Buffer.byteLength(body),
            }),
      },
    };
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const outgoing = (url.protocol === 'https:' ? https : http).request(url, options, resolve);
    outgoing.on('error', (error) => reject(isStale(outgoing, error) ? new StaleConnection(error) : error));
    outgoing.end(body);
    try {
      const response = await promise;
      finished(response.statusCode ?? 0);
      for (const warning of [response.headers.warning ?? []].flat()) this.#onWarning(String(warning));
      return response;
    } catch (error) {
      finished('error');
      // Whatever ended this one may have ended those that wait as well.
      this.#access.dropIdleConnections();
      throw error;
    }
  }
}

/** The server closed a connection that was kept, just as it was used again: nothing came back on it. */
class StaleConnection extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

function isStale(request: http.ClientRequest, error: Error): boolean {
  const code = 'code' in error ? error.code : undefined;
  return request.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE');
}

/** Runs `work` with a signal that fires when the caller gives up or the time is over, and says which of the two it was. */
async function withinLimits<T>(
  { what, signal, timeoutMs }: ApiRequest,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let ended: DriverError | undefined;
  const end = (error: DriverError): void => {
    ended ??= error;
    controller.abort(ended);
  };
  const giveUp = (): void =>
    end(new DriverError('cancelled', `The request to ${what} was given up.`, { cause: signal?.reason }));
  const timer = setTimeout(() => {
    const text = `The API server did not answer within ${timeoutMs} ms when asked to ${what}. The request is repeated; check the API server and the network.`;
    end(new DriverError('api-unavailable', text));
  }, timeoutMs);
  signal?.addEventListener('abort', giveUp);
  if (signal?.aborted) giveUp();
  try {
    return await work(controller.signal);
  } catch (error) {
    throw ended ?? failureOfConnection(what, error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}

/** How long the server asks to wait before the same request (429, or 5xx with `Retry-After`); undefined when it does not. */
function putOffSeconds({ statusCode = 0, headers }: http.IncomingMessage): number | undefined {
  if (statusCode !== 429 && statusCode < 500) return undefined;
  const named = headers['retry-after'];
  if (named === undefined) return undefined;
  const seconds = Number(named);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, longestWaitSeconds) : 1;
}

function urlOf(server: URL, { path, query = {} }: ApiRequest): URL {
  const url = new URL(server);
  url.pathname = url.pathname.replace(/\/$/, '') + path;
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maximumBodyBytes) throw new Error(`the answer is longer than ${maximumBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
