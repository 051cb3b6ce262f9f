// Who of several replicas leads, by a Lease object and the rules of client-go's leaderelection: the holder renews, the others
// take over when they have seen no renewal for as long as the lease lasts. Knows nothing of what the leader does.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as timer } from 'node:timers/promises';
import { DriverError, isRecordConflict } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { ApiClient } from './api-client.ts';
import type { ApiObject } from './api-object.ts';
import { apiVersionOf, leases } from './resources.ts';

/** coordination.k8s.io/v1; times are RFC 3339 with microseconds. */
export interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

export interface Lease extends ApiObject {
  readonly kind: 'Lease';
  readonly spec?: LeaseSpec;
}

export interface LeaseTiming {
  /** For how long the others wait after the last renewal that they have seen. */
  readonly leaseSeconds: number;
  /** When a leader that cannot renew stops being one; shorter, so that there are never two. */
  readonly renewDeadlineMs: number;
  /** Between two attempts. */
  readonly retryMs: number;
}

/** The defaults of Kubernetes' own components. */
export const leaseTiming: LeaseTiming = { leaseSeconds: 15, renewDeadlineMs: 10_000, retryMs: 2_000 };

/** Time as the election counts it: evenly, and of this machine alone. */
export interface LeaseClock {
  nowMs(): number;
  /** Settles after the time, or at once when the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface LeaderElectionOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly name: string;
  readonly log: Logger;
  /** Of this process alone, in this life; made up when not given. */
  readonly identity?: string;
  readonly timing?: LeaseTiming;
  readonly clock?: LeaseClock;
}

const steadyClock: LeaseClock = {
  nowMs: () => performance.now(),
  sleep: (ms, signal) => timer(ms, undefined, { signal }).catch(() => {}),
};

/** client-go's JitterFactor: candidates wait for up to this much longer, so that they do not meet. */
const jitter = 1.2;

/**
 * One attempt to lead: it waits for the lease, holds it, and is over when it loses it or is stopped. Whoever loses has to end
 * what it does as the leader at once, mostly by ending the process.
 */
