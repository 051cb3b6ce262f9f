// The conditions of an object's status. Must not know whose they are.
import type { Fields } from './kube-api.ts';

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** The condition of a type, if the object has one. */
export function conditionOf({ status }: Fields, type: string): Condition | undefined {
  const conditions: readonly Condition[] = status?.conditions ?? [];
  return conditions.find((condition) => condition.type === type);
}

/** Whether an object says that it is ready. */
export function isReady(object: Fields): boolean {
  return conditionOf(object, 'Ready')?.status === 'True';
}
