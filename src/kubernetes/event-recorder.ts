// Events: sentences about an object where people look for them (`kubectl describe`). Best effort, never in the way of work.
// Knows no kind and no reason.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { ApiClient } from './api-client.ts';
import type { ApiObject } from './api-object.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { events } from './resources.ts';

/** What is said about an object. */
export interface EventNote {
  readonly type: 'Normal' | 'Warning';
  /** One word in CamelCase. */
  readonly reason: string;
  /** A sentence for people. */
  readonly message: string;
}

/** core/v1 Event, as `kubectl describe` counts repeats of it. Times are RFC 3339 to the second. */
export interface EventObject extends ApiObject {
  readonly kind: 'Event';
  readonly involvedObject: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
  readonly type: EventNote['type'];
  readonly reason: string;
  readonly message: string;
  readonly source: { readonly component: string; readonly host?: string };
  readonly reportingComponent: string;
  readonly reportingInstance: string;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly count: number;
}

export interface EventRecorderOptions {
  readonly client: ApiClient;
  readonly log: Logger;
  /** Who says it, such as `famfs-csi-controller`. */
  readonly component: string;
  /** The pod or node; the host name when not given. */
  readonly instance?: string;
  /** The least time between two writes about the same repeated event. */
  readonly repeatMs?: number;
}

/** One thing said about one object, and how often. */
interface Repeated {
  readonly subject: ApiObject;
  readonly note: EventNote;
  readonly first: Date;
  last: Date;
  count: number;
  /** How many of them the API server has been told; and under which name. */
  told: number;
  name: string | undefined;
  attempts: number;
}

const defaultRepeatMs = 10_000;
/** Events live for an hour by default (kube-apiserver --event-ttl); this many are remembered for counting. */
const remembered = 1000;
/** As client-go's spam filter: an object may have so many new events at once, and another one in this time. */
const burst = 25;
const refillMs = 300_000;
const maximumAttempts = 5;
/** Of an Event's message (Kubernetes: 1024). */
const longestMessage = 1024;
/** Events about objects of the whole cluster are kept here. */
const clusterNamespace = 'default';

/** Records events. `record` costs nothing and never fails; what the API server does not take is logged and left. */
export class EventRecorder {
  readonly #options: Required<EventRecorderOptions>;
  readonly #queue: KeyedQueue;
  /** In the order of last use. */
  readonly #repeated = new Map<string, Repeated>();
  readonly #allowances = new Map<string, { tokens: number; atMs: number }>();

  constructor(options: EventRecorderOptions) {
    this.#options = { instance: hostname(), repeatMs: defaultRepeatMs, ...options };
    this.#queue = new KeyedQueue({
      work: (key, signal) => this.#send(key, signal),
      log: options.log,
      workers: 2,
    });
  }

  /** Says something about an object. The same sentence about the same object is counted, not repeated. */
  record(subject: ApiObject, note: EventNote): void {
    const { kind, metadata } = subject;
    const about = JSON.stringify([kind, metadata.namespace, metadata.name, metadata.uid]);
    const key = JSON.stringify([about, note.type, note.reason, note.message]);
    const now = new Date();
    const known = this.#repeated.get(key);
    if (known === undefined && !this.#allows(about)) {
      this.#options.log.debug('too many events about one object', { kind, name: metadata.name, ...note });
      return;
    }
    const repeated = known ?? {
      ...{ subject, note, first: now, last: now, count: 0, told: 0, name: undefined, attempts: 0 },
    };
    repeated.last = now;
    repeated.count += 1;
    this.#repeated.delete(key);
    this.#repeated.set(key, repeated);
    this.#forgetOldest();
    if (repeated.told === 0) this.#queue.add(key);
    else this.#queue.addAfter(key, this.#options.repeatMs);
  }

  /** Waits for what is being sent, for a moment, and ends. */
  async stop(graceMs = 2_000): Promise<void> {
    const over = new AbortController();
    await Promise.race([
      this.#queue.idle(),
      sleep(graceMs, undefined, { signal: over.signal }).catch(() => {}),
    ]);
    over.abort();
    await this.#queue.stop();
  }

  async #send(key: string, signal: AbortSignal): Promise<void> {
    const repeated = this.#repeated.get(key);
    if (repeated === undefined || repeated.told === repeated.count) return;
    const { count } = repeated;
    try {
      if (repeated.name === undefined || !(await this.#recount(repeated, count, signal))) {
        repeated.name = await this.#create(repeated, count, signal);
      }
      repeated.told = count;
      repeated.attempts = 0;
    } catch (error) {
      repeated.attempts += 1;
      const passing = error instanceof DriverError && error.reason === 'api-unavailable';
      if (passing && repeated.attempts < maximumAttempts) throw error;
      this.#repeated.delete(key);
      this.#options.log.warn('an event was not recorded', { ...repeated.note, error });
    }
  }

  /** Tells how often it was said by now; false when the event is gone, as events are after an hour. */
  async #recount(repeated: Repeated, count: number, signal: AbortSignal): Promise<boolean> {
    const patch = { count, lastTimestamp: secondOf(repeated.last) };
    try {
      const namespace = namespaceOf(repeated.subject);
      await this.#options.client.mergePatch(events, repeated.name ?? '', patch, { namespace, signal });
      return true;
    } catch (error) {
      if (error instanceof DriverError && error.details.status === 404) return false;
      throw error;
    }
  }

  async #create(
    { subject, note, first, last }: Repeated,
    count: number,
    signal: AbortSignal,
  ): Promise<string> {
    const { component, instance, client } = this.#options;
    const { name, namespace, uid, resourceVersion } = subject.metadata;
    const event: EventObject = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: eventName(name), namespace: namespaceOf(subject) },
      involvedObject: {
        apiVersion: subject.apiVersion,
        kind: subject.kind,
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      ...note,
      message: note.message.slice(0, longestMessage),
      source: { component, host: instance },
      reportingComponent: component,
      reportingInstance: instance,
      firstTimestamp: secondOf(first),
      lastTimestamp: secondOf(last),
      count,
    };
    await client.create<EventObject>(events, event, { signal });
    return event.metadata.name;
  }

  #allows(about: string): boolean {
    const now = performance.now();
    const known = this.#allowances.get(about) ?? { tokens: burst, atMs: now };
    const tokens = Math.min(burst, known.tokens + (now - known.atMs) / refillMs);
    this.#allowances.delete(about);
    this.#allowances.set(about, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: now });
    return tokens >= 1;
  }

  #forgetOldest(): void {
    for (const map of [this.#repeated, this.#allowances]) {
      for (const key of map.keys()) {
        if (map.size <= remembered) break;
        map.delete(key);
      }
    }
  }
}

function namespaceOf({ metadata }: ApiObject): string {
  return metadata.namespace ?? clusterNamespace;
}

/** Names of objects are at most 253 characters long; what is cut off must not leave a dot or a hyphen at the end. */
function eventName(name: string): string {
  return `${name.slice(0, 200).replace(/[.-]+$/, '')}.${randomBytes(8).toString('hex')}`;
}

function secondOf(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}
