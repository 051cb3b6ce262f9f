// What can be asked of the API server, typed: read, list, watch, write and remove objects of any kind. Knows no kind itself.
import { type Logger, silentLogger } from '../observe/logger.ts';
import { type ApiAnswer, ApiConnection, type ApiRequest } from './api-connection.ts';
import { failureOfAnswer, isExpired } from './api-failure.ts';
import type { ApiObject } from './api-object.ts';
import type { KubeAccess } from './kube-access.ts';
import { RequestCounts } from './request-counts.ts';
import { type ApiResource, apiVersionOf, pathOf } from './resources.ts';
import { decodedEvents, type WatchEvent } from './watch-stream.ts';

export interface CallOptions {
  /** For kinds that have namespaces. */
  readonly namespace?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For the whole call, waits that the server asks for included; 30 seconds by default. */
  readonly timeoutMs?: number | undefined;
}

export interface Selection {
  /** Such as `spec.nodeName=worker-1`. */
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
}

export interface WriteOptions extends CallOptions {
  readonly subresource?: 'status' | undefined;
}

export interface ApplyOptions extends WriteOptions {
  /** Who owns the fields that are applied. */
  readonly fieldManager: string;
  /** Takes fields over from other managers instead of failing with `record-conflict`. */
  readonly force?: boolean | undefined;
}

export interface RemoveOptions extends CallOptions {
  /** Only this life of the name. */
  readonly uid?: string | undefined;
  /** Only this version. */
  readonly resourceVersion?: string | undefined;
}

export interface WatchOptions extends Selection, CallOptions {
  /** What has been seen already. */
  readonly resourceVersion: string;
  /** When the server is to end it. */
  readonly timeoutSeconds: number;
  /** How long nothing may come before it counts as dead. */
  readonly inactivityMs: number;
  readonly signal: AbortSignal;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  /** From where a watch goes on. */
  readonly resourceVersion: string;
}

interface ListPage {
  readonly items?: readonly object[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

const defaultTimeoutMs = 30_000;
const pageSize = 500;
const maximumListAttempts = 3;
const maximumWarnings = 100;

/**
 * The driver's way to the API server. Every failure is a DriverError: `record-conflict` (409, and a write to an object that
 * is not there), `api-forbidden` (401, 403), `api-invalid` (422 and other refusals), `api-unavailable` (429, 5xx, the network,
 * time-outs), `cancelled` (the caller's signal).
 */
export class ApiClient {
  /** How many requests were sent, by verb, kind and outcome. */
  readonly requests = new RequestCounts();
  readonly #access: KubeAccess;
  readonly #connection: ApiConnection;
  readonly #timeoutMs: number;
  readonly #log: Logger;
  readonly #warned = new Set<string>();

  constructor(options: { access: KubeAccess; userAgent?: string; log?: Logger; timeoutMs?: number }) {
    this.#log = options.log ?? silentLogger;
    this.#access = options.access;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#connection = new ApiConnection({
      access: options.access,
      userAgent: options.userAgent ?? 'famfs-csi',
      onRequest: ({ what }, outcome, seconds) => this.requests.count(what, outcome, seconds),
      onWarning: (warning) => this.#warn(warning),
    });
  }

  /** The object; undefined when there is none of that name. */
  async get<T extends ApiObject>(
    resource: ApiResource,
    name: string,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    const request = this.#request('get', 'GET', resource, { ...options, name });
    const answer = await this.#connection.send(request);
    if (answer.status === 404 && saysNotFound(answer)) return undefined;
    return parsed<T>(request, answer);
  }

