// Catalogue rows: the superblock, the log, the lock and the role of a pool. Data only.
import type { CatalogueRow } from './catalogue-row.ts';

const making = ['mkdir', 'creat', 'cp'] as const;
const readingLog = ['mount', 'dummy-mount', 'logplay', 'fsck', ...making] as const;
const readingSuperblock = [...readingLog, 'flush', 'verify'] as const;
const inPool = ['logplay', 'fsck', 'flush', 'verify', ...making] as const;

export const messagesOfPool: readonly CatalogueRow[] = [
  {
    id: 'superblock-crc',
    pattern: /^famfs_check_super ERROR: crc mismatch in superblock!$/m,
    commands: readingSuperblock,
    meaning: 'the superblock is damaged: its checksum does not match',
    reason: 'superblock-refused',
    remedy: 'Find out what wrote into the memory; the contents can only be had back from their source.',
  },
  {
    id: 'superblock-version',
    pattern: /^famfs_check_super: superblock version=(?<version>\d+) \(expected (?<expected>\d+)\)\.$/m,
    commands: readingSuperblock,
    meaning: 'the superblock has version {version} and the installed famfs only knows {expected}',
    reason: 'superblock-refused',
    remedy: 'Use the same release of famfs on every node of the pool.',
  },
  {
    id: 'superblock-missing',
    pattern: /^\w+: (?:[Nn]o valid (?:famfs )?superblock\b.*|invalid superblock)$/m,
    commands: readingSuperblock,
    meaning: 'the memory carries no famfs superblock',
    reason: 'superblock-refused',
    remedy: 'Check that this is the right memory; a pool is only ever formatted on request.',
  },
  {
    id: 'log-entry-crc',
    pattern: /^\w+: bad crc at log index (?<entry>\d+)$/m,
    commands: readingLog,
    meaning: 'entry {entry} of the log is damaged: its checksum does not match',
    reason: 'log-refused',
    remedy: 'Find out what wrote into the memory; the pool has to be formatted again to be trusted.',
  },
  {
    id: 'log-entry-invalid',
    pattern: /^\w+: Error: invalid log entry at index (?<entry>\d+) of \d+$/m,
    commands: readingLog,
    meaning: 'entry {entry} of the log is not valid',
    reason: 'log-refused',
    remedy: 'Find out what wrote into the memory; the pool has to be formatted again to be trusted.',
  },
  {
    id: 'log-header-invalid',
    pattern: /^\w+: invalid (?:crc in log header|log header)$/m,
    commands: readingLog,
    meaning: 'the header of the log is damaged',
    reason: 'log-refused',
    remedy: 'Find out what wrote into the memory; the pool has to be formatted again to be trusted.',
  },
  {
    id: 'log-length-mismatch',
    pattern:
      /^\w+: (?:log size mismatch log hdr (?<inHeader>\d+) != (?<inSuperblock>\d+)|log file length is invalid \(\d+ \/ \d+\))$/m,
    commands: readingLog,
    meaning: 'the log and the superblock disagree about the length of the log',
    reason: 'log-refused',
    remedy: 'Find out what wrote into the memory; the pool has to be formatted again to be trusted.',
  },
  {
    id: 'collisions',
    pattern: /^ *ERROR: (?<count>\d+) ALLOCATION COLLISIONS FOUND$/m,
    commands: ['fsck', 'mkfs'],
    meaning: 'the log gives the same memory to more than one file, {count} times',
    reason: 'log-refused',
    remedy: 'Treat the files concerned as lost; two writers ran at once, so look for one besides the driver.',
  },
  {
    id: 'bad-entries',
    pattern: /^ *(?<count>[1-9]\d*) bad log entries detected$/m,
    commands: ['fsck', 'mkfs'],
    meaning: 'the log holds {count} damaged entries',
    reason: 'log-refused',
    remedy: 'Find out what wrote into the memory; the pool cannot be mounted and has to be formatted again.',
  },
  {
    id: 'mount-dead-by-status',
    pattern: /(?:)/,
    commands: ['fsck'],
    exit: 107,
    meaning: 'the famfs daemon behind the mount has gone',
    reason: 'pool-dead',
    remedy: 'End the pods that use the pool on this node, unmount it and mount it again.',
  },
  {
    id: 'assertion-of-path-length',
    pattern: /Assertion `strlen\(relpath\) < .*' failed\.$/m,
    commands: making,
    meaning: 'famfs aborted because the path is longer than the 78 bytes it can log',
    reason: 'path-too-long',
    remedy: 'Choose shorter names.',
  },
  {
    id: 'assertion-of-reader',
    pattern: /^(?:\S+: )?(?<place>\S+:\d+): (?<function>\w+): Assertion `(?<condition>.*)' failed\.$/m,
    commands: ['mount', 'dummy-mount', 'logplay', 'fsck'],
    meaning: 'famfs aborted on what it read in the pool ({function} at {place})',
    reason: 'log-refused',
    remedy: 'Inspect the log of the pool for names and extents that famfs cannot have written.',
    mount: 'remains',
  },
  {
    id: 'assertion',
    pattern: /^(?:\S+: )?(?<place>\S+:\d+): (?<function>\w+): Assertion `(?<condition>.*)' failed\.$/m,
    commands: 'all',
    meaning: 'famfs aborted at a check of its own ({function} at {place})',
    reason: 'command-failed',
    remedy: 'Look at what exists now before trying again: an entry may have been made.',
  },
  {
    id: 'not-master',
    pattern: /^\w+: Error not running on FAMFS_MASTER node$/m,
    commands: making,
    meaning: 'this node is a client of the pool, and only its master can make files in it',
    reason: 'not-master',
    remedy: 'Run this on the node whose /opt/famfs/system_uuid is the one in the superblock.',
  },
  {
    id: 'lock-held',
    pattern: /^\w+: failed to get lock on (?<path>.+)$/m,
    commands: inPool,
    meaning: 'another famfs command holds the lock of the pool ({path}), or its mount is read-only',
    reason: 'pool-busy',
    remedy: 'Try again in a moment.',
  },
  {
    id: 'lock-lost',
    pattern: /unlock returned an error/m,
    commands: making,
    meaning:
      'famfs no longer held its lock on the pool when it was done, so another writer may have run at once',
    reason: 'pool-busy',
    remedy: 'Check the pool with famfs fsck, and let nothing but the driver run famfs on it.',
  },
  {
    id: 'log-not-writable',
    pattern: /^\w+: Unable to open famfs log for writing$/m,
    commands: making,
    meaning: 'famfs could not open the log of the pool for writing',
    reason: 'writes-refused',
    remedy: 'Check that the mount is not read-only and that famfs runs as root.',
  },
  {
    id: 'not-in-a-mounted-pool',
    pattern:
      /^\w+: failed to open (?:superblock file read-only|superblock file|log file) for filesystem (?<path>.+)$/m,
    commands: inPool,
    meaning: '{path} is not in a mounted pool: its superblock and log are not to be seen there',
    reason: 'pool-not-ready',
    remedy:
      'Mount the pool there; while only binds of its folders are left it cannot be replayed or changed.',
  },
  {
    id: 'control-socket-unreachable',
    pattern: /found file .+ but it is not in famfs$/m,
    commands: inPool,
    meaning: 'the control socket of the famfs daemon cannot be reached from where the command runs',
    reason: 'pool-not-ready',
    remedy:
      'Let commands and daemon see the shadow directory at the same path, and check that the daemon lives.',
  },
];

/** Lines that decide nothing about a pool. */
export const remarksOfPool: readonly CatalogueRow[] = [
  {
    id: 'superblock-remark-of-mkfs',
    pattern: /^\w+: No valid superblock$/m,
    commands: ['mkfs'],
    meaning: 'the device carried no famfs superblock before it was formatted',
    reason: 'information',
    remedy: 'Nothing is to be done.',
  },
  {
    id: 'superblock-version-remark-of-mkfs',
    pattern: /^famfs_check_super: superblock version=(?<version>\d+) \(expected (?<expected>\d+)\)\.$/m,
    commands: ['mkfs'],
    meaning: 'the superblock on the device has version {version}',
    reason: 'information',
    remedy: 'Nothing is to be done.',
  },
  {
    id: 'incompatible-remark',
    pattern: /^\tThis famfs_lib is not compatible with your famfs instance$/m,
    commands: 'all',
    meaning: 'famfs comments on a superblock of another version',
    reason: 'information',
    remedy: 'Read it together with the line before it.',
  },
  {
    id: 'client-role-assumed',
    pattern: /assuming client role/m,
    commands: 'all',
    meaning: 'famfs could not read or write /opt/famfs/system_uuid and takes this node for a client',
    reason: 'information',
    remedy: 'Make /opt/famfs of the host writable for famfs once, on every node.',
  },
  {
    id: 'mode-value-unknown',
    pattern: /unrecognized FAMFS_MODE value/m,
    commands: 'all',
    meaning: 'famfs does not know the value of FAMFS_MODE and ignores it',
    reason: 'information',
    remedy: 'Install a famfs that this version of the driver is made for.',
  },
  {
    id: 'fsck-mapping-remark',
    pattern: /^famfs_fsck_mounted: failed to map (?:superblock|log) from file .+$/m,
    commands: ['fsck'],
    meaning: 'fsck could not read a part of the pool',
    reason: 'information',
    remedy: 'Read it together with the lines before it.',
  },
  {
    id: 'banner',
    pattern: /^\w+: \*{8,}$/m,
    commands: 'all',
    meaning: 'famfs draws attention to the next line',
    reason: 'information',
    remedy: 'Nothing is to be done.',
  },
];
