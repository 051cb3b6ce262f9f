// What a FamfsPool says of itself. Must not know any scenario.
import { type Condition, conditionOf } from './conditions.ts';
import type { World } from './world.ts';

const patienceMs = 240_000;

/** Waits until the pool has a condition with this status, and this reason if one is given. @returns the condition */
export function poolSays(
  world: World,
  pool: string,
  [type, status, reason]: readonly [string, Condition['status'], string?],
): Promise<Condition> {
  const see = async (): Promise<Condition | false> => {
    const condition = conditionOf(await world.read('famfs.io/v1alpha1', 'FamfsPool', pool), type);
    return condition?.status === status && (reason === undefined || condition.reason === reason) && condition;
  };
  return world.until(`pool ${pool} says ${type}=${status} ${reason ?? ''}`, see, patienceMs);
}
