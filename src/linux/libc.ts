// The C library, loaded once, and the rule by which its functions report failure. Knows no particular call: each
// file of this folder declares those it needs. Calls run on the calling thread and block it; whoever may meet a
// dead or hung mount makes them in a worker process (design, rule 7 of the mounter).
import koffi from 'koffi';
import { SyscallError } from './syscall-error.ts';

/** What a C function takes. A Uint8Array is passed as the address of its first byte and may be written to. */
export type NativeArgument = number | bigint | string | Uint8Array | null;

/** A declared C function. It returns what C returned, -1 included; `checked` turns that into an error. */
export type NativeFunction = (...args: readonly NativeArgument[]) => number | bigint;

/** What a C parameter or result can be here; `long` is 64 bits wide on both of our architectures. */
export type NativeType = 'int' | 'uint' | 'long' | 'ulong' | 'size_t' | 'int64_t' | 'str' | 'void *';

const library = koffi.load(null);

/**
 * Declares a function of the C library. A text with a NUL byte in it is refused with a TypeError: C would take it to
 * end there, and work on another path than the one that was checked.
 *
 * Variadic ones (`syscall`, `ioctl`) are declared with the parameters of the use at hand: on Linux x64 and arm64
 * integers and pointers travel in the same registers either way.
 */
export function declareFunction(
  name: string,
  result: NativeType,
  parameters: readonly NativeType[],
): NativeFunction {
  const native: NativeFunction = library.func(name, result, [...parameters]);
  if (!parameters.includes('str')) return native;
  return (...args) => {
    for (const arg of args) {
      if (typeof arg === 'string' && arg.includes('\0'))
        throw new TypeError(`a text for ${name} holds a NUL byte`);
    }
    return native(...args);
  };
}

/**
 * System call numbers without a function in the C library of Debian 12. They come from the table that all
 * architectures share since Linux 5 (include/uapi/asm-generic/unistd.h); those of x86-64 are equal.
 */
export const systemCallNumbers = {
  open_tree: 428,
  move_mount: 429,
  openat2: 437,
  mount_setattr: 442,
  statmount: 457,
  listmount: 458,
} as const;

/**
 * The result of a call that answers -1 on failure, as a number.
 * Must be given the result in the same expression as the call: errno does not outlive the next one.
 * @throws SyscallError
 */
export function checked(syscall: string, result: number | bigint, path?: string): number {
  if (Number(result) === -1) throw new SyscallError(syscall, koffi.errno(), path);
  return Number(result);
}

/**
 * The address that a call answers, of which all bits set mean failure (mmap(2)). Same rule as `checked`.
 * @throws SyscallError
 */
export function checkedPointer(syscall: string, result: number | bigint): bigint {
  const address = BigInt.asUintN(64, BigInt(result));
  if (address === 0xffff_ffff_ffff_ffffn) throw new SyscallError(syscall, koffi.errno());
  return address;
}

/** The errno that the last failed call left behind; only meaningful straight after it. */
export function lastErrno(): number {
  return koffi.errno();
}

/** The ArrayBuffer over `lengthBytes` of this process's own memory at `address`: no copy, and no owner. */
export function viewMemory(address: bigint, lengthBytes: number): ArrayBuffer {
  return koffi.view(address, lengthBytes);
}
