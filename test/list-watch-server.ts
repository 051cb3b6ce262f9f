// A small HTTP server that speaks enough of the Kubernetes API for tests of a client: objects with versions, lists in pages,
// watches, conflicts, and faults on demand. Not for what only the real server can tell: validation, rights, apply.
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ServedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
  };
  readonly [field: string]: unknown;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: unknown;
  readonly watch: boolean;
}

export interface Answer {
  readonly status: number;
  readonly body: object | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers instead of the server; what it leaves unanswered hangs. */
export type Fault = (request: SeenRequest, response: http.ServerResponse) => void;

interface OpenWatch {
  readonly collection: string;
  readonly query: URLSearchParams;
  readonly response: http.ServerResponse;
}

interface Change {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly collection: string;
  readonly object: ServedObject;
}

/** What a path names: a collection, and perhaps one object of it. */
interface Place {
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

export class ListWatchServer {
  /** Every request so far, in order of arrival. */
  readonly requests: SeenRequest[] = [];
  /** The most watches of one collection that were ever open together. */
  mostWatches = 0;
  readonly #server: http.Server;
  readonly #sockets = new Set<Socket>();
  readonly #objects = new Map<string, ServedObject>();
  readonly #watches = new Set<OpenWatch>();
  readonly #lasting = new Set<{ readonly match: (request: SeenRequest) => boolean; readonly fault: Fault }>();
  readonly #faults: { readonly match: (request: SeenRequest) => boolean; readonly fault: Fault }[] = [];
  #changes: Change[] = [];
  #compactedTo = 0;
  #version = 100;

  private constructor() {
    this.#server = http.createServer((request, response) => void this.#serve(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<ListWatchServer> {
    const server = new ListWatchServer();
    await server.listen();
    return server;
  }

  async listen(port = 0): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.listen(port, '127.0.0.1', resolve);
    await promise;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get watches(): number {
    return this.#watches.size;
  }

  get version(): number {
    return this.#version;
  }

