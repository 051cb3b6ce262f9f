// Keeps a FamfsPool from going while something needs it: volumes that live in the pool, or a format that cannot be called off.
// Touches nothing but the finalizer.
import { setTimeout as sleep } from 'node:timers/promises';
import { isRecordConflict } from '../errors.ts';
import type { ApiClient } from './api-client.ts';
import type { FamfsPool } from './famfs-pool.ts';
import type { ObjectCache } from './object-cache.ts';
import { famfsPools as resource } from './resources.ts';

export const poolFinalizer = 'famfs.io/pool';
/** A watch shows within moments what made a write fail. */
const lookAgainMs = 50;

/**
 * Puts the finalizer there when the pool is needed, and takes it away when it is not.
 * @returns the pool as it is afterwards; undefined when it is gone with that
 * @throws DriverError `record-conflict` when somebody else was quicker
 */
export async function keepPoolFinalizer(
  client: Pick<ApiClient, 'mergePatch'>,
  pool: FamfsPool,
  isNeeded: boolean,
  signal: AbortSignal,
): Promise<FamfsPool | undefined> {
  const { name, resourceVersion, deletionTimestamp, finalizers = [] } = pool.metadata;
  const isThere = finalizers.includes(poolFinalizer);
  // The API server takes no finalizer of an object that is going.
  if (isThere === isNeeded || (isNeeded && deletionTimestamp !== undefined)) return pool;
  const others = finalizers.filter((each) => each !== poolFinalizer);
  const patch = { metadata: { resourceVersion, finalizers: isNeeded ? [...others, poolFinalizer] : others } };
  const patched = await client.mergePatch<FamfsPool>(resource, name, patch, { signal });
  return deletionTimestamp !== undefined && others.length === 0 ? undefined : patched;
}

/**
 * Sees to it that the FamfsPool of a file system is kept from now on. The reconciler does the same, but a moment after a volume is
 * recorded, which may be later than the volume is handed out. One that is gone, or that somebody is deleting, stays as it is.
 * @param uuid of the file system
 * @throws DriverError when the time is over or the API server refuses
 */
export async function holdPool(
  {
    client,
    famfsPools,
  }: {
    readonly client: Pick<ApiClient, 'mergePatch'>;
    readonly famfsPools: Pick<ObjectCache<FamfsPool>, 'list'>;
  },
  uuid: string,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const pools = famfsPools.list().filter(({ status }) => status?.fileSystemUUID === uuid);
    try {
      for (const pool of pools) await keepPoolFinalizer(client, pool, true, signal);
      return;
    } catch (error) {
      if (!isRecordConflict(error)) throw error;
      await sleep(lookAgainMs, undefined, { signal });
    }
  }
}
