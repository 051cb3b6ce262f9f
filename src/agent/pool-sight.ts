// Which nodes see the memory of a pool, by what the API server has of them. Pure.
import type { FamfsNode, FamfsNodeStatus } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import { saysOf } from '../kubernetes/node-reports.ts';

export function seesPool(status: FamfsNodeStatus | undefined, poolUuid: string): boolean {
  return status?.pools.some(({ uuid, phase }) => uuid === poolUuid && phase !== 'Lost') === true;
}

/**
 * Names of nodes that the controller knows to see a pool and whose FamfsNode says nothing of it: what they have mounted is not known.
 * @param others the FamfsNodes of all nodes but `self`
 */
export function nodesWithoutReport(
  { status }: FamfsPool,
  poolUuid: string,
  others: readonly FamfsNode[],
  self: string,
): readonly string[] {
  const reporting = others.filter((each) => saysOf(each.status, poolUuid));
  const reported = new Set(reporting.map(({ metadata }) => metadata.name)).add(self);
  const { nodes = [], nodesAway = [] } = status ?? {};
  return [...nodes, ...nodesAway].map(({ name }) => name).filter((name) => !reported.has(name));
}
