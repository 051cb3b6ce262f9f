// Taking away the control group of processes that have just ended.
import { type CgroupHierarchy, removeCgroup } from '../src/linux/cgroups.ts';
import { errorCodeOf } from '../src/linux/syscall-error.ts';
import { waitUntil } from './wait-until.ts';

/**
 * Removes a group as soon as it can be: a process that is nearly gone is listed nowhere any more and still keeps its group
 * (cgroup_destroy_locked and css_task_iter_advance in kernel/cgroup/cgroup.c).
 */
export async function removeEndedCgroup(
  hierarchies: readonly CgroupHierarchy[],
  name: string,
): Promise<void> {
  await waitUntil(`the control group ${name} is empty`, () => {
    try {
      removeCgroup(hierarchies, name);
      return true;
    } catch (error) {
      if (errorCodeOf(error) === 'EBUSY') return false;
      throw error;
    }
  });
}
