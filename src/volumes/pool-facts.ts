// What provisioning knows of a pool: from FamfsPool and FamfsNode objects on Kubernetes, from the mounter on a single host.
import type { BoundSlots } from './bound-slots.ts';
import type { PoolUuid } from './ids.ts';
import type { RecordProblem } from './volume-record.ts';

/** Whether volumes of a pool may be written (design 4, Writers). */
export type PoolWrites = 'Forbidden' | 'Allowed' | 'AllowedUnsafe';

/** What a node grants to writers of a pool: `safe` where one cannot stop the pool, `unsafe` although one can. */
export type GrantedWriters = 'never' | 'safe' | 'unsafe';

/** What a mounter says it grants; what this program does not know is nothing. */
export function grantOf(text: string): GrantedWriters {
  return text === 'safe' || text === 'unsafe' ? text : 'never';
}

/** A node that sees the memory of a pool now. */
export interface PoolNode {
  readonly name: string;
  readonly writers: GrantedWriters;
}

/** What becomes of the space of deleted volumes. */
export type DeletedVolumes = 'Keep' | 'Reuse';

export interface PoolFacts {
  readonly name: string;
  readonly uuid: PoolUuid;
  readonly writes: PoolWrites;
  readonly deletedVolumes: DeletedVolumes;
  readonly sizeBytes: bigint;
  readonly freeBytes: bigint;
  readonly longestFreeRunBytes: bigint;
  readonly allocationUnitBytes: bigint;
  readonly logEntriesFree: number;
  /** the node that can create files; undefined while none is known */
  readonly master: string | undefined;
  /** those that are there now; volumes can be published on them */
  readonly nodes: readonly PoolNode[];
  /** why nothing can be made in it now: damaged log, lost memory, two masters, its master not reporting */
  readonly problem: RecordProblem | undefined;
  /** why no new volume is made in it, although those that were begun are finished */
  readonly closed?: RecordProblem;
}

export interface Pools {
  list(): Promise<readonly PoolFacts[]>;
  /** Ids of the volumes that some node has published or may still have, unreachable nodes included. */
  publishedVolumeIds(): Promise<ReadonlySet<string>>;
  /** The slots that pods have mounted on some node or may still have, under whatever volume's name. */
  boundSlots(): Promise<BoundSlots>;
}
