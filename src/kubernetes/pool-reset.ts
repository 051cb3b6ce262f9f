// What becomes of the reset that a FamfsPool asks for (docs/adr/0018), out of what its nodes report and what is recorded. Pure:
// one look after the other decides the next thing, whatever process made the last.
import { isReason, type Reason } from '../errors.ts';
import type { RecordProblem } from '../volumes/volume-record.ts';
import type { Condition } from './api-object.ts';
import { conditionOf, conditionReason, type Verdict, withCondition } from './conditions.ts';
import type { ReportedFormat, ReportedPool } from './famfs-node.ts';
import { type FamfsPool, type FamfsPoolReset, resetAnnotation } from './famfs-pool.ts';
import { hasNoReport, type NodeReport } from './node-reports.ts';
import { judgePool } from './pool-verdict.ts';

/** Everything that the next step is decided by. */
export interface ResetView {
  readonly pool: FamfsPool;
  readonly pools: readonly FamfsPool[];
  readonly nodes: readonly NodeReport[];
  /** Names of nodes that saw the pool and have no report any more. */
  readonly missing: readonly string[];
  /** Names of the volumes that are recorded in the pool, of whatever phase. */
  readonly volumes: readonly string[];
  /** How many slots of deleted volumes are recorded in it. */
  readonly slotCount: number;
  /** Whether there is a Node of that name. */
  readonly hasNode: (name: string) => boolean;
  readonly now: Date;
  readonly newAttempt: () => string;
}

export type ResetStep =
  /** None is asked for, or it may not begin and nobody is told. */
  | { readonly kind: 'none' }
  | { readonly kind: 'at'; readonly reset: FamfsPoolReset }
  /** The master has made another file system in the place of this one. */
  | { readonly kind: 'done'; readonly fileSystemUUID: string };

/** For so long the nodes may take to let go; then the pool serves again. */
const releaseTimeoutMs = 120_000;
/** Between an attempt that nodes were asked in and the next: what kept one of them is not seen from here. */
const pauseMs = 60_000;
const manyNames = 5;

/** @returns the state that the reset is in now; the same as before when nothing is to be done */
export function nextReset(view: ResetView): ResetStep {
  const { metadata, status } = view.pool;
  const uuid = status?.fileSystemUUID;
  const before = status?.reset;
  if (before?.phase === 'Formatting') return whileFormatting(view, before);
  const isAsked = uuid !== undefined && metadata.annotations?.[resetAnnotation] === uuid;
  if (!isAsked || metadata.deletionTimestamp !== undefined) return { kind: 'none' };
  const known = obstacleTo(view, uuid);
  // Nodes that are restarted amid it are waited for, as those that have not answered yet.
  if (before?.phase === 'Releasing') return whileReleasing(view, before, known);
  const obstacle = known ?? unreachable(view, uuid);
  if (obstacle !== undefined) return refused(view, before ?? { fileSystemUUID: uuid }, obstacle);
  const pausesStill = before?.attempt !== undefined && passedMs(view, before) < pauseMs;
  if (pausesStill) return { kind: 'at', reset: before };
  const since = view.now.toISOString();
  const attempt = view.newAttempt();
  return { kind: 'at', reset: { fileSystemUUID: uuid, phase: 'Releasing', attempt, since } };
}

/** That a volume was found where none was known. */
export function refusedForVolumes(
  view: ResetView,
  before: FamfsPoolReset,
  names: readonly string[],
): ResetStep {
  return refused(view, before, inUse(view.pool, names));
}

/** The pool as it is after a step: `status.reset`, the condition `Reset`, and after the reset nothing of what was before. */
export function poolAfter(view: ResetView, step: ResetStep): FamfsPool {
  const { pool } = view;
  const { reset: _, ...status } = pool.status ?? {};
  const conditions = conditionsAfter(view, step);
  const kept = conditions === undefined ? {} : { conditions };
  if (step.kind === 'done')
    return { ...pool, status: { fileSystemUUID: step.fileSystemUUID, ...withoutLoss(kept) } };
  const reset = step.kind === 'at' ? { reset: step.reset } : {};
  return pool.status === undefined ? pool : { ...pool, status: { ...status, ...kept, ...reset } };
}

/** From here on the order is out, and only the master's answer ends it. */
function whileFormatting(view: ResetView, before: FamfsPoolReset): ResetStep {
  const { pool, nodes, hasNode } = view;
  const name = pool.spec.format?.nodeName ?? '';
  const answer = answersTo(view, before).find(([node]) => node === name)?.[1];
  if (answer?.phase === 'Formatted' && answer.fileSystemUUID !== undefined)
    return { kind: 'done', fileSystemUUID: answer.fileSystemUUID };
  if (answer?.phase === 'Refused')
    return refused(view, before, problemIn(answer, `Node ${name} does not format`));
  if (hasNode(name) || nodes.some((node) => node.name === name && !node.isGone))
    return { kind: 'at', reset: before };
  return refused(view, before, {
    reason: 'master-away',
    message: `Node ${name}, which was asked to format, is deleted; what is in the memory is what it left.`,
  });
}

