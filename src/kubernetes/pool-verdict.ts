// What is true of a pool, out of what its nodes report: its master, its figures, and why nothing can be made in it. Pure; the
// status of a FamfsPool and provisioning decide by the same verdict.
import { isReason } from '../errors.ts';
import type { RecordProblem } from '../volumes/volume-record.ts';
import { conditionOf, isTrue, reasonOfCondition } from './conditions.ts';
import type { ReportedPool } from './famfs-node.ts';
import type { FamfsPool } from './famfs-pool.ts';
import type { NodeReport } from './node-reports.ts';
import { formatStateOf, type PoolFormatState } from './pool-format.ts';

/** A node that sees the memory of the pool, as it said last. */
export interface PoolReport {
  readonly node: NodeReport;
  readonly pool: ReportedPool;
}

/** Memory that was the pool's and is not any more. */
export interface LostMemory {
  readonly reason: 'superblock-refused' | 'pool-reformatted';
  readonly message: string;
}

export interface PoolVerdict {
  readonly format: PoolFormatState;
  /** Of nodes that are there now. */
  readonly seen: readonly PoolReport[];
  /** Of nodes that cannot be asked now, and whose Node is there. */
  readonly away: readonly PoolReport[];
  /** Names of all nodes that say they are the master, those that are away included, sorted. */
  readonly masters: readonly string[];
  /** The only one of them. */
  readonly master: string | undefined;
  /** The freshest figures; undefined when no node has any. */
  readonly figures: ReportedPool | undefined;
  readonly lost: LostMemory | undefined;
  /** Why nothing can be made in the pool now. */
  readonly problem: RecordProblem | undefined;
}

/** @param pools all that are declared: of several for one file system the oldest counts */
export function judgePool(
  pool: FamfsPool,
  nodes: readonly NodeReport[],
  pools: readonly FamfsPool[] = [pool],
): PoolVerdict {
  const format = formatStateOf(pool, nodes);
  const reports = reportsOf(format.uuid, nodes);
  const seen = reports.filter(({ node }) => node.absence === undefined);
  // A node that cannot be reached may create files all the same, until its Node is deleted.
  const isMaster = ({ node, pool: { role } }: PoolReport): boolean => role === 'Master' && !node.isGone;
  const masterReports = reports.filter(isMaster);
  const masters = masterReports.map(({ node }) => node.name).sort();
  const [only] = masterReports;
  const master = masterReports.length === 1 ? only : undefined;
  const resetting = resetProblem(pool);
  // The memory is about to carry another file system, as was asked for.
  const lost = resetting === undefined ? lostMemory(pool, format.uuid, nodes, seen) : undefined;
  return {
    format,
    seen,
    away: reports.filter(({ node }) => node.absence !== undefined && !node.isGone),
    masters,
    master: master?.node.name,
    figures: (master ?? freshest(reports))?.pool,
    lost,
    problem:
      format.problem ??
      declaredTwice(pool, format.uuid, pools) ??
      resetting ??
      lost ??
      masterProblem(pool, masters, master, seen),
  };
}

function reportsOf(uuid: string | undefined, nodes: readonly NodeReport[]): PoolReport[] {
  if (uuid === undefined) return [];
  return nodes.flatMap((node) =>
    node.status.pools
      .filter((pool) => pool.uuid === uuid && pool.phase !== 'Lost')
      .map((pool) => ({ node, pool })),
  );
}

/** A log only grows: who has read the longest one knows most. */
function freshest(reports: readonly PoolReport[]): PoolReport | undefined {
  return reports.toSorted(
    (a, b) =>
      Number(a.node.absence !== undefined) - Number(b.node.absence !== undefined) ||
      b.pool.logEntriesUsed - a.pool.logEntriesUsed,
  )[0];
}

function declaredTwice(
  { metadata }: FamfsPool,
  uuid: string | undefined,
  pools: readonly FamfsPool[],
): RecordProblem | undefined {
  const age = ({ metadata: each }: FamfsPool): string => `${each.creationTimestamp ?? ''} ${each.name}`;
  const [first] = pools
    .filter(({ spec, status }) => (status?.fileSystemUUID ?? spec.fileSystemUUID) === uuid)
    .toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
  if (uuid === undefined || first === undefined || first.metadata.name === metadata.name) return undefined;
  return {
    reason: 'config-invalid',
    message: `The file system ${uuid} is the pool ${first.metadata.name} already; delete the FamfsPool ${metadata.name}, or name another file system in it.`,
  };
}

/** A pool that nodes have been asked to let go of takes nothing new. */
function resetProblem({ metadata: { name }, status }: FamfsPool): RecordProblem | undefined {
  if (status?.reset === undefined || status.reset.phase === 'Refused') return undefined;
  return {
    reason: 'pool-released',
    message: `Pool ${name} is being reset, as its annotation asks for; it serves again when that is done or refused.`,
  };
}

