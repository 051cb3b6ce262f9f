// The error of everything below linux/: which call failed, on what, and with which errno. Knows no famfs and no
// reasons of the driver; a caller that can say more turns it into a DriverError.
import os from 'node:os';
import { getSystemErrorMessage } from 'node:util';

/** Linux errors that Node has no name for, equal on every architecture we run on (include/uapi/asm-generic). */
const namesUnknownToNode: Readonly<Record<number, string>> = {
  77: 'EBADFD',
  117: 'EUCLEAN',
  121: 'EREMOTEIO',
  126: 'ENOKEY',
  129: 'EKEYREJECTED',
  133: 'EHWPOISON',
};

/** Where one number has two names, the one that Node's own errors carry. */
const preferredNames: Readonly<Record<number, string>> = { 11: 'EAGAIN', 95: 'ENOTSUP' };

function nameTable(): ReadonlyMap<number, string> {
  const table = new Map<number, string>();
  for (const [name, number] of Object.entries(os.constants.errno)) table.set(number, name);
  for (const extra of [namesUnknownToNode, preferredNames]) {
    for (const [number, name] of Object.entries(extra)) table.set(Number(number), name);
  }
  return table;
}

const names = nameTable();

/** The symbolic name of an errno (`16` is `EBUSY`); `E133`-like for one that nobody knows. */
export function errorName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** The number of a symbolic name, or 0 for a name that is no error of Linux. */
export function errorNumber(code: string): number {
  for (const [number, name] of names) if (name === code) return number;
  return 0;
}

/**
 * A system call, or a thing of the kernel's that stands for one, did not do what it was asked.
 * `code` is the symbolic name that Node's own errors use (`ENOTSUP`, not `EOPNOTSUPP`), `errno` the positive number.
 */
export class SyscallError extends Error {
  override readonly name = 'SyscallError';
  readonly syscall: string;
  readonly code: string;
  readonly errno: number;
  readonly path: string | undefined;

  constructor(syscall: string, errno: number, path?: string, options: { cause?: unknown } = {}) {
    const code = errorName(errno);
    const text = errno === 133 ? 'memory page has hardware error' : getSystemErrorMessage(-errno);
    const object = path === undefined ? '' : ` on ${path}`;
    super(
      `${syscall}${object} failed: ${text} (${code})`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.syscall = syscall;
    this.code = code;
    this.errno = errno;
    this.path = path;
  }

  /**
   * An error of `node:fs` or `node:child_process` as a SyscallError; anything else unchanged. Node names errors that
   * it does not know `Unknown system error -133`; here they get their name.
   */
  static from(error: unknown): unknown {
    if (error instanceof SyscallError || !(error instanceof Error)) return error;
    if (!('syscall' in error) || typeof error.syscall !== 'string') return error;
    if (!('errno' in error) || typeof error.errno !== 'number') return error;
    const path = 'path' in error && typeof error.path === 'string' ? error.path : undefined;
    return new SyscallError(error.syscall, Math.abs(error.errno), path, { cause: error });
  }
}

/**
 * The symbolic error code (`ENOENT`) of a SyscallError or of an error of Node's, undefined for anything else. What
 * code decides by when it catches an error of either kind.
 */
export function errorCodeOf(error: unknown): string | undefined {
  const known = SyscallError.from(error);
  if (known instanceof SyscallError) return known.code;
  if (!(known instanceof Error) || !('code' in known) || typeof known.code !== 'string') return undefined;
  return known.code;
}
