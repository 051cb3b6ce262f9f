// ioctl(2) with a buffer. Knows no request: who calls it knows what the buffer means.
import { checked, declareFunction } from './libc.ts';

const ioctlFunction = declareFunction('ioctl', 'int', ['int', 'ulong', 'void *']);

/**
 * Sends a device-specific request whose argument is the address of `buffer`, which the kernel reads or fills.
 * @param request the full request number, with direction and size encoded in it
 * @returns what the kernel answers: 0 for most requests, an id for some
 * @throws SyscallError
 */
export function ioctl(fd: number, request: number, buffer: Uint8Array): number {
  return checked('ioctl', ioctlFunction(fd, request, buffer));
}
