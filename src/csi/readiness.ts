// Whether the driver on this node can do its work, judged from the mounter's last state alone: Probe is asked often
// and must be quick.
import { DriverError, isReason } from '../errors.ts';
import type { MounterView, NodeState } from '../mounter/client.ts';

/**
 * Tells whether the node is ready; false while it is still finding out.
 * A pool that is ill does not count: the orchestrator may restart a plugin that fails its probe, which mends no pool
 * and would keep other volumes from being taken away. NodeGetStorageHealth tells of pools.
 * @throws {DriverError} with a reason that becomes FAILED_PRECONDITION when something the driver needs is missing.
 */
export function probe({ state, problem }: MounterView): boolean {
  if (problem !== undefined) {
    throw new DriverError(
      'dependency-missing',
      `the mounter of this node cannot be reached, so nothing can be published: ${problem.message}; ` +
        'see to the mounter pod of this node',
      { cause: problem },
    );
  }
  if (state === undefined || !state.settled) return false;
  const [first] = [...state.problems, ...uselessDevices(state)];
  if (first !== undefined) {
    const all = [...state.problems, ...uselessDevices(state)].map(({ message }) => message).join('; ');
    throw new DriverError('dependency-missing', isReason(first.reason) ? `${first.reason}: ${all}` : all);
  }
  return true;
}

/** Problems of the devices when there are some and none carries a pool. A node without any device is just empty. */
function uselessDevices({ devices, pools }: NodeState): { reason: string; message: string }[] {
  if (pools.length > 0) return [];
  const ill = devices.flatMap(({ name, problem }) =>
    problem == null ? [] : [{ reason: problem.reason, message: `${name}: ${problem.message}` }],
  );
  return ill.length === devices.length ? ill : [];
}
