// Where volumes of a pool may be written: what the pool's administrator allows, and what its nodes grant (design 4, Writers). Pure.
import { DriverError } from '../errors.ts';
import type { PoolFacts, PoolNode, PoolWrites } from './pool-facts.ts';
import type { VolumeAccess } from './volume-context.ts';

/** Of a volume that is made to be written: anywhere, or only where a writer cannot stop its pool. */
export type WritableAccess = Exclude<VolumeAccess, 'ro'>;

/** How a new volume of a pool may be written; it stays so for the life of the volume. */
export function accessOf(writes: PoolWrites): WritableAccess {
  return writes === 'AllowedUnsafe' ? 'rw' : 'rw-safe';
}

/** The nodes that see a pool and publish its volumes writable. */
export function writerNodes(
  { nodes }: Pick<PoolFacts, 'nodes'>,
  access: WritableAccess,
): readonly PoolNode[] {
  return nodes.filter(({ writers }) => writers === 'safe' || (writers === 'unsafe' && access === 'rw'));
}

/** Why a volume of a pool can be written nowhere; undefined when there is a node for it. */
export function writersRefusal(
  pool: Pick<PoolFacts, 'name' | 'nodes'>,
  access: WritableAccess,
): DriverError | undefined {
  if (writerNodes(pool, access).length > 0) return undefined;
  const of = (grant: PoolNode['writers']): readonly string[] =>
    pool.nodes.filter(({ writers }) => writers === grant).map(({ name }) => name);
  const unsafe = of('unsafe');
  const grants = [
    ...(unsafe.length === 0
      ? []
      : [`${listed(unsafe)} ${unsafe.length > 1 ? 'grant' : 'grants'} unsafe writers only`]),
    ...(of('never').length === 0
      ? []
      : [`${listed(of('never'))} ${of('never').length > 1 ? 'grant' : 'grants'} none`]),
  ].join(', ');
  const seen = grants === '' ? 'no node that sees it is there' : grants;
  return new DriverError(
    'writes-refused',
    access === 'rw'
      ? `A writer is asked for, and no node publishes volumes of pool ${pool.name} writable: ${seen}. Set --allow-writes on the mounters of nodes that shall: unsafe, or safe where famfs runs in standalone mode with the operation policy of 2026.`
      : `A writer is asked for, and no node publishes volumes of pool ${pool.name} writable in such a way that a writer cannot stop the pool (writes: Allowed): ${seen}. Run famfs in standalone mode with the operation policy of 2026 and --allow-writes=safe on the nodes of writers, or set writes: AllowedUnsafe on the FamfsPool if all pods are trusted.`,
  );
}

const longestList = 10;

/** Names as a person reads them; a cluster has thousands. */
function listed(names: readonly string[]): string {
  if (names.length <= longestList) return names.join(', ');
  return `${names.slice(0, longestList).join(', ')} and ${names.length - longestList} more`;
}