function masterProblem(
  { metadata: { name } }: FamfsPool,
  masters: readonly string[],
  master: PoolReport | undefined,
  seen: readonly PoolReport[],
): RecordProblem | undefined {
  if (masters.length > 1) return twoMasters(name, masters);
  if (master === undefined) return withoutMaster(name, seen);
  const { node, pool } = master;
  if (node.absence !== undefined) {
    return {
      reason: 'master-away',
      message: `Node ${node.name}, the master of pool ${name}, ${node.absence}. Only it can create files.`,
    };
  }
  if (!node.isSettled) return unsettled(name, node);
  if (pool.problem !== undefined) {
    const { reason, message } = pool.problem;
    return {
      reason: isReason(reason) ? reason : 'internal',
      message: `Pool ${name} on its master ${node.name}: ${message}`,
    };
  }
  if (pool.phase === 'Ready') return undefined;
  return {
    reason: 'pool-not-ready',
    message: `Node ${node.name}, the master of pool ${name}, has not mounted it yet.`,
  };
}

function twoMasters(name: string, masters: readonly string[]): RecordProblem {
  return {
    reason: 'two-masters',
    message: `The nodes ${masters.join(' and ')} each say that they are the master of pool ${name}, and two would create files over each other. Give all but one another /opt/famfs/system_uuid, or delete the Node object of one that is gone for good.`,
  };
}

function withoutMaster(name: string, seen: readonly PoolReport[]): RecordProblem {
  if (seen.length === 0) {
    return {
      reason: 'pool-not-found',
      message: `No node reports pool ${name}. Check that the memory is connected and that the driver runs on its nodes.`,
    };
  }
  const names = seen.map(({ node }) => node.name).join(', ');
  return {
    reason: 'master-away',
    message: `No node reports to be the master of pool ${name}; only it can create files. It is seen by ${names}.`,
  };
}

/** The mounter of the master does not serve, and what is reported of the pool is from before that. */
function unsettled(name: string, { name: node, status }: NodeReport): RecordProblem {
  const ready = conditionOf(status.conditions, 'Ready');
  return {
    reason: (ready && reasonOfCondition(ready.reason)) ?? 'pool-not-ready',
    message: `Node ${node}, the master of pool ${name}, is not ready: ${ready?.message ?? 'it has said nothing'}`,
  };
}

/**
 * Whether the memory of the pool is seen and carries it no more. A pool that no node sees at all is merely away. Once lost, it
 * stays so until a node sees it again.
 */
function lostMemory(
  pool: FamfsPool,
  uuid: string | undefined,
  nodes: readonly NodeReport[],
  seen: readonly PoolReport[],
): LostMemory | undefined {
  if (uuid === undefined || seen.some(({ pool: { problem } }) => !isLoss(problem?.reason))) return undefined;
  const known = seen.find(({ pool: { problem } }) => isLoss(problem?.reason));
  if (known !== undefined) {
    const { problem } = known.pool;
    const reason = isLoss(problem?.reason) ? problem.reason : 'superblock-refused';
    return lostOn(pool, known.node.name, known.pool.device, reason, problem?.message ?? '');
  }
  const found = devicesOf(pool, uuid, nodes)
    .map(([nodeName, device]) => lossOn(pool, uuid, nodes, nodeName, device))
    .find((loss) => loss !== undefined);
  if (found !== undefined || !isTrue(pool.status?.conditions, 'Lost')) return found;
  const before = conditionOf(pool.status?.conditions, 'Lost');
  const reason = before && reasonOfCondition(before.reason);
  return { reason: isLoss(reason) ? reason : 'superblock-refused', message: before?.message ?? '' };
}

/** Where the pool was when it was last seen. */
function devicesOf(
  { spec: { format }, status }: FamfsPool,
  uuid: string,
  nodes: readonly NodeReport[],
): (readonly [string, string])[] {
  const given = nodes.flatMap(({ name, status: { pools } }) =>
    pools.filter((each) => each.uuid === uuid).map(({ device }) => [name, device] as const),
  );
  const last = [...given, ...(status?.nodes ?? []).map(({ name, device }) => [name, device] as const)];
  // A device that was just formatted may still be reported as it was before.
  const wasSeen = format !== undefined && status?.capacity !== undefined;
  return wasSeen ? [...last, [format.nodeName, format.device]] : last;
}

function lossOn(
  pool: FamfsPool,
  uuid: string,
  nodes: readonly NodeReport[],
  nodeName: string,
  deviceName: string,
): LostMemory | undefined {
  const node = nodes.find(({ name }) => name === nodeName);
  if (node === undefined || node.absence !== undefined || !node.isSettled) return undefined;
  const device = node.status.devices.find(({ name }) => name === deviceName);
  if (device === undefined || device.fileSystemUUID === uuid) return undefined;
  if (device.fileSystemUUID !== undefined) {
    const text = `it carries the file system ${device.fileSystemUUID} now`;
    return lostOn(pool, nodeName, deviceName, 'pool-reformatted', text);
  }
  if (device.problem?.reason !== 'superblock-refused') return undefined;
  return lostOn(pool, nodeName, deviceName, 'superblock-refused', device.problem.message);
}

function lostOn(
  { metadata: { name } }: FamfsPool,
  node: string,
  device: string,
  reason: LostMemory['reason'],
  text: string,
): LostMemory {
  return {
    reason,
    message: `The memory of pool ${name}, ${device} on node ${node}, does not carry it any more: ${text} What was in it is lost unless the memory comes back; it is never formatted again by itself.`,
  };
}

function isLoss(reason: string | undefined): reason is LostMemory['reason'] {
  return reason === 'superblock-refused' || reason === 'pool-reformatted';
}
