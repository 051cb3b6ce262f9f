// Problems as CSI 1.13 reports them: for a volume, and for what stands behind all volumes of the node. Pure.
import { isReason, type Reason } from '../errors.ts';
import { type MounterView, type NodeState, type Problem, poolPhase } from '../mounter/client.ts';
import { storageHealthTypes, volumeHealthTypes } from './protocol.ts';

/** What a reason means to a volume; whatever is not here makes it inaccessible. */
const volumeSeverity: Partial<Record<Reason, number>> = {
  'pool-busy': volumeHealthTypes.DEGRADED,
  'log-refused': volumeHealthTypes.DEGRADED,
  'resource-exhausted': volumeHealthTypes.DEGRADED,
  'pool-reformatted': volumeHealthTypes.DATA_LOSS,
  'path-not-found': volumeHealthTypes.DATA_LOSS,
};

export interface HealthEntry {
  readonly status: number;
  /** CamelCase, as the specification wants it. */
  readonly reason: string;
  readonly message: string;
}

/** A reason as the specification wants one: pool-memory-failed becomes PoolMemoryFailed. */
export function camelCaseReason(reason: string): string {
  return reason.replaceAll(/(?:^|-)(\w)/g, (_match, letter: string) => letter.toUpperCase());
}

/** The health of a volume, out of the problems that were found with it. */
export function volumeHealthEntries(problems: readonly Problem[]): HealthEntry[] {
  return merged(
    problems.map(({ reason, message }) => ({
      status: (isReason(reason) ? volumeSeverity[reason] : undefined) ?? volumeHealthTypes.INACCESSIBLE,
      reason: camelCaseReason(reason),
      message,
    })),
  );
}

/** The health of everything behind the volumes of this node. */
export function storageHealthEntries({ state, problem }: MounterView): HealthEntry[] {
  const { STORAGE_DEGRADED, STORAGE_UNREACHABLE } = storageHealthTypes;
  const entry = (status: number, found: { reason: string; message: string }, of = ''): HealthEntry => ({
    status,
    reason: camelCaseReason(found.reason),
    message: `${of}${found.message}`,
  });
  // What is published stays readable without the mounter; nothing can be published or taken away.
  if (problem !== undefined) return [entry(STORAGE_DEGRADED, problem)];
  if (state === undefined) return [];
  const ofNode = state.problems.map((found) => entry(STORAGE_UNREACHABLE, found));
  const ofDevices = state.devices.flatMap(({ name, problem: found }) =>
    found == null ? [] : [entry(STORAGE_DEGRADED, found, `${name}: `)],
  );
  const ofPools = state.pools.filter(isOfConcern).flatMap((pool) => {
    const found = poolProblem(pool);
    return found === undefined ? [] : [entry(STORAGE_UNREACHABLE, found, `pool ${pool.uuid}: `)];
  });
  return merged([...ofNode, ...ofPools, ...ofDevices]);
}

/** A pool whose memory serves another one now is history, unless something still has it. */
function isOfConcern(
  { phase, binds, device }: NodeState['pools'][number],
  _index: number,
  pools: NodeState['pools'],
): boolean {
  const isReplaced = pools.some(
    (other) => other.device === device && other.phase !== poolPhase.POOL_PHASE_LOST,
  );
  return phase !== poolPhase.POOL_PHASE_LOST || binds > 0 || !isReplaced;
}

function poolProblem({ phase, problem }: NodeState['pools'][number]): Problem | undefined {
  if (problem != null) return problem;
  if (phase === poolPhase.POOL_PHASE_LOST) {
    return { reason: 'pool-not-found', message: 'its device is gone from this node' };
  }
  return undefined;
}

/** (status, reason) has to be unique: entries that share one become one with all the messages. */
function merged(entries: readonly HealthEntry[]): HealthEntry[] {
  const byKey = new Map<string, HealthEntry>();
  for (const entry of entries) {
    const key = `${entry.status} ${entry.reason}`;
    const before = byKey.get(key);
    const message = before === undefined ? entry.message : `${before.message}; ${entry.message}`;
    byKey.set(key, { ...entry, message });
  }
  return [...byKey.values()];
}
