// Keeps a FamfsPool from going while something needs it: volumes that live in the pool, or a format that cannot be called off.
// Touches nothing but the finalizer.
import type { ApiClient } from './api-client.ts';
import type { FamfsPool } from './famfs-pool.ts';
import { famfsPools as resource } from './resources.ts';

export const poolFinalizer = 'famfs.io/pool';

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
