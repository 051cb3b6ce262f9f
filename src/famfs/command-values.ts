// Checks every value that reaches a famfs command line, before anything runs: what comes out cannot be taken for an
// option, is not misread by famfs, and does not leave a phantom or an abort behind. Knows no command.
import { DriverError } from '../errors.ts';

/** The longest path, relative to the pool's root, that famfs logs whole; one more aborts it or is cut (reference 4.4). */
export const maxPoolPathBytes = 78;
/** famfs reads mount tables into buffers of 256 bytes, terminator included (reference 4.4). */
const maxTablePathBytes = 255;
/** SHADOW/sock has to fit the 107 bytes of a Unix socket's name (reference 5.2). */
const maxShadowPathBytes = 102;
/** `-u` and `-g` are read as a C int. */
const maxOwnerId = 0x7fff_ffff;
/** The largest size that a signed 64-bit number holds; a negative one would be logged (kernel notes 12.4). */
const maxSizeBytes = (1n << 63n) - 1n;
const minLogLengthBytes = 8n << 20n;
const allocationUnitBytes = 2n << 20n;

function refuse(what: string, value: string, why: string): DriverError {
  const shown = JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value);
  return new DriverError(
    'invalid-argument',
    `${what} ${shown} was refused before famfs was called: ${why}.`,
    {
      details: { value: shown },
    },
  );
}

function hasControlBytes(text: string): boolean {
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function requirePlainText(what: string, value: string): void {
  if (!value.isWellFormed()) throw refuse(what, value, 'it is not valid Unicode text');
  if (hasControlBytes(value)) throw refuse(what, value, 'it contains a NUL or another control character');
}

/** No `//`, no `.` and no `..`: famfs resolves some of its paths and logs others as they stand (kernel notes 12.5). */
function requirePlainSteps(what: string, value: string, steps: readonly string[]): void {
  if (steps.some((step) => step === '' || step === '.' || step === '..')) {
    throw refuse(what, value, 'it has to be written without "//", ".", ".." and a slash at its end');
  }
}

/**
 * An absolute path in its plain form, good as an operand of any program: it starts with `/`, so it is no option.
 * Throws DriverError `invalid-argument`.
 */
export function requireAbsolutePath(what: string, value: string): string {
  requirePlainText(what, value);
  if (!value.startsWith('/')) throw refuse(what, value, 'it has to be an absolute path');
  if (value !== '/') requirePlainSteps(what, value, value.slice(1).split('/'));
  return value;
}

/** A path that will stand in a mount table, where famfs breaks on what the kernel writes as an octal escape. */
function requireMountTablePath(what: string, value: string): string {
  requireAbsolutePath(what, value);
  if (/[\s\\]/.test(value)) {
    throw refuse(what, value, 'famfs cannot find a mount again whose path has a space or a backslash');
  }
  if (Buffer.byteLength(value) > maxTablePathBytes) {
    throw refuse(what, value, `famfs reads at most ${maxTablePathBytes} bytes of it from the mount table`);
  }
  return value;
}

/**
 * Where a pool is, or is to be, mounted. It has to contain "famfs": by that word alone famfs finds its own mounts in
 * fuse mode, and without it formats a device that is mounted (reference 5.6). Throws DriverError `invalid-argument`.
 */
export function requireMountPoint(value: string): string {
  requireMountTablePath('The mount point', value);
  if (!value.includes('famfs')) {
    throw refuse('The mount point', value, 'famfs only recognises mounts whose path contains "famfs"');
  }
  return value;
}

/** A dax device as the commands' location names it, `/dev/dax0.0`. Throws DriverError `invalid-argument`. */
export function requireDevicePath(value: string): string {
  requireMountTablePath('The device', value);
  if (value.includes(',')) throw refuse('The device', value, 'a comma ends an option of the famfs daemon');
  return value;
}

/** The place of a fuse mount's shadow tree. That it exists and is fresh is checked where it can be seen. */
export function requireShadowPath(value: string): string {
  requireMountTablePath('The shadow directory', value);
  if (value.includes(',')) {
    throw refuse('The shadow directory', value, 'a comma ends an option of the famfs daemon');
  }
  if (Buffer.byteLength(value) > maxShadowPathBytes) {
    throw refuse('The shadow directory', value, `its socket only fits up to ${maxShadowPathBytes} bytes`);
  }
  return value;
}

/**
 * A path of a file or directory relative to the root of a pool, at most 78 bytes. `.meta` is famfs's own and refused.
 * Throws DriverError `invalid-argument`, or `path-too-long`.
 */
export function requirePoolPath(value: string): string {
  requirePlainText('The path in the pool', value);
  if (value.startsWith('/')) throw refuse('The path in the pool', value, 'it has to be relative to its root');
  const steps = value.split('/');
  requirePlainSteps('The path in the pool', value, steps);
  if (steps[0] === '.meta') {
    throw refuse('The path in the pool', value, '.meta holds the superblock and the log of the pool');
  }
  const bytes = Buffer.byteLength(value);
  if (bytes > maxPoolPathBytes) {
    throw new DriverError(
      'path-too-long',
      `The path ${JSON.stringify(value.slice(0, 200))} is ${bytes} bytes long and famfs logs at most ${maxPoolPathBytes}; choose shorter names.`,
      { details: { bytes } },
    );
  }
  return value;
}

/** A size of a file as famfs takes it: digits only, for its suffixes misread (`1T` makes one byte, reference 1.4). */
export function sizeText(sizeBytes: bigint): string {
  if (sizeBytes <= 0n || sizeBytes > maxSizeBytes) {
    throw refuse('The size', `${sizeBytes}`, `a file of famfs has between 1 and ${maxSizeBytes} bytes`);
  }
  return sizeBytes.toString();
}

/** The length of a log: a power of two of at least 8 MiB (reference 1.1). */
export function logLengthText(logLengthBytes: bigint): string {
  const isPowerOfTwo = logLengthBytes > 0n && (logLengthBytes & (logLengthBytes - 1n)) === 0n;
  if (!isPowerOfTwo || logLengthBytes < minLogLengthBytes || logLengthBytes > maxSizeBytes) {
    throw refuse('The log length', `${logLengthBytes}`, 'it has to be a power of two of at least 8 MiB');
  }
  return logLengthBytes.toString();
}

/** Permission bits as octal text; the bits beyond rwx are lost on the way to the other nodes (reference 4.5). */
export function modeText(mode: number): string {
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) {
    throw refuse('The mode', String(mode), 'it has to be between 0 and 0777');
  }
  return mode.toString(8);
}