  /** All objects that are selected, of one namespace or of all. Read page by page. */
  async list<T extends ApiObject>(
    resource: ApiResource,
    options: Selection & CallOptions = {},
  ): Promise<ObjectList<T>> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#pages<T>(resource, options, attempt < maximumListAttempts ? pageSize : undefined);
      } catch (error) {
        // Pages are of one version, and the list took longer than the server keeps it.
        if (!isExpired(error) || attempt >= maximumListAttempts) throw error;
      }
    }
  }

  /** @throws DriverError `record-conflict` when the name is taken */
  create<T extends ApiObject>(resource: ApiResource, object: T, options: CallOptions = {}): Promise<T> {
    const place = { ...placeOf(object), ...options };
    const request = this.#request('create', 'POST', resource, { namespace: place.namespace, ...options });
    return this.#write<T>({ ...request, what: `create ${resource.plural} "${place.name}"`, body: object });
  }

  /**
   * Replaces the object, if it is still of the version that `object` names.
   * @throws DriverError `record-conflict`
   */
  update<T extends ApiObject>(resource: ApiResource, object: T, options: WriteOptions = {}): Promise<T> {
    const request = this.#request('update', 'PUT', resource, { ...placeOf(object), ...defined(options) });
    return this.#write<T>({ ...request, body: object });
  }

  /** As `update`, of the status alone; everything else in `object` is ignored. */
  updateStatus<T extends ApiObject>(resource: ApiResource, object: T, options: CallOptions = {}): Promise<T> {
    return this.update(resource, object, { ...options, subresource: 'status' });
  }

  /**
   * Server-side apply: makes the object, or sets the fields that are given and removes those that this manager gave before.
   * @throws DriverError `record-conflict` when another manager owns one of the fields
   */
  apply<T extends ApiObject>(
    resource: ApiResource,
    object: ApiObject & Partial<T>,
    { fieldManager, force, ...options }: ApplyOptions,
  ): Promise<T> {
    const request = this.#request('apply', 'PATCH', resource, { ...placeOf(object), ...defined(options) });
    return this.#write<T>({
      ...request,
      query: { fieldManager, force: force === true ? 'true' : undefined },
      body: object,
      // JSON is YAML.
      contentType: 'application/apply-patch+yaml',
    });
  }

  /** RFC 7396: sets what is given, removes what is null, replaces lists whole. */
  mergePatch<T extends ApiObject>(
    resource: ApiResource,
    name: string,
    patch: object,
    options: WriteOptions = {},
  ): Promise<T> {
    const request = this.#request('patch', 'PATCH', resource, { ...options, name });
    return this.#write<T>({ ...request, body: patch, contentType: 'application/merge-patch+json' });
  }

  /**
   * Asks for the object to be deleted; that there is none is fine. With finalizers it stays until they are gone.
   * @throws DriverError `record-conflict` when it is another life or version than the one named
   */
  async remove(
    resource: ApiResource,
    name: string,
    { uid, resourceVersion, ...options }: RemoveOptions = {},
  ): Promise<void> {
    const request = this.#request('delete', 'DELETE', resource, { ...options, name });
    const preconditions = defined({ uid, resourceVersion });
    const body =
      Object.keys(preconditions).length === 0
        ? {}
        : { body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions } };
    const answer = await this.#connection.send({ ...request, ...body });
    if (answer.status === 404 && saysNotFound(answer)) return;
    parsed(request, answer);
  }

  /**
   * What happens to the objects that are selected, after a version that was seen. Ends when the server ends it.
   * @throws DriverError `api-unavailable` with the HTTP status 410 in its details when the version is too old, or when the
   * connection breaks or is silent for too long; `cancelled`
   */
  async *watch<T extends ApiObject>(
    resource: ApiResource,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const { resourceVersion, timeoutSeconds, inactivityMs, signal, fieldSelector, labelSelector } = options;
    const request = this.#request('watch', 'GET', resource, options);
    const response = await this.#connection.open({
      ...request,
      query: {
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion,
        timeoutSeconds: String(timeoutSeconds),
        fieldSelector,
        labelSelector,
      },
    });
    yield* decodedEvents<T>(response, { what: request.what, inactivityMs, signal });
  }

  /** Ends every connection; requests under way fail. */
  close(): void {
    this.#access.close();
  }

  async #pages<T extends ApiObject>(
    resource: ApiResource,
    { fieldSelector, labelSelector, ...options }: Selection & CallOptions,
    limit: number | undefined,
  ): Promise<ObjectList<T>> {
    const request = this.#request('list', 'GET', resource, options);
    const stamp = { apiVersion: apiVersionOf(resource), kind: resource.kind };
    const items: T[] = [];
    for (let next: string | undefined; ; ) {
      const query = { fieldSelector, labelSelector, limit: limit?.toString(), continue: next };
      const page: ListPage = parsed(request, await this.#connection.send({ ...request, query }));
      // The items of a list do not repeat what kind they are.
      for (const item of page.items ?? []) items.push({ ...stamp, ...item } as T);
      next = page.metadata?.continue;
      if (next === undefined || next === '') {
        return { items, resourceVersion: page.metadata?.resourceVersion ?? '' };
      }
    }
  }

  /** Each warning once: the server repeats them with every request. */
  #warn(warning: string): void {
    if (this.#warned.has(warning) || this.#warned.size >= maximumWarnings) return;
    this.#warned.add(warning);
    this.#log.warn('the API server warns', { warning });
  }

  async #write<T>(request: ApiRequest): Promise<T> {
    return parsed<T>(request, await this.#connection.send(request));
  }

  #request(
    verb: string,
    method: ApiRequest['method'],
    resource: ApiResource,
    options: CallOptions & { name?: string; subresource?: string | undefined },
  ): ApiRequest {
    const { name, namespace, subresource, signal, timeoutMs } = options;
    const inside = namespace === undefined ? '' : `${namespace}/`;
    const object = name === undefined ? '' : ` "${inside}${name}"`;
    const part = subresource === undefined ? '' : `/${subresource}`;
    return {
      method,
      path: pathOf(resource, { namespace, name, subresource }),
      what: `${verb} ${resource.plural}${part}${object}`,
      signal,
      timeoutMs: timeoutMs ?? this.#timeoutMs,
    };
  }
}

function placeOf({ metadata: { name, namespace } }: ApiObject): { name: string; namespace?: string } {
  return namespace === undefined ? { name } : { name, namespace };
}

/** Without what is not given, so that it does not hide what is. */
function defined<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

/** Whether a 404 is about the object; a kind that is not served is answered 404 too, and that is a failure. */
function saysNotFound(answer: ApiAnswer): boolean {
  return failureOfAnswer('', answer.status, answer.body).details.statusReason === 'NotFound';
}

function parsed<T>(request: ApiRequest, { status, body }: ApiAnswer): T {
  if (status < 200 || status > 299) throw failureOfAnswer(request.what, status, body);
  try {
    return JSON.parse(body) as T;
  } catch {
    throw failureOfAnswer(request.what, 502, `the answer is not JSON: ${body.slice(0, 200)}`);
  }
}