function whileReleasing(
  view: ResetView,
  before: FamfsPoolReset,
  obstacle: RecordProblem | undefined,
): ResetStep {
  const answers = answersTo(view, before);
  const [refusal] = answers.filter(([, { phase }]) => phase === 'Refused');
  if (refusal !== undefined) {
    const [node, answer] = refusal;
    return refused(view, before, problemIn(answer, `Node ${node} does not let go of it`));
  }
  if (obstacle !== undefined) return refused(view, before, obstacle);
  // `held` alone may be left from an earlier attempt, and lifted since.
  const released = new Set(answers.map(([node]) => node));
  const open = seersOf(view, before.fileSystemUUID).filter(
    (seer) => !seer.pool.held || !released.has(seer.node.name) || isAway(seer),
  );
  const names = [...open.map(({ node }) => node.name), ...view.missing];
  if (names.length === 0)
    return { kind: 'at', reset: { ...before, phase: 'Formatting', since: view.now.toISOString() } };
  if (passedMs(view, before) < releaseTimeoutMs) return { kind: 'at', reset: before };
  return refused(view, before, {
    reason: 'pool-in-use',
    message: `Not let go of in time by ${listed(names)}.`,
  });
}

/** Why nobody is to be asked now; undefined when nothing is known to stand in the way. */
function obstacleTo(view: ResetView, uuid: string): RecordProblem | undefined {
  const { pool, pools, volumes } = view;
  const { format } = pool.spec;
  if (format === undefined) {
    return {
      reason: 'config-invalid',
      message: `Pool ${pool.metadata.name} was adopted: its spec names the file system, and so which one it is cannot change. Format the memory yourself and declare another FamfsPool.`,
    };
  }
  const other = pools.find(({ metadata, spec, status }) => {
    return metadata.name !== pool.metadata.name && (status?.fileSystemUUID ?? spec.fileSystemUUID) === uuid;
  });
  if (other !== undefined) {
    return {
      reason: 'config-invalid',
      message: `The FamfsPool ${other.metadata.name} is the same file system; delete one of the two.`,
    };
  }
  if (volumes.length > 0) return inUse(pool, volumes);
  return published(view, uuid) ?? unformattable(view, uuid, format.nodeName);
}

function inUse({ metadata }: FamfsPool, names: readonly string[]): RecordProblem {
  return {
    reason: 'pool-in-use',
    message: `There are volumes in pool ${metadata.name}: ${listed(names)}. It is reset when they are deleted.`,
  };
}

/** A node that cannot be asked may have the pool mounted, and pods in it. */
function unreachable(view: ResetView, uuid: string): RecordProblem | undefined {
  const away = seersOf(view, uuid).filter(isAway);
  const reasons = [
    ...away.map(({ node: { name, absence } }) => `${name} ${absence ?? 'has no mounter that serves'}`),
    ...view.missing.map((name) => `${name} ${hasNoReport}`),
  ];
  if (reasons.length === 0) return undefined;
  return {
    reason: 'pool-in-use',
    message: `Nodes that see the pool and may have it mounted cannot be asked: ${listed(reasons, '; ')}. It is reset when they are back, or when their Nodes are deleted because they are off for good.`,
  };
}

function published(view: ResetView, uuid: string): RecordProblem | undefined {
  const users = seersOf(view, uuid).filter(({ pool }) => pool.binds > 0);
  if (users.length === 0) return undefined;
  return {
    reason: 'pool-in-use',
    message: `Pods have volumes of the pool mounted, static ones included, on ${listed(users.map(({ node }) => node.name))}.`,
  };
}

/** The node that is to format has to see the pool as its master, and to allow it. */
function unformattable(view: ResetView, uuid: string, nodeName: string): RecordProblem | undefined {
  const { pool, pools, nodes } = view;
  const { reset: _, ...status } = pool.status ?? {};
  const { lost } = judgePool({ ...pool, status }, nodes, pools);
  if (lost !== undefined) return lost;
  const formatter = seersOf(view, uuid).find(({ node }) => node.name === nodeName);
  if (formatter === undefined) {
    return {
      reason: 'master-away',
      message: `Node ${nodeName}, which formatted the pool and formats it again, does not report it.`,
    };
  }
  if (formatter.pool.role === 'Client') {
    return {
      reason: 'not-master',
      message: `Node ${nodeName} is not the master of the pool, and only the master formats it again.`,
    };
  }
  const { allowFormat } = formatter.node.status;
  // A mounter that has not been asked yet is asked by the attempt.
  if (allowFormat === '' || allowFormat === 'reset') return undefined;
  return {
    reason: 'format-refused',
    message: `Node ${nodeName} does not format what carries a file system (--allow-format=${allowFormat}). Set --allow-format to reset on its mounter for as long as it takes.`,
  };
}

