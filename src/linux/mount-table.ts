// Reads and writes the text of /proc/PID/mountinfo (proc_pid_mountinfo(5)). For diagnosis, for other processes'
// namespaces and for what statmount(2) cannot tell; a mount of our own is known by its id (mount-id.ts).
import { readFileSync } from 'node:fs';
import { SyscallError } from './syscall-error.ts';

/** One line of mountinfo. Texts are decoded; bytes that are not UTF-8 in a path become U+FFFD. */
export interface MountTableEntry {
  /** the short id, which the kernel uses again after an unmount */
  readonly mountId: number;
  readonly parentMountId: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** the directory of the file system that is the root of this mount */
  readonly root: string;
  /** from the root of the process whose table it is */
  readonly mountPoint: string;
  /** options of this mount: `ro`, `nosuid`, … */
  readonly mountOptions: readonly string[];
  /** `shared:N`, `master:N`, `propagate_from:N`, `unbindable`, and what kernels to come may add */
  readonly optionalFields: readonly string[];
  readonly fileSystemType: string;
  readonly source: string;
  /** options of the file system: `rw`, `user_id=0`, … */
  readonly superOptions: readonly string[];
}

/**
 * Parses the whole text of a mountinfo file.
 * @throws TypeError that quotes the line when one is not in the format of the kernel
 */
export function parseMountTable(text: string): MountTableEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseMountTableLine);
}

function parseMountTableLine(line: string): MountTableEntry {
  const fields = line.split(' ');
  // The first separator from the seventh field on: a path or an option cannot be one, its spaces are escaped.
  const separator = fields.indexOf('-', 6);
  const [mountId, parentMountId, device, root, mountPoint, mountOptions] = fields;
  const [fileSystemType, source, superOptions] = separator === -1 ? [] : fields.slice(separator + 1);
  const numbers = /^(\d+):(\d+)$/.exec(device ?? '');
  if (numbers === null || superOptions === undefined || !/^\d+$/.test(mountId ?? '')) throw malformed(line);
  return {
    mountId: Number(mountId),
    parentMountId: Number(parentMountId),
    deviceMajor: Number(numbers[1]),
    deviceMinor: Number(numbers[2]),
    root: unescapeField(root ?? ''),
    mountPoint: unescapeField(mountPoint ?? ''),
    mountOptions: (mountOptions ?? '').split(','),
    optionalFields: fields.slice(6, separator),
    fileSystemType: unescapeField(fileSystemType ?? ''),
    source: unescapeField(source ?? ''),
    superOptions: superOptions.split(',').map(unescapeField),
  };
}

function malformed(line: string): TypeError {
  return new TypeError(`not a line of a mount table: ${JSON.stringify(line)}`);
}

/** The kernel writes space, tab, newline, `\` and sometimes `#` as `\` and three octal digits; the rest is bytes. */
function unescapeField(field: string): string {
  if (!field.includes('\\')) return field;
  return field.replaceAll(/\\([0-3][0-7]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function escapeField(field: string, special = /[ \t\n\\#]/g): string {
  return field.replaceAll(special, (character) => {
    return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`;
  });
}

/** A comma within an option is escaped as well, since commas part the options. */
function escapeOption(option: string): string {
  return escapeField(option, /[ \t\n\\#,]/g);
}

/** The text that the kernel would show for these entries; `parseMountTable` gives them back. */
export function formatMountTable(entries: readonly MountTableEntry[]): string {
  return entries.map((entry) => `${formatEntry(entry)}\n`).join('');
}

function formatEntry(entry: MountTableEntry): string {
  return [
    entry.mountId,
    entry.parentMountId,
    `${entry.deviceMajor}:${entry.deviceMinor}`,
    escapeField(entry.root),
    escapeField(entry.mountPoint),
    entry.mountOptions.join(','),
    ...entry.optionalFields,
    '-',
    escapeField(entry.fileSystemType),
    escapeField(entry.source),
    entry.superOptions.map(escapeOption).join(','),
  ].join(' ');
}

/** The mount that a path is on, the topmost where several lie upon each other; undefined only of a table without a root. */
export function mountOf(path: string, table: readonly MountTableEntry[]): MountTableEntry | undefined {
  let best: MountTableEntry | undefined;
  for (const entry of table) {
    const { mountPoint } = entry;
    const covers = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (covers && mountPoint.length >= (best?.mountPoint.length ?? 0)) best = entry;
  }
  return best;
}

/**
 * The mount table that a process sees, oldest mount first; of this process by default. Reading it never blocks on a
 * dead or hung mount.
 * @throws SyscallError — ENOENT or ESRCH when there is no such process, EINVAL when it has just ended
 */
export function readMountTable(pid: number | 'self' = 'self'): MountTableEntry[] {
  // Of the calling thread, since a Node process that has unshared its mounts has two tables.
  const path = pid === 'self' ? '/proc/thread-self/mountinfo' : `/proc/${pid}/mountinfo`;
  try {
    return parseMountTable(readFileSync(path, 'utf8'));
  } catch (error) {
    throw SyscallError.from(error);
  }
}
