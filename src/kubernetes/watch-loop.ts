// Follows the objects of a kind for as long as wanted: lists them, watches what changes, and begins again wherever that
// breaks off. Knows no kind, and nothing of what is done with the objects.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../observe/logger.ts';
import { type BackOff, backOffMs } from '../pace/back-off.ts';
import type { ApiClient, Selection } from './api-client.ts';
import { isExpired } from './api-failure.ts';
import type { ApiObject } from './api-object.ts';
import type { ApiResource } from './resources.ts';

export interface WatchTiming extends BackOff {
  /** When the server is asked to end a watch, at least; up to a fifth more, so that watches do not end together. */
  readonly watchSeconds: number;
  /** How long nothing may come. Bookmarks come every minute where anything has changed at all. */
  readonly inactivityMs: number;
  /** When everything is listed anew, so that nothing that was missed stays missed. */
  readonly relistMs: number;
}

export const watchTiming: WatchTiming = {
  watchSeconds: 300,
  inactivityMs: 90_000,
  relistMs: 600_000,
  firstBackOffMs: 1_000,
  longestBackOffMs: 30_000,
};

/** Is told what is there, and then what changes. */
export interface ObjectFollower<T extends ApiObject> {
  /** Everything there is; what is not among it is gone. */
  listed(items: readonly T[]): void;
  changed(object: T): void;
  removed(object: T): void;
  /** The server has given a sign of life. */
  seen(): void;
}

export interface FollowOptions extends Selection {
  readonly client: ApiClient;
  readonly resource: ApiResource;
  readonly namespace?: string | undefined;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly timing?: WatchTiming | undefined;
}

/** A watch that ends sooner, with nothing told, is a server that does not serve: not to be asked again at once. */
const shortestWatchMs = 1_000;

/** Follows until the signal fires, and never throws. There is one request at a time. */
export async function followObjects<T extends ApiObject>(
  options: FollowOptions,
  follower: ObjectFollower<T>,
): Promise<void> {
  const { signal, log, resource, timing = watchTiming } = options;
  const following = new Following<T>(options, timing, follower);
  for (let failures = 0; !signal.aborted; ) {
    try {
      await following.step();
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (following.sawEvent) failures = 0;
      const expired = isExpired(error);
      // Listing again mends this one, unless it has just done so in vain.
      const waitMs = expired && failures === 0 ? 0 : backOffMs(failures, timing);
      failures += 1;
      if (!expired) log.warn('objects cannot be followed for now', { kind: resource.kind, waitMs, error });
      await sleep(waitMs, undefined, { signal }).catch(() => {});
    }
  }
}

/** How far the following has come. */
class Following<T extends ApiObject> {
  /** Whether the last step was told anything by a watch. */
  sawEvent = false;
  readonly #options: FollowOptions;
  readonly #timing: WatchTiming;
  readonly #follower: ObjectFollower<T>;
  #version: string | undefined;
  #listedAt = 0;

  constructor(options: FollowOptions, timing: WatchTiming, follower: ObjectFollower<T>) {
    this.#options = options;
    this.#timing = timing;
    this.#follower = follower;
  }

  /** Lists if that is due, then watches until the server ends the watch. */
  async step(): Promise<void> {
    this.sawEvent = false;
    try {
      const due = this.#listedAt + this.#timing.relistMs - performance.now();
      const version = this.#version === undefined || due <= 0 ? await this.#list() : this.#version;
      await this.#watch(version);
    } catch (error) {
      if (isExpired(error)) this.#version = undefined;
      throw error;
    }
  }

  async #list(): Promise<string> {
    const { client, resource, namespace, fieldSelector, labelSelector, signal } = this.#options;
    const listedAt = performance.now();
    const { items, resourceVersion } = await client.list<T>(resource, {
      ...{ namespace, fieldSelector, labelSelector, signal },
    });
    this.#version = resourceVersion;
    this.#listedAt = listedAt;
    this.#follower.seen();
    this.#follower.listed(items);
    return resourceVersion;
  }

  async #watch(resourceVersion: string): Promise<void> {
    const { client, resource, namespace, fieldSelector, labelSelector, signal } = this.#options;
    const began = performance.now();
    const untilRelist = (this.#listedAt + this.#timing.relistMs - began) / 1000;
    const spread = this.#timing.watchSeconds * (1 + Math.random() / 5);
    const events = client.watch<T>(resource, {
      ...{ namespace, fieldSelector, labelSelector, signal, resourceVersion },
      timeoutSeconds: Math.max(1, Math.ceil(Math.min(spread, untilRelist))),
      inactivityMs: this.#timing.inactivityMs,
    });
    for await (const { type, object } of events) {
      this.sawEvent = true;
      this.#follower.seen();
      if (type === 'DELETED') this.#follower.removed(object);
      else if (type !== 'BOOKMARK') this.#follower.changed(object);
      this.#version = object.metadata.resourceVersion ?? this.#version;
    }
    this.#follower.seen();
    if (
      !this.sawEvent &&
      performance.now() - began < Math.min(shortestWatchMs, this.#timing.firstBackOffMs)
    ) {
      throw new Error('the server ended a watch as soon as it had begun');
    }
  }
}
