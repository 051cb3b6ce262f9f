// Plain requests to an API server, for tests that look at exactly what it answers. Must not know what is asked.
import https from 'node:https';
import { json, text } from 'node:stream/consumers';

export interface ApiAnswer {
  readonly status: number;
  /** Parsed when it is JSON, else text. */
  // biome-ignore lint/suspicious/noExplicitAny: tests reach into answers of any kind, and fail where something is missing
  readonly body: any;
}

/** Who asks, in PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

export class ApiRequester {
  readonly #url: string;
  readonly #authority: string;
  readonly #client: ClientCertificate | undefined;

  /** @param authority the PEM of the certificate authority that the server is trusted by */
  constructor(url: string, authority: string, client?: ClientCertificate) {
    this.#url = url;
    this.#authority = authority;
    this.#client = client;
  }

  /** @throws the connection's error; an answer of any status is an answer */
  async request(
    method: string,
    route: string,
    body: unknown,
    headers: Readonly<Record<string, string | readonly string[]>>,
  ): Promise<ApiAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
    const request = https.request(
      new URL(route, this.#url),
      {
        method,
        ca: this.#authority,
        ...this.#client,
        agent: false,
        headers: { accept: 'application/json', 'content-type': contentType(method), ...headers },
      },
      (response) => {
        const isJson = response.headers['content-type']?.startsWith('application/json') ?? false;
        (isJson ? json(response) : text(response)).then(
          (answer) => resolve({ status: response.statusCode ?? 0, body: answer }),
          reject,
        );
      },
    );
    request.once('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }
}

function contentType(method: string): string {
  return method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
}
