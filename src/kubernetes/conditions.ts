// Conditions as the API conventions want them, and the driver's reasons as one word in CamelCase. Knows no kind. Pure.
import { isReason, type Reason, reasons } from '../errors.ts';
import type { Condition } from './api-object.ts';

/** A condition before it is known since when it holds. */
export interface Verdict {
  readonly type: string;
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
  /** `metadata.generation` of the object that was judged */
  readonly observedGeneration?: number | undefined;
}

/** metav1.Condition allows 32,768; nobody reads as much. */
const longestMessage = 4096;

/**
 * The conditions with one more, or with it in the place of the one of its type. `lastTransitionTime` moves only when
 * `status` does.
 */
export function withCondition(
  conditions: readonly Condition[] | undefined,
  { type, status, reason, message, observedGeneration }: Verdict,
  now: Date,
): readonly Condition[] {
  const before = conditionOf(conditions, type);
  const condition: Condition = {
    type,
    status,
    reason,
    message: message.slice(0, longestMessage),
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : conditionTime(now),
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
  };
  if (before === undefined) return [...(conditions ?? []), condition];
  return (conditions ?? []).map((each) => (each.type === type ? condition : each));
}

/** The condition of a type, when there is one. */
export function conditionOf(
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined {
  return conditions?.find((each) => each.type === type);
}

export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return conditionOf(conditions, type)?.status === 'True';
}

/** A moment in whole seconds, as metav1.Time is written. */
export function conditionTime(moment: Date): string {
  return moment.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** One of the driver's reasons as a condition names it: `out-of-space` is `OutOfSpace`. */
export function conditionReason(reason: Reason): string {
  return reason.replaceAll(/(?:^|-)(\w)/g, (_match, letter: string) => letter.toUpperCase());
}

const reasonOfWord: ReadonlyMap<string, Reason> = new Map(
  Object.keys(reasons)
    .filter(isReason)
    .map((reason) => [conditionReason(reason), reason]),
);

/** The driver's reason that a condition names; undefined when it names none that this program knows. */
export function reasonOfCondition(word: string): Reason | undefined {
  return reasonOfWord.get(word);
}
