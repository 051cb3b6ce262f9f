// What the objects of famfs.io say of pools and nodes, as figures. Decides nothing, and keeps nothing.
import type {
  ClusterFigures,
  ConditionFigure,
  NodePoolFigures,
  PoolFigures,
} from '../observe/cluster-metrics.ts';
import type { Condition } from './api-object.ts';
import type { FamfsNode } from './famfs-node.ts';
import type { FamfsPool } from './famfs-pool.ts';
import { bytesOf } from './quantity.ts';

export interface FigureSources {
  readonly famfsPools: { list(): readonly FamfsPool[] };
  readonly famfsNodes: { list(): readonly FamfsNode[] };
}

/** Of every pool that has been seen and every node that has reported; the past, where a node is away. */
export function clusterFigures({ famfsPools, famfsNodes }: FigureSources): ClusterFigures {
  return {
    pools: () => famfsPools.list().flatMap(figuresOfPool),
    poolConditions: () =>
      famfsPools.list().flatMap(({ metadata, status }) => figures(metadata.name, status?.conditions)),
    nodeConditions: () =>
      famfsNodes.list().flatMap(({ metadata, status }) => figures(metadata.name, status?.conditions)),
    nodePools: () => famfsNodes.list().flatMap(poolsOfNode),
  };
}

function figuresOfPool({ metadata, status }: FamfsPool): readonly PoolFigures[] {
  const { capacity, volumes, logEntries, fileSystemUUID = '' } = status ?? {};
  if (capacity === undefined || logEntries === undefined) return [];
  return [
    {
      pool: metadata.name,
      poolUuid: fileSystemUUID,
      sizeBytes: Number(bytesOf(capacity.size)),
      freeBytes: Number(bytesOf(capacity.free)),
      longestFreeRunBytes: Number(bytesOf(capacity.longestFreeRun)),
      reusableBytes: Number(bytesOf(volumes?.reusable ?? '0')),
      volumes: volumes?.count ?? 0,
      logEntriesUsed: logEntries.used,
      logEntriesLimit: logEntries.total,
    },
  ];
}

function figures(name: string, conditions: readonly Condition[] = []): readonly ConditionFigure[] {
  return conditions.map(({ type, status, reason }) => ({ name, condition: type, status, reason }));
}

function poolsOfNode({ metadata, status }: FamfsNode): readonly NodePoolFigures[] {
  return (status?.pools ?? []).map(({ uuid, phase, logEntriesReplayed }) => ({
    node: metadata.name,
    poolUuid: uuid,
    phase,
    logEntriesReplayed,
  }));
}
