// The identity of this node in famfs's eyes, and the role it gives the node for a pool (famfs reference 3).
// Must never create the file: famfs does that, with a new identity, whenever it finds none.
import { readFileSync } from 'node:fs';
import { DriverError, exhaustedLimit } from '../errors.ts';
import type { Superblock } from './superblock.ts';

export const systemUuidPath = '/opt/famfs/system_uuid';

export type Role = 'master' | 'client';

/**
 * The system UUID of this node, lower-case, or undefined where the node has none yet. Throws DriverError
 * `permission-missing` for a file that cannot be read, `resource-exhausted` when no file can be, and `config-invalid` for
 * one that holds no UUID.
 */
export function readSystemUuid(path: string = systemUuidPath): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (exhaustedLimit(error) !== undefined) throw DriverError.from(error);
    throw new DriverError(
      'permission-missing',
      `The system UUID of this node cannot be read from ${path} (${String(code)}): without it the node’s role is unknown.`,
      { cause: error },
    );
  }
  // famfs writes the text with a trailing NUL; a person who restored it may have left a newline.
  const uuid = text.replace(/[\0\s]+$/, '').toLowerCase();
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return uuid;
  throw new DriverError(
    'config-invalid',
    `${path} holds no UUID, so famfs takes this node for a client of every pool. Restore the node’s UUID there.`,
  );
}

/** The role of a node with that system UUID: master of the pools it formatted, client of all others. */
export function roleOf(superblock: Superblock, systemUuid: string | undefined): Role {
  return superblock.systemUuid === systemUuid ? 'master' : 'client';
}
