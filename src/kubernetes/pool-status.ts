// The status of a FamfsPool, out of the verdict on it and the volumes in it. Pure.
import { isReason, type Reason } from '../errors.ts';
import { type SlotLayout, sizeOf } from '../volumes/slot-layout.ts';
import type { SlotRecord, VolumeRecord } from '../volumes/volume-record.ts';
import type { Condition } from './api-object.ts';
import { conditionReason, type Verdict, withCondition } from './conditions.ts';
import type { FamfsPool, FamfsPoolAwayNode, FamfsPoolStatus } from './famfs-pool.ts';
import { hasNoReport } from './node-reports.ts';
import type { PoolVerdict } from './pool-verdict.ts';
import { bytesOf, quantityOf } from './quantity.ts';

/** Everything that is recorded, of whatever pool. */
export interface RecordedVolumes {
  readonly volumes: readonly VolumeRecord[];
  readonly slots: readonly SlotRecord[];
}

/**
 * What is not known now, such as figures while no node reports, stays as it was known last.
 * @param missing names of nodes that saw it and have no report any more
 */
export function poolStatusOf(
  pool: FamfsPool,
  verdict: PoolVerdict,
  recorded: RecordedVolumes,
  missing: readonly string[],
  now: Date,
): FamfsPoolStatus {
  const { format, master } = verdict;
  const capacity = capacityOf(verdict) ?? pool.status?.capacity;
  const logEntries = logEntriesOf(verdict) ?? pool.status?.logEntries;
  const nodes = nodesOf(pool, verdict);
  const nodesAway = nodesAwayOf(verdict, missing);
  const reset = pool.status?.reset;
  return {
    ...(format.uuid === undefined ? {} : { fileSystemUUID: format.uuid }),
    ...(capacity === undefined ? {} : { capacity }),
    ...(format.uuid === undefined ? {} : { volumes: volumesOf(format.uuid, recorded) }),
    ...(logEntries === undefined ? {} : { logEntries }),
    ...(master === undefined ? {} : { master }),
    ...(nodes === undefined ? {} : { nodes }),
    ...(nodesAway.length === 0 ? {} : { nodesAway }),
    ...(reset === undefined ? {} : { reset }),
    conditions: conditionsOf(pool, verdict, now),
  };
}

function capacityOf({ figures }: PoolVerdict): FamfsPoolStatus['capacity'] {
  // Before it is mounted, a node knows the device and nothing of what is in it.
  if (figures === undefined || figures.logEntriesTotal === 0) return undefined;
  const { size, free, longestFreeRun, allocationUnit } = figures;
  const allocated = quantityOf(bytesOf(size) - bytesOf(free));
  return { size, allocated, free, longestFreeRun, allocationUnit };
}

function logEntriesOf({ figures }: PoolVerdict): FamfsPoolStatus['logEntries'] {
  if (figures === undefined || figures.logEntriesTotal === 0) return undefined;
  return { used: figures.logEntriesUsed, total: figures.logEntriesTotal };
}

function volumesOf(
  uuid: string,
  { volumes, slots }: RecordedVolumes,
): NonNullable<FamfsPoolStatus['volumes']> {
  const live = volumes.filter(({ spec }) => spec.poolUuid === uuid);
  // A slot that was promised to a new volume has a record of its own until that volume is ready.
  const taken = new Set(live.map(({ spec }) => spec.slot));
  const left = slots.filter(({ poolUuid, slot }) => poolUuid === uuid && !taken.has(slot));
  const [reusable, kept] = [true, false].map((wanted) =>
    left.filter(({ phase }) => (phase === 'Reusable') === wanted),
  );
  return {
    count: live.length,
    live: sumOf(live.map(({ spec }) => spec.layout)),
    kept: sumOf((kept ?? []).map(({ layout }) => layout)),
    reusable: sumOf((reusable ?? []).map(({ layout }) => layout)),
  };
}

function sumOf(layouts: readonly SlotLayout[]): string {
  return quantityOf(layouts.reduce((sum, layout) => sum + sizeOf(layout), 0n));
}