  kubeconfig(token = 'secret'): string {
    const server = `http://127.0.0.1:${this.port}`;
    return JSON.stringify({
      clusters: [{ name: 'test', cluster: { server, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'test', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      'current-context': 'test',
    });
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#server.close(resolve);
    this.#server.closeAllConnections();
    await promise;
  }

  /** The next request that matches is answered by the fault. */
  once(match: (request: SeenRequest) => boolean, fault: Fault): void {
    this.#faults.push({ match, fault });
  }

  /** Every request that matches is answered by the fault, until the returned function is called. */
  always(match: (request: SeenRequest) => boolean, fault: Fault): () => void {
    const lasting = { match, fault };
    this.#lasting.add(lasting);
    return () => {
      this.#lasting.delete(lasting);
    };
  }

  /** Sets an object behind the back of every client. @param collection such as `/apis/famfs.io/v1alpha1/famfspools` */
  put(collection: string, object: ServedObject): ServedObject {
    const key = keyOf(collection, object.metadata.namespace, object.metadata.name);
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    this.#version += 1;
    const metadata = { uid: `uid-${key}`, ...object.metadata, resourceVersion: String(this.#version) };
    const stored = { ...object, metadata };
    this.#objects.set(key, stored);
    this.#publish({ version: this.#version, type, collection, object: stored });
    return stored;
  }

  drop(collection: string, name: string, namespace?: string): void {
    const key = keyOf(collection, namespace, name);
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    this.#version += 1;
    const gone = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    this.#publish({ version: this.#version, type: 'DELETED', collection, object: gone });
  }

  /** What there is, of every namespace. */
  objects(collection: string): readonly ServedObject[] {
    return [...this.#objects].filter(([key]) => key.startsWith(`${collection} `)).map(([, object]) => object);
  }

  /** Forgets all changes so far: who asks for one of them is told 410. */
  compact(): void {
    this.#compactedTo = this.#version;
    this.#changes = [];
  }

  bookmark(): void {
    const object = { metadata: { resourceVersion: String(this.#version) } };
    for (const watch of this.#watches) watch.response.write(lineOf('BOOKMARK', object));
  }

  /** Writes to every watch as it is: half a line, an ERROR event, nonsense. */
  writeToWatches(bytes: string | Buffer): void {
    for (const { response } of this.#watches) response.write(bytes);
  }

  endWatches(): void {
    for (const { response } of this.#watches) response.end();
    this.#watches.clear();
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://server');
    const body = await text(request).catch(() => '');
    const seen: SeenRequest = {
      method: request.method ?? '',
      path: pathname,
      query,
      headers: request.headers,
      body: body === '' ? undefined : JSON.parse(body),
      watch: query.get('watch') === 'true',
    };
    this.requests.push(seen);
    const index = this.#faults.findIndex(({ match }) => match(seen));
    const [once] = index < 0 ? [] : this.#faults.splice(index, 1);
    const fault = once ?? [...this.#lasting].find(({ match }) => match(seen));
    if (fault !== undefined) {
      fault.fault(seen, response);
      return;
    }
    const answer = this.#answer(seen, response);
    if (answer !== undefined) reply(response, answer);
  }

  /** Undefined when the answer goes on. */
  #answer(request: SeenRequest, response: http.ServerResponse): Answer | undefined {
    const place = placeOf(request.path);
    if (place === undefined) return refusal(404, '', '404 page not found');
    if (place.name === undefined) {
      if (request.method === 'POST') return this.#write(request, place);
      return request.watch ? this.#watch(request, response, place) : this.#list(request, place);
    }
    const object = this.#objects.get(keyOf(place.collection, place.namespace, place.name));
    if (request.method === 'PATCH' || (request.method === 'PUT' && object !== undefined)) {
      return this.#write(request, place, object);
    }
    if (object === undefined) return refusal(404, 'NotFound', `"${place.name}" not found`);
    if (request.method === 'DELETE') return this.#remove(request, place, object);
    return { status: 200, body: object };
  }

  #write(
    { method, body, headers }: SeenRequest,
    { collection, namespace, name: named }: Place,
    before?: ServedObject,
  ): Answer {
    const given = body as ServedObject;
    const name = named ?? given.metadata.name;
    const taken = this.#objects.has(keyOf(collection, namespace, name));
    if (method === 'POST' && taken) return refusal(409, 'AlreadyExists', `"${name}" already exists`);
    const apply = headers['content-type'] === 'application/apply-patch+yaml';
    if (method === 'PATCH' && before === undefined && !apply) {
      return refusal(404, 'NotFound', `"${name}" not found`);
    }
    const version = given.metadata?.resourceVersion;
    if (version !== undefined && before !== undefined && version !== before.metadata.resourceVersion) {
      return refusal(409, 'Conflict', 'the object has been modified');
    }
    const merged = (method === 'PATCH' ? merge(before ?? {}, given) : given) as ServedObject;
    const metadata = { ...before?.metadata, ...merged.metadata, name, ...(namespace ? { namespace } : {}) };
    return { status: method === 'POST' ? 201 : 200, body: this.put(collection, { ...merged, metadata }) };
  }

  #remove(request: SeenRequest, place: Place, object: ServedObject): Answer {
    const { preconditions = {} } = (request.body ?? {}) as { preconditions?: Record<string, string> };
    const metadata = object.metadata as Readonly<Record<string, unknown>>;
    for (const [field, value] of Object.entries(preconditions)) {
      if (metadata[field] !== value) return refusal(409, 'Conflict', `the ${field} is another`);
    }
    this.drop(place.collection, object.metadata.name, place.namespace);
    return { status: 200, body: { kind: 'Status', status: 'Success' } };
  }

  #list({ query }: SeenRequest, place: Place): Answer {
    const all = [...this.#objects]
      .filter(
        ([key, object]) => key.startsWith(keyOf(place.collection, place.namespace)) && selects(query, object),
      )
      .map(([, object]) => object);
    const [from, version] = (query.get('continue') ?? `0@${this.#version}`).split('@').map(Number);
    if ((version ?? 0) < this.#compactedTo) return refusal(410, 'Expired', 'the continue token is too old');
    const to = (from ?? 0) + Number(query.get('limit') ?? all.length);
    const metadata = {
      resourceVersion: String(version),
      ...(to < all.length ? { continue: `${to}@${version}` } : {}),
    };
    // As the real server does, without what kind each item is.
    const items = all.slice(from, to).map(({ apiVersion: _, kind: __, ...item }) => item);
    return { status: 200, body: { kind: 'List', metadata, items } };
  }

  #watch({ query }: SeenRequest, response: http.ServerResponse, place: Place): Answer | undefined {
    const from = Number(query.get('resourceVersion') ?? 0);
    if (from < this.#compactedTo) return refusal(410, 'Expired', 'too old resource version');
    const watch = { collection: place.collection, query, response };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    const here = [...this.#watches].filter(({ collection }) => collection === place.collection).length;
    this.mostWatches = Math.max(this.mostWatches, here);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const change of this.#changes.filter(({ version }) => version > from)) send(watch, change);
    return undefined;
  }

  #publish(change: Change): void {
    this.#changes.push(change);
    for (const watch of this.#watches) send(watch, change);
  }
}

/** A Status, as the real server gives its reasons; plain text when there is none. */
export function refusal(
  status: number,
  reason: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const body = { kind: 'Status', status: 'Failure', code: status, reason, message };
  return { status, body: reason === '' ? message : body, headers };
}

export function reply(response: http.ServerResponse, { status, body, headers = {} }: Answer): void {
  const plain = typeof body === 'string';
  response
    .writeHead(status, { 'content-type': plain ? 'text/plain' : 'application/json', ...headers })
    .end(plain ? body : JSON.stringify(body));
}

function send(watch: OpenWatch, { collection, type, object }: Change): void {
  if (collection === watch.collection && selects(watch.query, object))
    watch.response.write(lineOf(type, object));
}

function lineOf(type: string, object: object): string {
  return `${JSON.stringify({ type, object })}\n`;
}

/** Field selectors of one step or two, such as `spec.nodeName=a`. */
function selects(query: URLSearchParams, object: ServedObject): boolean {
  const [path, value] = (query.get('fieldSelector') ?? '').split('=');
  if (path === undefined || value === undefined) return true;
  const [outer = '', inner = ''] = path.split('.');
  return (object[outer] as Readonly<Record<string, unknown>> | undefined)?.[inner] === value;
}

function placeOf(path: string): Place | undefined {
  const match = /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?/.exec(
    path,
  );
  const [, root, namespace, plural, name] = match ?? [];
  if (root === undefined || plural === 'unknowns') return undefined;
  return { collection: `${root}/${plural}`, namespace, name: name && decodeURIComponent(name) };
}

function keyOf(collection: string, namespace: string | undefined, name?: string): string {
  const inside = namespace === undefined ? '' : `${namespace}/`;
  return `${collection} ${inside}${name ?? ''}`;
}

function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const merged: Record<string, unknown> = { ...(target as Record<string, unknown>) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}
