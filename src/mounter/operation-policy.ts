// Whether this node's famfs refuses what would let a pod's writer stop a whole pool (truncate and the like).
import { rmdirSync } from 'node:fs';
import { withPoolRoot } from './mounted-pool.ts';
import type { OperationPolicy } from './writers.ts';

/**
 * Asks the kernel to remove `.meta`, which can never succeed because it holds two files: the standalone module with
 * the operation policy of 2026 refuses every removal with EPERM before it looks, a module without it gets as far as
 * ENOTEMPTY, and fuse mode has no such operation (ENOSYS). famfs-kernel section 6.
 */
export function operationPolicyOf(mountPath: string): OperationPolicy {
  return withPoolRoot(mountPath, (rootFd) => {
    try {
      rmdirSync(`/proc/self/fd/${rootFd}/.meta`);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EPERM') return 'protected';
    }
    return 'open';
  });
}
