// Reads what `famfs fsck` prints without -h: plain bytes, a line a figure. Judges nothing: whether a figure is
// bad news is outcome.ts's to say. The same superblock block appears in what mkfs.famfs prints.

/** A file system as the superblock block of a report shows it. UUIDs are lower-case text, sizes bytes. */
export interface ReportedSuperblock {
  readonly fileSystemUuid: string;
  readonly deviceUuid: string;
  readonly systemUuid: string;
  /** famfs prints "Owner" for the master. */
  readonly role: 'master' | 'client' | 'invalid';
  readonly allocationUnitBytes: bigint;
  readonly omfMajor: number;
  readonly omfMinor: number;
  readonly logLengthBytes: bigint;
  readonly devicePath: string;
  readonly deviceSizeBytes: bigint;
}

/** Where the checked file system was mounted. v1 prints neither the device nor a shadow (kernel notes 10.2). */
export interface ReportedMount {
  readonly mountPoint: string;
  readonly mode: 'fuse' | 'standalone';
  readonly devicePath?: string;
  readonly shadowPath?: string;
}

/** Figures in bytes. Free space can be negative: a log can name more memory than there is (reference 4.2). */
export interface ReportedCapacity {
  readonly deviceBytes: bigint;
  readonly bitmapBytes: bigint;
  readonly fileBytes: bigint;
  readonly allocatedBytes: bigint;
  readonly freeBytes: bigint;
}

/** What `famfs fsck` found. `capacity` is absent when extents collide, `mount` when the device was read raw. */
export interface FsckReport {
  readonly mount?: ReportedMount;
  readonly superblock: ReportedSuperblock;
  readonly logEntriesUsed: number;
  readonly logEntriesTotal: number;
  readonly collisions: number;
  readonly capacity?: ReportedCapacity;
  readonly badEntries: number;
  readonly files: number;
  readonly directories: number;
}

const uuid = '[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}';
const superblockLines = {
  fileSystemUuid: new RegExp(`^ *Filesystem UUID: +(${uuid})$`, 'm'),
  deviceUuid: new RegExp(`^ *Device UUID: +(${uuid})$`, 'm'),
  systemUuid: new RegExp(`^ *System UUID: +(${uuid})$`, 'm'),
  role: /^ *role of this node: (Owner|Client|Invalid superblock)$/m,
  allocationUnit: /^ *alloc_unit: +(0x[0-9a-fA-F]{1,16})$/m,
  omfMajor: /^ *OMF major version: (\d{1,10})$/m,
  omfMinor: /^ *OMF minor version: (\d{1,10})$/m,
  logLength: /^ *log size \(bytes\): +(\d{1,20})$/m,
  devicePath: /^ *primary: (\S+) +\d{1,20}$/m,
  deviceSize: /^ *primary: \S+ +(\d{1,20})$/m,
};
const roles: Readonly<Record<string, ReportedSuperblock['role']>> = {
  Owner: 'master',
  Client: 'client',
  'Invalid superblock': 'invalid',
};

function field(text: string, pattern: RegExp): string | undefined {
  return pattern.exec(text)?.[1];
}

/** The superblock block of a report of fsck or mkfs (reference 1.3), or undefined when one of its lines is missing. */
export function parseReportedSuperblock(text: string): ReportedSuperblock | undefined {
  const found = new Map<string, string>();
  for (const [name, pattern] of Object.entries(superblockLines)) {
    const value = field(text, pattern);
    if (value === undefined) return undefined;
    found.set(name, value);
  }
  const value = (name: keyof typeof superblockLines) => found.get(name) ?? '';
  return {
    fileSystemUuid: value('fileSystemUuid').toLowerCase(),
    deviceUuid: value('deviceUuid').toLowerCase(),
    systemUuid: value('systemUuid').toLowerCase(),
    role: roles[value('role')] ?? 'invalid',
    allocationUnitBytes: BigInt(value('allocationUnit')),
    omfMajor: Number(value('omfMajor')),
    omfMinor: Number(value('omfMinor')),
    logLengthBytes: BigInt(value('logLength')),
    devicePath: value('devicePath'),
    deviceSizeBytes: BigInt(value('deviceSize')),
  };
}

