// Which other nodes may have a pool mounted that is about to be replaced, by what the API server has of them this moment. Pure.
import type { FamfsNode, FamfsNodeStatus, ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import { hasNoReport, saysOf } from '../kubernetes/node-reports.ts';

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
  const open = new Map<string, string>();
  for (const { metadata, status } of others) {
    if (status === undefined || !sees(status, order)) continue;
    if (past.has(metadata.name)) open.set(metadata.name, `has not reported since ${status.reportedAt}`);
    else if (!hasReleased(status, order))
      open.set(metadata.name, 'has not let go of it in this attempt, or mounted it again after a restart');
  }
  const reported = new Set(
    others.filter(({ status }) => saysOf(status, order.replaces ?? '')).map(nameOf),
  ).add(self);
  const { nodes = [], nodesAway = [] } = pool.status ?? {};
  for (const { name } of [...nodes, ...nodesAway]) if (!reported.has(name)) open.set(name, hasNoReport);
  return open;
}

function sees({ pools }: FamfsNodeStatus, { replaces }: ReportedFormat): boolean {
  return pools.some(({ uuid, phase }) => uuid === replaces && phase !== 'Lost');
}

function hasReleased({ pools, formats }: FamfsNodeStatus, order: ReportedFormat): boolean {
  const answer = formats.find(
    ({ poolUID, attempt }) => poolUID === order.poolUID && attempt === order.attempt,
  );
  const isHeld = pools.every(({ uuid, phase, held }) => uuid !== order.replaces || phase === 'Lost' || held);
  return isHeld && answer?.phase === 'Released' && answer.replaces === order.replaces;
}

function nameOf({ metadata }: FamfsNode): string {
  return metadata.name;
}
