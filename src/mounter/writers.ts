// Whether pods may write here: what the node's setting allows, and what its famfs does about operations that would stop a pool.
// Pure.
import { DriverError } from '../errors.ts';
import type { MounterSettings } from './mounter-settings.ts';

/** Whether the kernel refuses pods' destructive operations. */
export type OperationPolicy = 'protected' | 'open';

/** `safe`: a writer is published and cannot stop the pool. `unsafe`: it is published although it can. */
export type GrantedWriters = 'never' | 'safe' | 'unsafe';

type AllowWrites = MounterSettings['allowWrites'];

/** @param policy undefined while it is not known, as of a pool that is not mounted */
export function grantedWriters(
  allowWrites: AllowWrites,
  policy: OperationPolicy | undefined,
): GrantedWriters {
  if (allowWrites === 'never' || policy === undefined) return 'never';
  if (policy === 'protected') return 'safe';
  return allowWrites === 'unsafe' ? 'unsafe' : 'never';
}

/**
 * Lets a writable publish pass.
 * @param onlySafely the volume is not to be written where a writer can stop its pool
 * @param policyOf asks the pool, which is done only when it matters
 * @throws DriverError `writes-refused`, and what the pool says
 */
export async function requireWriters(
  poolUuid: string,
  { allowWrites, onlySafely }: { readonly allowWrites: AllowWrites; readonly onlySafely: boolean },
  policyOf: () => Promise<OperationPolicy>,
): Promise<void> {
  if (allowWrites === 'never') {
    throw new DriverError(
      'writes-refused',
      'This node publishes nothing writable (--allow-writes=never). Publish the volume read-only, or set --allow-writes to safe or unsafe on the mounter.',
    );
  }
  if (allowWrites === 'unsafe' && !onlySafely) return;
  if ((await policyOf()) === 'protected') return;
  const why = `that needs standalone mode with the operation policy of 2026, because elsewhere a pod's truncate takes the pool down for the whole node`;
  throw new DriverError(
    'writes-refused',
    allowWrites === 'safe'
      ? `Pool ${poolUuid} is not published writable on this node: with --allow-writes=safe ${why}. Publish it read-only, or set --allow-writes=unsafe if all pods here are trusted.`
      : `The volume is to be written only where a writer cannot stop pool ${poolUuid} (writes: Allowed), and ${why}. Publish it read-only here, or make volumes in a pool with writes: AllowedUnsafe if all pods are trusted.`,
  );
}