interface Seer {
  readonly node: NodeReport;
  readonly pool: ReportedPool;
}

/** What it said last is the past: it may have been started anew since, and have the pool mounted. */
function isAway({ node: { absence, isSettled } }: Seer): boolean {
  return absence !== undefined || !isSettled;
}

/** Nodes that have the pool, as they said last. A Node that was deleted is taken to be off. */
function seersOf({ nodes }: ResetView, uuid: string): readonly Seer[] {
  return nodes
    .filter(({ isGone }) => !isGone)
    .flatMap((node) =>
      node.status.pools
        .filter((pool) => pool.uuid === uuid && pool.phase !== 'Lost')
        .map((pool) => ({ node, pool })),
    );
}

/** What nodes answered to an attempt, by their names. */
function answersTo(
  { pool, nodes }: ResetView,
  { attempt, fileSystemUUID }: FamfsPoolReset,
): readonly (readonly [string, ReportedFormat])[] {
  return nodes.flatMap(({ name, status }) =>
    status.formats
      .filter((each) => each.poolUID === pool.metadata.uid && each.replaces === fileSystemUUID)
      .filter((each) => each.attempt === attempt)
      .map((each) => [name, each] as const),
  );
}

function problemIn({ problem }: ReportedFormat, what: string): RecordProblem {
  const word = problem?.reason ?? '';
  const reason: Reason = isReason(word) ? word : 'internal';
  return { reason, message: `${what}: ${problem?.message ?? 'no reason was given'}` };
}

function refused(
  { now }: ResetView,
  before: Pick<FamfsPoolReset, 'fileSystemUUID'> & Partial<FamfsPoolReset>,
  { reason, message }: RecordProblem,
): ResetStep {
  const { fileSystemUUID, attempt } = before;
  const since = before.phase === 'Refused' ? before.since : undefined;
  const reset: FamfsPoolReset = {
    ...{ fileSystemUUID, phase: 'Refused', since: since ?? now.toISOString() },
    ...(attempt === undefined ? {} : { attempt }),
    problem: { reason, message },
  };
  return { kind: 'at', reset };
}

function passedMs({ now }: ResetView, { since }: FamfsPoolReset): number {
  return now.getTime() - (Date.parse(since) || 0);
}

function listed(names: readonly string[], separator = ', '): string {
  const more = names.length > manyNames ? ` and ${names.length - manyNames} more` : '';
  return names.toSorted().slice(0, manyNames).join(separator) + more;
}

/** What was lost is not what is there now. */
function withoutLoss({ conditions }: { readonly conditions?: readonly Condition[] }) {
  return conditions === undefined ? {} : { conditions: conditions.filter(({ type }) => type !== 'Lost') };
}

/** A reset that was done stays told; one that nobody asks for any more is not spoken of. */
function conditionsAfter(view: ResetView, step: ResetStep): readonly Condition[] | undefined {
  const { conditions } = view.pool.status ?? {};
  if (step.kind === 'none') {
    const isDone = conditionOf(conditions, 'Reset')?.status === 'True';
    return isDone ? conditions : conditions?.filter(({ type }) => type !== 'Reset');
  }
  const observedGeneration = view.pool.metadata.generation;
  return withCondition(
    conditions,
    { type: 'Reset', ...resetVerdict(view, step), observedGeneration },
    view.now,
  );
}

function resetVerdict(
  { pool, slotCount }: ResetView,
  step: Exclude<ResetStep, { kind: 'none' }>,
): Pick<Verdict, 'status' | 'reason' | 'message'> {
  const { name } = pool.metadata;
  if (step.kind === 'done') {
    const former = pool.status?.fileSystemUUID;
    const message = `Pool ${name} is the empty file system ${step.fileSystemUUID} now, in the place of ${former}.`;
    return { status: 'True', reason: 'Reset', message };
  }
  const { phase, fileSystemUUID, problem } = step.reset;
  if (phase === 'Refused') {
    const reason = isReason(problem?.reason ?? '') ? (problem?.reason as Reason) : 'internal';
    const message = `Pool ${name} is not reset now: ${problem?.message} It is tried again until it is done or the annotation ${resetAnnotation} is taken away.`;
    return { status: 'False', reason: conditionReason(reason), message };
  }
  const slots = `${slotCount} slots of deleted volumes included`;
  const message =
    phase === 'Releasing'
      ? `The nodes let go of pool ${name}, so that its file system ${fileSystemUUID} can be replaced by an empty one. All that is in it will be lost, ${slots}.`
      : `No node has pool ${name} mounted, and node ${pool.spec.format?.nodeName} makes an empty file system in the place of ${fileSystemUUID}. All that was in it is lost, ${slots}.`;
  return { status: 'False', reason: phase, message };
}