/** While no node sees the pool: those that did last, so that it is known where it was. */
function nodesOf({ status }: FamfsPool, { seen }: PoolVerdict): FamfsPoolStatus['nodes'] {
  if (seen.length === 0)
    return status?.nodes?.map(({ problem: _, ...node }) => ({ ...node, mounted: false }));
  return seen.map(({ node, pool: { device, role, phase, logEntriesReplayed, problem } }) => ({
    name: node.name,
    device,
    role,
    mounted: phase === 'Ready' || phase === 'Unhealthy',
    logEntriesReplayed,
    ...(problem === undefined ? {} : { problem }),
  }));
}

function nodesAwayOf({ away }: PoolVerdict, missing: readonly string[]): readonly FamfsPoolAwayNode[] {
  return [
    ...away.map(({ node: { name, absence = '' } }) => ({ name, message: absence })),
    ...missing.map((name) => ({ name, message: hasNoReport })),
  ].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function conditionsOf(pool: FamfsPool, verdict: PoolVerdict, now: Date): readonly Condition[] {
  const { generation: observedGeneration } = pool.metadata;
  const verdicts: Omit<Verdict, 'observedGeneration'>[] = [
    { type: 'Ready', ...readyVerdict(verdict) },
    { type: 'Formatted', ...verdict.format.verdict },
    { type: 'Lost', ...lostVerdict(verdict) },
    { type: 'SingleMaster', ...masterVerdict(verdict) },
    { type: 'NodesServe', ...nodesVerdict(verdict) },
  ];
  return verdicts.reduce<readonly Condition[]>(
    (conditions, each) => withCondition(conditions, { ...each, observedGeneration }, now),
    pool.status?.conditions ?? [],
  );
}

type Judgement = Pick<Verdict, 'status' | 'reason' | 'message'>;

const notSeen: Judgement = {
  status: 'Unknown',
  reason: 'NotSeen',
  message: 'No node sees the memory of the pool now.',
};

function readyVerdict({ problem, master, seen }: PoolVerdict): Judgement {
  if (problem !== undefined)
    return { status: 'False', reason: conditionReason(problem.reason), message: problem.message };
  const nodes = seen.length === 1 ? '1 node sees' : `${seen.length} nodes see`;
  return {
    status: 'True',
    reason: 'VolumesCanBeMade',
    message: `Volumes are made by ${master}; ${nodes} the pool.`,
  };
}

function lostVerdict({ lost, seen }: PoolVerdict): Judgement {
  if (lost !== undefined)
    return { status: 'True', reason: conditionReason(lost.reason), message: lost.message };
  if (seen.length === 0) return notSeen;
  return { status: 'False', reason: 'Seen', message: 'The memory carries the pool.' };
}

/** What passes by itself while a node starts, and what was asked for, is no failure of a node. */
const passing: ReadonlySet<string> = new Set<Reason>(['pool-not-ready', 'pool-released']);

function nodesVerdict({ seen }: PoolVerdict): Judgement {
  if (seen.length === 0) return notSeen;
  const ill = seen.flatMap(({ node, pool: { problem } }) =>
    problem === undefined || passing.has(problem.reason) ? [] : [{ node: node.name, ...problem }],
  );
  const [first, ...others] = ill.toSorted((a, b) => (a.node < b.node ? -1 : 1));
  if (first === undefined)
    return {
      status: 'True',
      reason: 'NoProblem',
      message: 'No node that sees the pool has a problem with it.',
    };
  const more = others.length === 0 ? '' : ` (${others.length} more of ${seen.length} nodes have a problem)`;
  const reason = isReason(first.reason) ? first.reason : 'internal';
  const message = `On node ${first.node}: ${first.message}${more}`;
  return { status: 'False', reason: conditionReason(reason), message };
}

function masterVerdict({ masters }: PoolVerdict): Judgement {
  const [first, ...others] = masters;
  if (first === undefined)
    return { status: 'Unknown', reason: 'NoMaster', message: 'No node reports to be the master.' };
  if (others.length === 0) return { status: 'True', reason: 'OneMaster', message: `The master is ${first}.` };
  return {
    status: 'False',
    reason: conditionReason('two-masters'),
    message: `The nodes ${masters.join(' and ')} each say that they are the master; nothing is made in the pool until one does.`,
  };
}
