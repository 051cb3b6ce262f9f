// Leaving the network: a process that only talks over Unix sockets needs none.
import { checked, declareFunction } from './libc.ts';

const unshareFunction = declareFunction('unshare', 'int', ['int']);
const cloneNewnet = 0x40000000;

/**
 * Moves the calling thread, and every child it starts from now on, into a network namespace of its own that holds nothing
 * (unshare(2), CLONE_NEWNET). Sockets that are open stay usable. Threads that run already stay where they are; Node's
 * open sockets on the main thread only.
 * @throws SyscallError — EPERM without CAP_SYS_ADMIN
 */
export function leaveNetwork(): void {
  checked('unshare', unshareFunction(cloneNewnet));
}
