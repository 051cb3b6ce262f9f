// What an error of the kernel says about a target and the way to it. Knows errnos, and nothing of pools: what they say
// about a pool's own mount is in mounted-pool.ts.
import { DriverError, exhaustedLimit, type Reason } from '../errors.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';

/**
 * Reasons by errno, for calls on kubelet's directory and on the mount tree. Limits of the node are told apart before;
 * what is not here has no meaning of its own for a target (docs/failures.md lists all of them).
 */
const reasonOfErrno: Readonly<Record<string, Reason>> = {
  EPERM: 'permission-missing',
  EACCES: 'permission-missing',
  EBUSY: 'target-busy',
  EINTR: 'operation-pending',
  EAGAIN: 'operation-pending',
  EROFS: 'target-unusable',
  EIO: 'target-unusable',
  ESTALE: 'target-unusable',
  ENOTCONN: 'target-unusable',
  ETIMEDOUT: 'target-unusable',
  ENOENT: 'target-unusable',
  ENOTDIR: 'target-unusable',
  ELOOP: 'target-unusable',
  EXDEV: 'target-unusable',
  ENAMETOOLONG: 'target-unusable',
};

const advice: Partial<Record<Reason, string>> = {
  'permission-missing': 'Run the mounter privileged, and look for a security module that forbids it.',
  'target-busy': 'End what uses it.',
  'operation-pending': 'It was disturbed while it worked; the repeated call goes on.',
  'target-unusable': "Look at the path, and at the disk that kubelet's directory lies on.",
};

/** An error of a call on a target as what the driver answers; an error that says nothing about it stays as it is. */
export function targetFailure(error: unknown, target: string): unknown {
  if (error instanceof DriverError || !(error instanceof Error)) return error;
  const code = errorCodeOf(error);
  const limit = exhaustedLimit(error);
  if (limit !== undefined) {
    return new DriverError(
      'resource-exhausted',
      `The node has no more ${limit}, so the target ${target} is left as it was: ${error.message}. Raise that limit, or end what uses it up.`,
      { cause: error },
    );
  }
  const reason = code === undefined ? undefined : reasonOfErrno[code];
  if (reason === undefined) return error;
  const sentence = `The target ${target} cannot be worked on: ${error.message}. ${advice[reason] ?? ''}`;
  return new DriverError(reason, sentence.trimEnd(), { cause: error });
}

/** Does `work` on a target. @throws what `targetFailure` makes of its error */
export function onTarget<T>(target: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw targetFailure(error, target);
  }
}
