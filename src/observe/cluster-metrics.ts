// How pools and nodes of a cluster are, as figures for Prometheus. Knows only numbers and words, not where they come from.
import { Gauge, type Registry } from 'prom-client';

/** One pool; sizes in bytes. */
export interface PoolFigures {
  readonly pool: string;
  readonly poolUuid: string;
  readonly sizeBytes: number;
  readonly freeBytes: number;
  readonly longestFreeRunBytes: number;
  readonly reusableBytes: number;
  readonly volumes: number;
  readonly logEntriesUsed: number;
  readonly logEntriesLimit: number;
}

/** A condition of a pool or a node as it is now. */
export interface ConditionFigure {
  readonly name: string;
  readonly condition: string;
  readonly status: string;
  readonly reason: string;
}

/** A pool as one node sees it. */
export interface NodePoolFigures {
  readonly node: string;
  readonly poolUuid: string;
  readonly phase: string;
  readonly logEntriesReplayed: number;
}

export interface ClusterFigures {
  pools(): readonly PoolFigures[];
  poolConditions(): readonly ConditionFigure[];
  nodeConditions(): readonly ConditionFigure[];
  nodePools(): readonly NodePoolFigures[];
}

type PoolNumber = Exclude<keyof PoolFigures, 'pool' | 'poolUuid'>;

const poolGauges: Readonly<Record<PoolNumber, readonly [name: string, help: string]>> = {
  sizeBytes: ['size_bytes', 'All memory of the pool.'],
  freeBytes: ['free_bytes', 'Memory of the pool that no file has ever used.'],
  longestFreeRunBytes: ['longest_free_run_bytes', 'The largest file that still fits into the pool.'],
  reusableBytes: [
    'reusable_bytes',
    'Memory of deleted volumes that the next volume with the same files gets.',
  ],
  volumes: ['volumes', 'Volumes in the pool.'],
  logEntriesUsed: ['log_entries_used', 'Entries of the log that are taken, for good.'],
  logEntriesLimit: ['log_entries_limit', 'Entries that the log has, which mkfs has fixed for good.'],
};

/** Adds the figures to a process' metrics; they are read when somebody scrapes. */
export function addClusterMetrics(registry: Registry, figures: ClusterFigures): void {
  addPoolGauges(registry, figures);
  addConditions(registry, 'pool', () => figures.poolConditions());
  addConditions(registry, 'node', () => figures.nodeConditions());
  const registers = [registry];
  new Gauge({
    name: 'famfs_csi_node_pool_phase',
    help: 'Always 1; the phase in which a node has a pool is a label.',
    labelNames: ['node', 'pool_uuid', 'phase'],
    registers,
    collect() {
      this.reset();
      for (const { node, poolUuid, phase } of figures.nodePools())
        this.set({ node, pool_uuid: poolUuid, phase }, 1);
    },
  });
  new Gauge({
    name: 'famfs_csi_node_pool_log_entries_replayed',
    help: 'How far a node has read the log of a pool. It sees the files up to there.',
    labelNames: ['node', 'pool_uuid'],
    registers,
    collect() {
      this.reset();
      for (const { node, poolUuid, logEntriesReplayed } of figures.nodePools())
        this.set({ node, pool_uuid: poolUuid }, logEntriesReplayed);
    },
  });
}

function addPoolGauges(registry: Registry, figures: ClusterFigures): void {
  for (const [key, [name, help]] of Object.entries(poolGauges)) {
    new Gauge({
      name: `famfs_csi_pool_${name}`,
      help,
      labelNames: ['pool', 'pool_uuid'],
      registers: [registry],
      collect() {
        this.reset();
        for (const pool of figures.pools())
          this.set({ pool: pool.pool, pool_uuid: pool.poolUuid }, pool[key as PoolNumber]);
      },
    });
  }
}

function addConditions(
  registry: Registry,
  kind: 'pool' | 'node',
  figures: () => readonly ConditionFigure[],
): void {
  new Gauge({
    name: `famfs_csi_${kind}_condition`,
    help: `Always 1; a condition of the ${kind}, its status and its reason are labels.`,
    labelNames: [kind, 'condition', 'status', 'reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { name, condition, status, reason } of figures())
        this.set({ [kind]: name, condition, status, reason }, 1);
    },
  });
}
