// What kubelet leaves undone about Nodes (design 3): takes away the topology labels of pools that a node lost, and the taint that
// kept pods from a node until its driver was there. Runs where the Lease is held.
import type { Logger } from '../observe/logger.ts';
import { poolOfTopologyKey } from '../volumes/pool-topology.ts';
import type { ApiClient } from './api-client.ts';
import type { CsiNodeObject, NodeObject, Taint } from './core-objects.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { NodeReport, NodeReports } from './node-reports.ts';
import type { ObjectCache } from './object-cache.ts';
import { nodes as resource } from './resources.ts';

/** Whoever makes a node may give it this taint, so that no pod comes before the driver. */
export const startUpTaintKey = 'csi.famfs.io/agent-not-ready';

export interface NodeReconcilerParts {
  readonly client: Pick<ApiClient, 'mergePatch'>;
  readonly nodes: Pick<ObjectCache<NodeObject>, 'get' | 'list'>;
  readonly csiNodes: Pick<ObjectCache<CsiNodeObject>, 'get' | 'onChange'>;
  readonly reports: Pick<NodeReports, 'get' | 'onChange'>;
  readonly driverName: string;
  readonly log: Logger;
  /** How long a pool has to be missed before its label goes; longer than a node waits before it registers again. */
  readonly confirmMs?: number;
}

/** A label that no pool of the node's report answers to, and since when. */
interface Miss {
  readonly sinceMs: number;
  readonly reportedAt: string;
}

const usualConfirmMs = 30_000;

export class NodeReconciler {
  readonly #parts: NodeReconcilerParts;
  readonly #confirmMs: number;
  readonly #queue: KeyedQueue;
  readonly #misses = new Map<string, ReadonlyMap<string, Miss>>();
  #subscriptions: (() => void)[] = [];

  constructor(parts: NodeReconcilerParts) {
    this.#parts = parts;
    this.#confirmMs = parts.confirmMs ?? usualConfirmMs;
    this.#queue = new KeyedQueue({ work: (name, signal) => this.#work(name, signal), log: parts.log });
  }

  start(): void {
    const { nodes, csiNodes, reports } = this.#parts;
    const add = (name: string): void => this.#queue.add(name);
    this.#subscriptions = [reports.onChange(add), csiNodes.onChange(add)];
    for (const { metadata } of nodes.list()) add(metadata.name);
  }

  async stop(): Promise<void> {
    for (const end of this.#subscriptions.splice(0)) end();
    await this.#queue.stop();
  }

  async #work(name: string, signal: AbortSignal): Promise<number | undefined> {
    const node = this.#parts.nodes.get(name);
    const report = this.#parts.reports.get(name);
    if (node === undefined || report === undefined || report.absence !== undefined || !report.isSettled) {
      // Nothing that was missed is known to be missed still.
      this.#misses.delete(name);
      return undefined;
    }
    const misses = this.#missesOf(node, report);
    const lost = [...misses].filter(([, miss]) => this.#isConfirmed(miss, report)).map(([key]) => key);
    const taints = this.#taintsWithoutOurs(node);
    if (lost.length > 0 || taints !== undefined) await this.#patch(node, lost, taints, signal);
    return misses.size > lost.length ? this.#confirmMs : undefined;
  }

  /** Registering and reporting go different ways: a label that is new may be ahead of the report. */
  #missesOf(node: NodeObject, { name, status }: NodeReport): ReadonlyMap<string, Miss> {
    const seen = new Set(status.pools.filter(({ phase }) => phase !== 'Lost').map(({ uuid }) => uuid));
    const missed = Object.keys(node.metadata.labels ?? {}).filter((key) => {
      const uuid = poolOfTopologyKey(key);
      return uuid !== undefined && !seen.has(uuid);
    });
    const before = this.#misses.get(name);
    const now: Miss = { sinceMs: performance.now(), reportedAt: status.reportedAt };
    const misses = new Map(missed.map((key) => [key, before?.get(key) ?? now]));
    this.#misses.set(name, misses);
    return misses;
  }

  /** It has been missed for long enough, and another report has said so since. */
  #isConfirmed({ sinceMs, reportedAt }: Miss, { status }: NodeReport): boolean {
    return performance.now() - sinceMs >= this.#confirmMs && status.reportedAt !== reportedAt;
  }

  /** Undefined when there is nothing to take away, or the driver is not there yet. */
  #taintsWithoutOurs({ metadata, spec }: NodeObject): readonly Taint[] | undefined {
    const { csiNodes, driverName } = this.#parts;
    const taints = spec?.taints ?? [];
    const others = taints.filter(({ key }) => key !== startUpTaintKey);
    const drivers = csiNodes.get(metadata.name)?.spec?.drivers ?? [];
    const isRegistered = drivers.some(({ name }) => name === driverName);
    return others.length < taints.length && isRegistered ? others : undefined;
  }

  /** Conditional on the version: taints are a list, and another's that came meanwhile must stay. */
  async #patch(
    { metadata: { name, resourceVersion } }: NodeObject,
    lost: readonly string[],
    taints: readonly Taint[] | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, log } = this.#parts;
    const labels = Object.fromEntries(lost.map((key) => [key, null]));
    const patch = {
      metadata: { resourceVersion, ...(lost.length === 0 ? {} : { labels }) },
      ...(taints === undefined ? {} : { spec: { taints } }),
    };
    await client.mergePatch<NodeObject>(resource, name, patch, { signal });
    if (lost.length > 0) log.info('labels of lost pools removed', { node: name, labels: lost });
    if (taints !== undefined) log.info('start-up taint removed', { node: name });
  }
}