/** Who is to own a file or directory. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The owner as decimal texts. Either both are root's or neither is: famfs changes an owner only when both are nonzero,
 * so `0:1000` would be logged and shown as `0:0` on some nodes (reference 4.5). Throws DriverError `invalid-argument`.
 */
export function ownerTexts(owner: Owner): { readonly uid: string; readonly gid: string } {
  for (const [what, id] of [['The user id', owner.uid] as const, ['The group id', owner.gid] as const]) {
    if (!Number.isInteger(id) || id < 0 || id > maxOwnerId) {
      throw refuse(what, String(id), `it has to be between 0 and ${maxOwnerId}`);
    }
  }
  if ((owner.uid === 0) !== (owner.gid === 0)) {
    throw refuse('The owner', `${owner.uid}:${owner.gid}`, 'famfs needs both ids zero or both nonzero');
  }
  return { uid: String(owner.uid), gid: String(owner.gid) };
}

/** A seed of the random contents that `famfs creat` can write and `famfs verify` check. */
export function seedText(seed: number): string {
  if (!Number.isInteger(seed) || seed <= 0 || seed > maxOwnerId) {
    throw refuse('The seed', String(seed), `it has to be between 1 and ${maxOwnerId}`);
  }
  return String(seed);
}

/** How a file is striped: chunk c lies in strip c mod stripCount; the strips lie in different buckets of the device. */
export interface Interleave {
  readonly stripCount: number;
  readonly bucketCount: number;
  readonly chunkBytes: bigint;
}

/** Checks a striping against the limits of famfs (reference 4.2). Throws DriverError `invalid-argument`. */
export function interleaveArguments({ stripCount, bucketCount, chunkBytes }: Interleave): string[] {
  const countsFit = Number.isInteger(stripCount) && Number.isInteger(bucketCount);
  if (!countsFit || stripCount < 1 || stripCount > 16 || bucketCount < stripCount || bucketCount > 64) {
    const shown = `${stripCount} of ${bucketCount}`;
    throw refuse(
      'The striping',
      shown,
      'famfs takes 1 to 16 strips in at least as many and at most 64 buckets',
    );
  }
  const isPowerOfTwo = chunkBytes > 0n && (chunkBytes & (chunkBytes - 1n)) === 0n;
  if (!isPowerOfTwo || chunkBytes < allocationUnitBytes || chunkBytes > maxSizeBytes) {
    throw refuse('The chunk', `${chunkBytes}`, 'it has to be a power of two of at least 2 MiB');
  }
  return ['-N', String(stripCount), '-B', String(bucketCount), '-C', chunkBytes.toString()];
}