function parseMount(text: string): ReportedMount | undefined {
  const mountPoint = field(text, /^ *mount point: (\/.*)$/m);
  const type = field(text, /^ *mount type: +(FAMFS_FUSE|FAMFS_V1)$/m);
  if (mountPoint === undefined || type === undefined) return undefined;
  const devicePath = field(text, /^ *backing dev: (\/.*)$/m);
  const shadowPath = field(text, /^ *shadow path: (\/.*)$/m);
  return {
    mountPoint,
    mode: type === 'FAMFS_FUSE' ? 'fuse' : 'standalone',
    ...(devicePath === undefined ? {} : { devicePath }),
    ...(shadowPath === undefined ? {} : { shadowPath }),
  };
}

function bytesField(text: string, label: string): bigint | undefined {
  const value = field(text, new RegExp(`^ *${label}: +(-?\\d{1,20})$`, 'm'));
  return value === undefined ? undefined : BigInt(value);
}

function parseCapacity(text: string): ReportedCapacity | undefined {
  const deviceBytes = bytesField(text, 'Device capacity');
  const bitmapBytes = bytesField(text, 'Bitmap capacity');
  const fileBytes = bytesField(text, 'Sum of file sizes');
  const allocatedBytes = bytesField(text, 'Allocated bytes');
  const freeBytes = bytesField(text, 'Free space');
  if (deviceBytes === undefined || bitmapBytes === undefined || fileBytes === undefined) return undefined;
  if (allocatedBytes === undefined || freeBytes === undefined) return undefined;
  return { deviceBytes, bitmapBytes, fileBytes, allocatedBytes, freeBytes };
}

function parseCollisions(text: string): number | undefined {
  if (/^ *No allocation errors found$/m.test(text)) return 0;
  const count = field(text, /^ *ERROR: (\d{1,15}) ALLOCATION COLLISIONS FOUND$/m);
  return count === undefined ? undefined : Number(count);
}

function countField(text: string, pattern: RegExp): number | undefined {
  const value = field(text, pattern);
  return value === undefined ? undefined : Number(value);
}

/**
 * The report of `famfs fsck` (without -h, which rounds to gigabytes), by its exact lines (reference 1.3). Unknown
 * lines are passed over. Undefined when a line that every report has is missing, or when there are no collisions
 * and yet no capacity: what is left then proves nothing about the pool.
 *
 * The device path in the superblock is outside its CRC, so anyone who can write the memory chooses what fsck prints
 * there, line breaks included. Each figure is therefore read from the side of it where famfs prints that figure.
 */
export function parseFsckReport(text: string): FsckReport | undefined {
  const statsAt = text.lastIndexOf('Log stats:\n');
  if (statsAt < 0) return undefined;
  const superblockAt = Math.max(text.indexOf('Famfs Superblock:\n'), 0);
  const stats = text.slice(statsAt);
  const superblock = parseReportedSuperblock(text);
  const collisions = parseCollisions(stats);
  const used = countField(stats, /^ *# of log entries in use: (\d{1,15}) of \d{1,15}$/m);
  const total = countField(stats, /^ *# of log entries in use: \d{1,15} of (\d{1,15})$/m);
  const badEntries = countField(stats, /^ *(\d{1,15}) bad log entries detected$/m);
  const files = countField(stats, /^ *(\d{1,15}) files$/m);
  const directories = countField(stats, /^ *(\d{1,15}) directories$/m);
  if (superblock === undefined || collisions === undefined || used === undefined) return undefined;
  if (total === undefined || badEntries === undefined) return undefined;
  if (files === undefined || directories === undefined) return undefined;
  const capacity = parseCapacity(stats);
  if (capacity === undefined && collisions === 0) return undefined;
  const mount = parseMount(text.slice(0, superblockAt));
  return {
    ...(mount === undefined ? {} : { mount }),
    superblock,
    logEntriesUsed: used,
    logEntriesTotal: total,
    collisions,
    ...(capacity === undefined ? {} : { capacity }),
    badEntries,
    files,
    directories,
  };
}
