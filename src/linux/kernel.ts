// Whether this kernel can do what linux/ asks of it, found out by trying. Knows nothing of famfs in the kernel.
import os from 'node:os';
import { missingCapabilities } from './capabilities.ts';
import { currentDirectoryFd } from './file-descriptor.ts';
import { declareFunction, lastErrno, systemCallNumbers } from './libc.ts';
import { mountIdAt } from './mount-id.ts';
import { errorCodeOf, errorName } from './syscall-error.ts';

const bareSyscall = declareFunction('syscall', 'long', ['long', 'long', 'long', 'long', 'long', 'long']);

/** The first release with statmount(2), listmount(2) and unique mount ids. */
export const oldestKernel = '6.8';

/** The release of the running kernel, as uname(2) gives it: `6.18.4-generic`. */
export function kernelRelease(): string {
  return os.release();
}

type SystemCall = keyof typeof systemCallNumbers;

/** Since which release each call exists; in the order in which a missing one is reported. */
const neededCalls: Readonly<Record<SystemCall, string>> = {
  openat2: '5.6',
  open_tree: '5.2',
  move_mount: '5.2',
  mount_setattr: '5.12',
  statmount: '6.8',
  listmount: '6.8',
};

/**
 * What keeps this process from working on this kernel, one sentence each; empty when all is well. Each call is made
 * with arguments that the kernel refuses before it does anything, so that "unknown call" (ENOSYS) and "forbidden by
 * the container's seccomp profile" (EPERM) tell themselves apart from a refusal by the call. Rights are not checked:
 * capabilities.ts does that.
 */
export function kernelProblems(): string[] {
  const problems: string[] = [];
  for (const name of Object.keys(neededCalls) as SystemCall[]) {
    const problem = callProblem(name);
    if (problem !== undefined) problems.push(problem);
  }
  const idProblem = uniqueMountIdProblem();
  if (idProblem !== undefined) problems.push(idProblem);
  return problems;
}

/** No descriptor, no memory, all flags: wrong for every call, and checked before any of them does its work. */
function callProblem(name: SystemCall): string | undefined {
  bareSyscall(systemCallNumbers[name], -1, 0, 0, 0, -1);
  const code = errorName(lastErrno());
  if (code === 'ENOSYS') {
    const needed = `${name}(2), which Linux has since ${neededCalls[name]}`;
    return `The kernel (${kernelRelease()}) lacks ${needed}; Linux ${oldestKernel} or newer is needed.`;
  }
  // move_mount asks for the right to mount before anything else, so there EPERM says nothing without CAP_SYS_ADMIN.
  const saysNothing = name === 'move_mount' && missingCapabilities(['CAP_SYS_ADMIN']).length > 0;
  if (code === 'EPERM' && !saysNothing) {
    return `The system call ${name}(2) is forbidden here, probably by a seccomp profile; run the container unconfined.`;
  }
  return undefined;
}

function uniqueMountIdProblem(): string | undefined {
  try {
    mountIdAt(currentDirectoryFd, '/');
    return undefined;
  } catch (error) {
    const why = errorCodeOf(error) === 'ENOTSUP' ? 'gives no unique mount ids' : 'refuses statx(2)';
    return `The kernel (${kernelRelease()}) ${why}; Linux ${oldestKernel} or newer is needed.`;
  }
}
