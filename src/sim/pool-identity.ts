// Who owns a pool, as famfs tells it: the superblock's checks with their messages, and the node's system UUID.
// Must not know where the bytes of a superblock come from.
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { refusalOf } from '../famfs/refusal.ts';
import { parseSuperblock, type Superblock, superblockVersion } from '../famfs/superblock.ts';
import { errorCodeOf, errorNumber } from '../linux/syscall-error.ts';
import type { CommandContext } from './command-context.ts';

/** `none`: there is no valid superblock. */
export type Role = 'master' | 'client' | 'none';

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The superblock in these bytes, or undefined after the message that famfs has for what is wrong with it. */
export function checkSuperblock(context: CommandContext, bytes: Buffer): Superblock | undefined {
  try {
    return parseSuperblock(bytes);
  } catch (error) {
    if (refusalOf(error) === undefined) throw error;
    const problem = superblockProblem(bytes);
    if (problem !== undefined) context.complain(problem);
    return undefined;
  }
}

/** famfs is silent about memory that never was a superblock. */
function superblockProblem(bytes: Buffer): string | undefined {
  if (!hasSuperblockMagic(bytes)) return undefined;
  const version = bytes.readBigUInt64LE(8);
  if (version !== superblockVersion) {
    return `famfs_check_super: superblock version=${version} (expected ${superblockVersion}).\n\tThis famfs_lib is not compatible with your famfs instance`;
  }
  if (bytes.readBigUInt64LE(96) !== BigInt(crc32(bytes.subarray(0, 96)))) {
    return 'famfs_check_super ERROR: crc mismatch in superblock!';
  }
  return `famfs_check_super: bad alloc_unit (${bytes.readBigUInt64LE(32)})`;
}

/** Tells whether something claims to be a famfs superblock here, of whatever version. */
export function hasSuperblockMagic(bytes: Buffer): boolean {
  return bytes.readBigUInt64LE(0) === 0x87b282ffn;
}

/** The role of this node for the pool with this superblock. Makes the node's system UUID where there is none. */
export function roleOfNode(context: CommandContext, bytes: Buffer): Role {
  const mine = systemUuidOf(context);
  if (mine === undefined) {
    context.complain('__famfs_get_role_and_logstats: unable to get system uuid; assuming client role');
    return 'client';
  }
  const superblock = checkSuperblock(context, bytes);
  if (superblock === undefined) {
    context.complain('__famfs_get_role_and_logstats: No valid superblock');
    return 'none';
  }
  return superblock.systemUuid === mine ? 'master' : 'client';
}

/**
 * The system UUID of the node, lower case. A missing file is made with a random one (mode 0444, trailing NUL), an
 * empty one is removed, as famfs does (reference 3). Undefined when there is none to be had.
 */
export function systemUuidOf(context: CommandContext): string | undefined {
  const file = context.node.systemUuidPath;
  const text = readExisting(file) ?? createSystemUuid(context, file);
  if (text === undefined) return undefined;
  const uuid = text.replace(/\0.*$/s, '').trim().slice(0, 36).toLowerCase();
  if (uuid === '') {
    context.complain(`famfs_get_system_uuid: unable to read system uuid at ${file}, errno: 0`);
    unlinkSync(file);
    return undefined;
  }
  if (!uuidPattern.test(uuid)) {
    context.complain(`famfs_get_system_uuid: Error parsing UUID (${uuid})`);
    return undefined;
  }
  return uuid;
}

function readExisting(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return undefined;
  }
}

function createSystemUuid(context: CommandContext, file: string): string | undefined {
  const uuid = randomUUID();
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, `${uuid}\0`, { mode: 0o444 });
    return uuid;
  } catch (error) {
    const errno = errorNumber(errorCodeOf(error) ?? '');
    context.complain(`famfs_create_sys_uuid_file: failed to open/create ${file} errno ${errno}.`);
    context.complain('Failed to create system-uuid file');
    return undefined;
  }
}