export class LeaderElection {
  readonly identity: string;
  readonly #options: LeaderElectionOptions;
  readonly #timing: LeaseTiming;
  readonly #clock: LeaseClock;
  readonly #stopping = new AbortController();
  readonly #lost = new AbortController();
  readonly #acquired = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  /** The lease as this process last wrote it, while it leads. */
  #held: Lease | undefined;
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  /** The lease as it was last read, and since when it has been so. */
  #observed = { spec: '', atMs: 0 };

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#timing = options.timing ?? leaseTiming;
    this.#clock = options.clock ?? steadyClock;
    this.identity = options.identity ?? `${hostname()}_${randomUUID()}`;
    this.#acquired.promise.catch(() => {});
  }

  /** Settles when this process leads. @throws DriverError `shutting-down` when it was stopped before */
  get acquired(): Promise<void> {
    return this.#acquired.promise;
  }

  /** Fires when this process led and does so no longer, unless it was stopped. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether this process may act as the leader at this moment. Also right in a process that slept and has just woken up. */
  get leading(): boolean {
    const renewedFor = this.#clock.nowMs() - this.#renewedAtMs;
    return this.#held !== undefined && renewedFor < this.#timing.renewDeadlineMs;
  }

  /** Begins to ask for the lease. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Gives the lease back, so that the next one need not wait. First end what is done as the leader. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#acquired.reject(new DriverError('shutting-down', 'The process stops before it became the leader.'));
    await this.#running;
    const held = this.leading ? this.#held : undefined;
    this.#held = undefined;
    if (held !== undefined) await this.#release(held);
  }

  /** Never throws. */
  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { retryMs } = this.#timing;
    while (!(await this.#attempt(this.#timing.renewDeadlineMs))) {
      await this.#clock.sleep(retryMs * (1 + Math.random() * jitter), signal);
      if (signal.aborted) return;
    }
    if (signal.aborted) return;
    this.#options.log.info('became the leader', { lease: this.#options.name, identity: this.identity });
    this.#acquired.resolve();
    for (;;) {
      await this.#clock.sleep(retryMs, signal);
      if (signal.aborted) return;
      const leftMs = this.#renewedAtMs + this.#timing.renewDeadlineMs - this.#clock.nowMs();
      if (leftMs > 0) await this.#attempt(leftMs);
      if (signal.aborted) return;
      if (!this.leading) return this.#lose();
    }
  }

  #lose(): void {
    this.#held = undefined;
    this.#options.log.error('lost the lease of the leader', {
      lease: this.#options.name,
      identity: this.identity,
      observed: this.#observed.spec,
    });
    this.#lost.abort(new DriverError('record-conflict', `The lease ${this.#options.name} was lost.`));
  }

  /** Takes or renews the lease if that is allowed. Returns whether this process holds it now; never throws. */
  async #attempt(timeoutMs: number): Promise<boolean> {
    const deadlineMs = this.#clock.nowMs() + timeoutMs;
    try {
      if (this.#held !== undefined) {
        try {
          return await this.#write(this.#held, deadlineMs);
        } catch (error) {
          // Somebody wrote to it: a person, perhaps, or this process in an answer that never came.
          if (!isRecordConflict(error)) throw error;
        }
      }
      return await this.#readAndWrite(deadlineMs);
    } catch (error) {
      if (this.#stopping.signal.aborted) return false;
      // Another candidate was quicker; the next attempt sees it.
      if (!isRecordConflict(error))
        this.#options.log.warn('the lease of the leader cannot be had for now', { error });
      return false;
    }
  }

  async #readAndWrite(deadlineMs: number): Promise<boolean> {
    const { client, name } = this.#options;
    const lease = await client.get<Lease>(leases, name, this.#callOptions(deadlineMs));
    if (lease === undefined) {
      this.#held = undefined;
      return this.#write(undefined, deadlineMs);
    }
    const spec = JSON.stringify(lease.spec ?? {});
    const nowMs = this.#clock.nowMs();
    if (spec !== this.#observed.spec) this.#observed = { spec, atMs: nowMs };
    const { holderIdentity = '', leaseDurationSeconds = this.#timing.leaseSeconds } = lease.spec ?? {};
    const others = holderIdentity !== '' && holderIdentity !== this.identity;
    if (others) this.#held = undefined;
    if (others && nowMs < this.#observed.atMs + leaseDurationSeconds * 1000) return false;
    return this.#write(lease, deadlineMs);
  }

  /** @param lease as it is now; undefined when there is none */
  async #write(lease: Lease | undefined, deadlineMs: number): Promise<boolean> {
    const { client, namespace, name } = this.#options;
    const before = lease?.spec;
    const mine = before?.holderIdentity === this.identity;
    const now = microTime(new Date());
    const spec: LeaseSpec = {
      holderIdentity: this.identity,
      leaseDurationSeconds: this.#timing.leaseSeconds,
      renewTime: now,
      acquireTime: mine ? (before.acquireTime ?? now) : now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (mine || before === undefined ? 0 : 1),
    };
    // The others count from when they see it, which is later than this.
    const sentAtMs = this.#clock.nowMs();
    const options = this.#callOptions(deadlineMs);
    const apiVersion = apiVersionOf(leases);
    this.#held =
      lease === undefined
        ? await client.create<Lease>(
            leases,
            { apiVersion, kind: 'Lease', metadata: { name, namespace }, spec },
            options,
          )
        : await client.update<Lease>(leases, { ...lease, spec }, options);
    this.#renewedAtMs = sentAtMs;
    this.#observed = { spec: JSON.stringify(this.#held.spec ?? {}), atMs: sentAtMs };
    return true;
  }

  async #release(held: Lease): Promise<void> {
    try {
      try {
        await this.#giveBack(held);
      } catch (error) {
        if (!isRecordConflict(error)) throw error;
        // The last renewal was cut short by the end, and had reached the server all the same.
        const options = { namespace: this.#options.namespace, timeoutMs: this.#timing.retryMs };
        const lease = await this.#options.client.get<Lease>(leases, this.#options.name, options);
        if (lease?.spec?.holderIdentity === this.identity) await this.#giveBack(lease);
      }
    } catch (error) {
      this.#options.log.warn('the lease of the leader was not given back; the next one has to wait', {
        error,
      });
    }
  }

  async #giveBack(held: Lease): Promise<void> {
    const now = microTime(new Date());
    const { leaseTransitions = 0 } = held.spec ?? {};
    const spec: LeaseSpec = {
      holderIdentity: '',
      leaseDurationSeconds: 1,
      acquireTime: now,
      renewTime: now,
      leaseTransitions,
    };
    await this.#options.client.update<Lease>(leases, { ...held, spec }, { timeoutMs: this.#timing.retryMs });
  }

  #callOptions(deadlineMs: number): { namespace: string; timeoutMs: number; signal: AbortSignal } {
    const timeoutMs = Math.max(1, Math.ceil(deadlineMs - this.#clock.nowMs()));
    return { namespace: this.#options.namespace, timeoutMs, signal: this.#stopping.signal };
  }
}

/** meta/v1 MicroTime, which insists on six digits. */
function microTime(date: Date): string {
  return date.toISOString().replace(/Z$/, '000Z');
}
