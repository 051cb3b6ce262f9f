// Which other nodes may have a pool mounted that is about to be replaced, by what the API server has of them this moment. Pure.
import type { FamfsNode, FamfsNodeStatus, ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import { hasNoReport } from '../kubernetes/node-reports.ts';
import { nodesWithoutReport, seesPool } from './pool-sight.ts';

/**
 * @param order what this node is about to do: names the FamfsPool, the file system and the attempt
 * @param others the FamfsNodes of all other nodes
 * @param past names of those whose report says nothing about now
 * @param self this node
 * @returns by their names why they may have it, as the end of a sentence about the node; empty when none may
 */
export function nodesNotReleased(
  pool: FamfsPool,
  order: ReportedFormat,
  others: readonly FamfsNode[],
  past: ReadonlySet<string>,
  self: string,
): ReadonlyMap<string, string> {
  const uuid = order.replaces ?? '';
  const open = new Map<string, string>();
  for (const { metadata, status } of others) {
    if (status === undefined || !seesPool(status, uuid)) continue;
    if (past.has(metadata.name)) open.set(metadata.name, `has not reported since ${status.reportedAt}`);
    else if (!hasReleased(status, order))
      open.set(metadata.name, 'has not let go of it in this attempt, or mounted it again after a restart');
  }
  for (const name of nodesWithoutReport(pool, uuid, others, self)) open.set(name, hasNoReport);
  return open;
}

function hasReleased({ pools, formats }: FamfsNodeStatus, order: ReportedFormat): boolean {
  const answer = formats.find(
    ({ poolUID, attempt }) => poolUID === order.poolUID && attempt === order.attempt,
  );
  const isHeld = pools.every(({ uuid, phase, held }) => uuid !== order.replaces || phase === 'Lost' || held);
  return isHeld && answer?.phase === 'Released' && answer.replaces === order.replaces;
}
