// What the nodes report, and which of them are away, so that their report is the past. Decides nothing about pools.
import { topologyKey } from '../volumes/pool-topology.ts';
import { isTrue } from './conditions.ts';
import { isNodeReady, type NodeObject } from './core-objects.ts';
import type { FamfsNode, FamfsNodeStatus } from './famfs-node.ts';
import type { ObjectCache } from './object-cache.ts';

/** One node's report and what it is worth. */
export interface NodeReport {
  readonly name: string;
  readonly status: FamfsNodeStatus;
  /** Why it is not what is true now, as the end of a sentence about the node; undefined: it is. */
  readonly absence: string | undefined;
  /** The Node is not among the cluster's any more; its FamfsNode goes too. */
  readonly isGone: boolean;
  /** The mounter of the node serves and has looked at all devices: what is not reported is not there. */
  readonly isSettled: boolean;
}

/** After so long without a report a node is away: it reports every minute at least (FamfsNodeStatus.reportedAt). */
export const silenceMs = 180_000;

/** Of a node whose FamfsNode is missing, as the end of a sentence about it. */
export const hasNoReport = 'has not said what it has mounted since its FamfsNode was deleted';

/** Whether a report says how a node is to a pool: it lists the pool, or everything that there is. */
export function saysOf(status: FamfsNodeStatus | undefined, poolUuid: string): boolean {
  return status?.pools.some(({ uuid }) => uuid === poolUuid) === true || isTrue(status?.conditions, 'Ready');
}

interface Sight {
  readonly reportedAt: string;
  readonly atMs: number;
}

export interface NodeReportsParts {
  readonly famfsNodes: Pick<ObjectCache<FamfsNode>, 'get' | 'list' | 'onChange'>;
  readonly nodes: Pick<ObjectCache<NodeObject>, 'get' | 'list' | 'onChange'>;
}

/** The reports of all nodes. How old one is is judged by this process's clock, since when it was seen to change. */
export class NodeReports {
  readonly #parts: NodeReportsParts;
  readonly #sights = new Map<string, Sight>();
  readonly #now: () => Date;
  readonly #forget: () => void;

  constructor(parts: NodeReportsParts, now: () => Date = () => new Date()) {
    this.#parts = parts;
    this.#now = now;
    this.#forget = parts.famfsNodes.onChange((name) => this.#see(parts.famfsNodes.get(name), name));
    for (const node of parts.famfsNodes.list()) this.#see(node, node.metadata.name);
  }

  close(): void {
    this.#forget();
  }

  /** Calls `listener` with the name of a node whose report or Node object came, changed or went. Returns what ends that. */
  onChange(listener: (name: string) => void): () => void {
    const { famfsNodes, nodes } = this.#parts;
    const ends = [famfsNodes.onChange(listener), nodes.onChange(listener)];
    return () => {
      for (const end of ends) end();
    };
  }

  /** Of every node that ever reported and is not forgotten, by name. */
  list(): readonly NodeReport[] {
    return this.#parts.famfsNodes
      .list()
      .map(({ metadata }) => this.get(metadata.name))
      .filter((report) => report !== undefined)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): NodeReport | undefined {
    const status = this.#parts.famfsNodes.get(name)?.status;
    if (status === undefined) return undefined;
    const node = this.#parts.nodes.get(name);
    return {
      name,
      status,
      absence: this.#absence(name, status, node),
      isGone: node === undefined,
      isSettled: isTrue(status.conditions, 'Ready'),
    };
  }

  /** Whether the cluster has a Node of that name, whether it ever reported or not. */
  hasNode(name: string): boolean {
    return this.#parts.nodes.get(name) !== undefined;
  }

  /**
   * Names of nodes that saw a pool, as the labels of their Nodes say, and whose report says nothing of it: their FamfsNode was deleted
   * by hand. What they have mounted is not known before they have looked and reported again. Nobody but the controller and people takes such a label away.
   */
  missing(poolUuid: string): readonly string[] {
    const { nodes, famfsNodes } = this.#parts;
    const key = topologyKey(poolUuid);
    return nodes
      .list()
      .filter(({ metadata }) => metadata.labels?.[key] !== undefined)
      .map(({ metadata }) => metadata.name)
      .filter((name) => !saysOf(famfsNodes.get(name)?.status, poolUuid))
      .sort();
  }

  #absence(name: string, { reportedAt }: FamfsNodeStatus, node: NodeObject | undefined): string | undefined {
    if (node === undefined) return 'has no Node object any more';
    if (!isNodeReady(node)) return 'is not ready, says its Node object';
    const ageMs = this.#now().getTime() - (this.#sights.get(name)?.atMs ?? 0);
    return ageMs > silenceMs ? `has not reported since ${reportedAt}` : undefined;
  }

  /** The clocks of nodes differ. Only of a report that was there before this process does its own time have to do. */
  #see(node: FamfsNode | undefined, name: string): void {
    const reportedAt = node?.status?.reportedAt;
    if (reportedAt === undefined) {
      this.#sights.delete(name);
      return;
    }
    const before = this.#sights.get(name);
    if (before?.reportedAt === reportedAt) return;
    const nowMs = this.#now().getTime();
    const saidMs = Date.parse(reportedAt) || 0;
    this.#sights.set(name, { reportedAt, atMs: before === undefined ? Math.min(saidMs, nowMs) : nowMs });
  }
}
