// Which changes of a pool need a person. Pure.
import type { Reason } from '../errors.ts';
import type { Condition } from './api-object.ts';
import { conditionOf, reasonOfCondition } from './conditions.ts';
import type { EventNote } from './event-recorder.ts';

/** What comes to its end by itself: nodes start one after the other, and a pool is formatted, found, mounted and read. */
const passing: ReadonlySet<Reason> = new Set([
  ...(['pool-not-ready', 'pool-not-found', 'pool-busy', 'master-away', 'mounter-unavailable'] as const),
  // A reset tells itself how it goes.
  'pool-released',
]);

/** Of a passing reason: after so long it does not pass by itself. */
export const passingMs = 60_000;

/**
 * What is to be said of a pool: each change of its condition Ready, and once more, as a warning, what should have passed.
 * @param isNew see isPoolChanged
 * @param sinceMs how long it has had this reason
 */
export function noteOnPool(
  { status, reason, message }: Condition,
  { isNew, sinceMs, wasWarned }: { isNew: boolean; sinceMs: number; wasWarned: boolean },
): EventNote | undefined {
  const known = reasonOfCondition(reason);
  const mayPass = known !== undefined && passing.has(known);
  const isOverdue = mayPass && known !== 'pool-released' && sinceMs >= passingMs;
  const needsPerson = status !== 'True' && (!mayPass || isOverdue);
  if (!isNew && (!isOverdue || status === 'True' || wasWarned)) return undefined;
  return { type: needsPerson ? 'Warning' : 'Normal', reason, message };
}

/**
 * Whether a pool is not as ready as before, or as before for a graver cause: what failed on a node at first may prove to be memory that
 * was lost, of the same reason.
 * @param now conditions of the pool
 */
export function isPoolChanged(now: readonly Condition[], before: readonly Condition[] | undefined): boolean {
  const [ready, was] = [now, before].map((conditions) => conditionOf(conditions, 'Ready'));
  const [isLost, wasLost] = [now, before].map((all) => conditionOf(all, 'Lost')?.status === 'True');
  return ready?.status !== was?.status || ready?.reason !== was?.reason || (isLost === true && !wasLost);
}

/**
 * What is to be said when nodes fail that see the pool, or are well again: each change of its condition NodesServe, and nothing of a
 * pool that is well when it is seen first.
 */
export function noteOnNodes(now: Condition, before: Condition | undefined): EventNote | undefined {
  const { status, reason, message } = now;
  if (status === 'False' && (before?.status !== 'False' || before.reason !== reason))
    return { type: 'Warning', reason, message };
  if (status === 'True' && before?.status === 'False')
    return { type: 'Normal', reason: 'NodesServe', message };
  return undefined;
}
