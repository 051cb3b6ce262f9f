// Processes and mounts that may be gone before anything is done with them.
import { readFileSync } from 'node:fs';
import { unmount } from '../../src/linux/mounts.ts';
import { commandLine } from '../../src/linux/processes.ts';
import { errorCodeOf } from '../../src/linux/syscall-error.ts';

/** A process as a failure tells of it: its id, the function of the kernel that it sleeps in, and its words. */
export function processLine(pid: number): string {
  return `${pid} in ${sleepsIn(pid)}: ${commandLine(pid)?.join(' ') ?? 'gone'}`;
}

function sleepsIn(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/wchan`, 'utf8');
  } catch {
    return 'nothing';
  }
}

/** @throws SyscallError when it is there and cannot be unmounted */
export function unmountIfThere(place: string): void {
  try {
    unmount(place, { detach: true });
  } catch (error) {
    // EINVAL: a command that was just ending has unmounted it.
    if (errorCodeOf(error) !== 'EINVAL' && errorCodeOf(error) !== 'ENOENT') throw error;
  }
}

export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
