// The objects of a kind as the API server last told them, kept up to date by a watch. Knows no kind.
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { ApiClient, Selection } from './api-client.ts';
import type { ApiObject } from './api-object.ts';
import type { ApiResource } from './resources.ts';
import { followObjects, type WatchTiming } from './watch-loop.ts';

export interface ObjectCacheOptions<T extends ApiObject> extends Selection {
  readonly client: ApiClient;
  readonly resource: ApiResource;
  /** Of a kind with namespaces: this one alone. */
  readonly namespace?: string | undefined;
  readonly log: Logger;
  /** What is kept of each object, for kinds of which little is read: a Node with its images weighs tens of KiB. */
  readonly keep?: ((object: T) => T) | undefined;
  readonly timing?: WatchTiming | undefined;
}

/**
 * The objects of a kind, or those that are selected. An object is replaced when it changes and is never itself changed; who
 * has one must not change it either. Objects with a namespace go by `namespace/name`.
 */
export class ObjectCache<T extends ApiObject> {
  readonly #options: ObjectCacheOptions<T>;
  readonly #listeners = new Set<(name: string) => void>();
  #objects = new Map<string, T>();
  #synced = unsettled();
  #lastSeenMs = 0;
  #stopping: AbortController | undefined;
  #following: Promise<void> = Promise.resolve();

  constructor(options: ObjectCacheOptions<T>) {
    this.#options = options;
  }

  get kind(): string {
    return this.#options.resource.kind;
  }

  /** When the API server last gave a sign of life for this kind, in milliseconds since 1970; 0 before the first. */
  get lastSeenMs(): number {
    return this.#lastSeenMs;
  }

  /** Begins to follow the objects. Once is enough. */
  start(): void {
    if (this.#stopping !== undefined) return;
    const stopping = new AbortController();
    this.#stopping = stopping;
    const { signal } = stopping;
    // A watch that is still ending is waited for: there are never two.
    this.#following = this.#following.then(() =>
      followObjects<T>(
        { ...this.#options, signal },
        {
          listed: (items) => this.#replace(items),
          changed: (object) => this.#put(object),
          removed: (object) => this.#drop(keyOf(object)),
          seen: () => {
            this.#lastSeenMs = Date.now();
          },
        },
      ),
    );
  }

  /** Ends the watch. What was known stays readable, and grows old. */
  async stop(): Promise<void> {
    this.#stopping?.abort();
    this.#stopping = undefined;
    const { kind } = this.#options.resource;
    this.#synced.reject(
      new DriverError('shutting-down', `The objects of kind ${kind} are no longer followed.`),
    );
    await this.#following;
    this.#synced = unsettled();
  }

  /**
   * Settles once everything has been listed.
   * @throws DriverError `cancelled` when the signal fires first, `shutting-down` when the cache is stopped first
   */
  async synced(signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#synced.promise;
    const { promise, reject } = Promise.withResolvers<never>();
    const { kind } = this.#options.resource;
    const giveUp = (): void =>
      reject(new DriverError('cancelled', `Waiting for the objects of kind ${kind} was given up.`));
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    try {
      await Promise.race([this.#synced.promise, promise]);
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  get(name: string): T | undefined {
    return this.#objects.get(name);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  /** Calls `listener` with the name of every object that came, changed or went, after the fact. Returns what ends that. */
  onChange(listener: (name: string) => void): () => void {
    // The same function may be given twice; each is ended by its own.
    const own = (name: string): void => listener(name);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  #replace(items: readonly T[]): void {
    const before = this.#objects;
    this.#objects = new Map(items.map((item) => [keyOf(item), this.#kept(item)]));
    for (const [key, object] of this.#objects) {
      if (versionOf(before.get(key)) !== versionOf(object)) this.#tell(key);
    }
    for (const key of before.keys()) {
      if (!this.#objects.has(key)) this.#tell(key);
    }
    this.#synced.resolve();
  }

  #put(object: T): void {
    const key = keyOf(object);
    this.#objects.set(key, this.#kept(object));
    this.#tell(key);
  }

  #drop(key: string): void {
    if (this.#objects.delete(key)) this.#tell(key);
  }

  /** Who owns which field is the server's business, and half of what an object weighs. */
  #kept(object: T): T {
    const { managedFields: _, ...metadata } = object.metadata as T['metadata'] & { managedFields?: unknown };
    const slim = { ...object, metadata };
    return this.#options.keep === undefined ? slim : this.#options.keep(slim);
  }

  #tell(name: string): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(name);
      } catch (error) {
        this.#options.log.error('a listener to changes failed', {
          kind: this.#options.resource.kind,
          name,
          error,
        });
      }
    }
  }
}

/** Nobody has to wait for it. */
function unsettled(): PromiseWithResolvers<void> {
  const resolvers = Promise.withResolvers<void>();
  resolvers.promise.catch(() => {});
  return resolvers;
}

function keyOf({ metadata: { name, namespace } }: ApiObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function versionOf(object: ApiObject | undefined): string | undefined {
  return object && `${object.metadata.uid ?? ''} ${object.metadata.resourceVersion ?? ''}`;
}
