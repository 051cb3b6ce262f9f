// Which mount options a volume may ask for: a short list, since every bind is read-only or file by file, nosuid
// and nodev already. Knows options as text only.

import { didYouMean } from '../errors/closest-name.ts';
import { DriverError } from '../errors.ts';

export interface MountFlags {
  readonly readOnly: boolean;
  /** Programs can be run from the volume. */
  readonly allowExec: boolean;
}

/** What each accepted option changes; the ones that are always so change nothing. */
const accepted: Readonly<Record<string, Partial<MountFlags>>> = {
  ro: { readOnly: true },
  exec: { allowExec: true },
  noexec: { allowExec: false },
  nosuid: {},
  nodev: {},
  noatime: {},
  nodiratime: {},
  relatime: {},
};

/** Options that people try, and why they are not taken. */
const refused: Readonly<Record<string, string>> = {
  rw: 'whether a volume is writable follows from its access mode and its attribute access: rw',
  suid: 'a volume is always mounted nosuid',
  dev: 'a volume is always mounted nodev',
  dax: 'famfs maps memory directly without being asked',
};

/**
 * Reads the mount options of a volume.
 * @throws {DriverError} invalid-argument for any that is not on the list
 */
export function parseMountFlags(flags: readonly string[]): MountFlags {
  let result: MountFlags = { readOnly: false, allowExec: false };
  for (const flag of flags) {
    const change = Object.hasOwn(accepted, flag) ? accepted[flag] : undefined;
    if (change === undefined) throw unknownFlag(flag);
    result = { ...result, ...change };
  }
  if (flags.includes('exec') && flags.includes('noexec')) {
    throw new DriverError('invalid-argument', 'mount_flags asks for both exec and noexec');
  }
  return result;
}

function unknownFlag(flag: string): DriverError {
  const known = Object.keys(accepted);
  const why = Object.hasOwn(refused, flag) ? refused[flag] : `accepted are ${known.join(', ')}`;
  const suggestion = Object.hasOwn(refused, flag) ? '' : `.${didYouMean(flag, known)}`;
  return new DriverError(
    'invalid-argument',
    `mount_flags has ${JSON.stringify(flag.slice(0, 80))}, which is not taken: ${why}${suggestion}`,
  );
}
