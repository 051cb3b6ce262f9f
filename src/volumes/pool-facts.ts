// What provisioning knows of a pool: from FamfsPool and FamfsNode objects on Kubernetes, from the mounter on a single host.
import type { PoolUuid } from './ids.ts';
import type { RecordProblem } from './volume-record.ts';

/** Whether volumes of a pool may be written (design 4, Writers). */
export type PoolWrites = 'Forbidden' | 'Allowed' | 'AllowedUnsafe';

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
  /** why nothing can be made in it now: damaged log, lost memory, two masters, its master not reporting */
  readonly problem: RecordProblem | undefined;
}

export interface Pools {
  list(): Promise<readonly PoolFacts[]>;
  /** Ids of the volumes that some node has published or may still have, unreachable nodes included. */
  publishedVolumeIds(): Promise<ReadonlySet<string>>;
}
