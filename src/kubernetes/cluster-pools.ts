// The pools of a cluster as provisioning sees them: what FamfsPools declare, and what the nodes report. Reads caches only.
import { DriverError } from '../errors.ts';
import { BoundSlots } from '../volumes/bound-slots.ts';
import type { PoolUuid } from '../volumes/ids.ts';
import type { PoolFacts, Pools } from '../volumes/pool-facts.ts';
import type { FamfsNode } from './famfs-node.ts';
import type { FamfsPool } from './famfs-pool.ts';
import type { NodeReports } from './node-reports.ts';
import type { ObjectCache } from './object-cache.ts';
import { judgePool } from './pool-verdict.ts';
import { bytesOf } from './quantity.ts';

type Synced<T extends FamfsPool | FamfsNode> = Pick<ObjectCache<T>, 'list' | 'synced'>;

export interface ClusterPoolsParts {
  readonly famfsPools: Synced<FamfsPool>;
  readonly famfsNodes: Synced<FamfsNode>;
  readonly reports: Pick<NodeReports, 'list'>;
  /** Settles when all that is known of Nodes has been listed. */
  readonly nodesSynced: (signal: AbortSignal) => Promise<void>;
}

const syncTimeoutMs = 10_000;

export class ClusterPools implements Pools {
  readonly #parts: ClusterPoolsParts;
  #isSynced = false;

  constructor(parts: ClusterPoolsParts) {
    this.#parts = parts;
  }

  /** Every FamfsPool, also one that cannot be used now: its problem says why. */
  async list(): Promise<readonly PoolFacts[]> {
    await this.#untilSynced();
    const pools = this.#parts.famfsPools.list();
    const nodes = this.#parts.reports.list();
    return pools.map((pool) => {
      const { format, figures, master, problem, seen } = judgePool(pool, nodes, pools);
      const { deletedVolumes, writes } = pool.spec;
      return {
        name: pool.metadata.name,
        // A pool without a file system has a problem that says so, and matches no other UUID.
        uuid: (format.uuid ?? '') as PoolUuid,
        writes,
        deletedVolumes,
        sizeBytes: bytesOf(figures?.size ?? '0'),
        freeBytes: bytesOf(figures?.free ?? '0'),
        longestFreeRunBytes: bytesOf(figures?.longestFreeRun ?? '0'),
        allocationUnitBytes: bytesOf(figures?.allocationUnit ?? '0'),
        logEntriesFree: figures === undefined ? 0 : figures.logEntriesTotal - figures.logEntriesUsed,
        master,
        nodes: seen.map(({ node, pool: { writers } }) => ({ name: node.name, writers })),
        problem,
        ...closedFor(pool),
      };
    });
  }

  /** What every FamfsNode says, however old: one goes only when its Node is deleted. */
  async publishedVolumeIds(): Promise<ReadonlySet<string>> {
    await this.#untilSynced();
    const nodes = this.#parts.famfsNodes.list();
    return new Set(nodes.flatMap(({ status }) => status?.publishedVolumeIDs ?? []));
  }

  /** By every FamfsNode, too. */
  async boundSlots(): Promise<BoundSlots> {
    await this.#untilSynced();
    const pools = this.#parts.famfsNodes.list().flatMap(({ status }) => status?.pools ?? []);
    return new BoundSlots(
      pools.flatMap(({ uuid, boundPaths }) => boundPaths.map((path) => ({ poolUuid: uuid, path }))),
    );
  }

  async #untilSynced(): Promise<void> {
    if (this.#isSynced) return;
    const { famfsPools, famfsNodes, nodesSynced } = this.#parts;
    const signal = AbortSignal.timeout(syncTimeoutMs);
    try {
      await Promise.all([famfsPools.synced(signal), famfsNodes.synced(signal), nodesSynced(signal)]);
      this.#isSynced = true;
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new DriverError(
        'api-unavailable',
        'The API server has not told yet which pools and nodes there are; the call is repeated. See that the controller can reach it.',
        { cause: error },
      );
    }
  }
}

/** A FamfsPool that somebody deletes waits for the volumes that there are, and takes no other. */
function closedFor({ metadata }: FamfsPool): Pick<PoolFacts, 'closed'> {
  if (metadata.deletionTimestamp === undefined) return {};
  const message = `The FamfsPool ${metadata.name} is being deleted, and goes when the volumes in it are gone; no other is made in it.`;
  return { closed: { reason: 'pool-not-found', message } };
}
