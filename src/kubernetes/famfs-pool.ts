// FamfsPool: one famfs file system as the cluster's administrator declares it, and what its nodes report of it. The types
// are held against the CRD by a test.
import type { DeletedVolumes, PoolWrites } from '../volumes/pool-facts.ts';
import type { ApiObject, Condition } from './api-object.ts';
import type { ReportedProblem } from './famfs-node.ts';

/** mkfs, once, on a device that carries nothing; an explicit opt-in (design 6, rule 10). */
export interface FamfsPoolFormat {
  readonly nodeName: string;
  /** The kernel's name of the device on that node, such as dax0.0. */
  readonly device: string;
  /** A quantity; famfs's default when left out. */
  readonly logSize?: string;
}

/** Exactly one of `fileSystemUUID` and `format` is given, and neither ever changes. */
export interface FamfsPoolSpec {
  readonly fileSystemUUID?: string;
  readonly format?: FamfsPoolFormat;
  readonly writes: PoolWrites;
  readonly deletedVolumes: DeletedVolumes;
}

/** A node that sees the memory of a pool. */
export interface FamfsPoolNode {
  readonly name: string;
  /** The kernel's name of the device there, such as dax0.0. */
  readonly device: string;
  readonly role: 'Master' | 'Client' | 'Unknown';
  readonly mounted: boolean;
  readonly logEntriesReplayed: number;
  /** What the node has against it, or why it does not serve there. */
  readonly problem?: ReportedProblem;
}

/** A node that saw the memory of a pool and cannot be asked now. */
export interface FamfsPoolAwayNode {
  readonly name: string;
  /** Why, as the end of a sentence about the node. */
  readonly message: string;
}

/** `famfs.io/reset: UUID` asks for the reset of a pool; it counts while it names the file system that the pool is. */
export const resetAnnotation = 'famfs.io/reset';

/** A reset that was asked for and is not done. */
export interface FamfsPoolReset {
  /** The file system that is to end. */
  readonly fileSystemUUID: string;
  /** `Releasing`: all nodes let go. `Formatting`: they have, and the master may format. `Refused`: not now. */
  readonly phase: 'Releasing' | 'Formatting' | 'Refused';
  /** Of each time that nodes are asked another one, so that no late answer is taken for that of a later one. */
  readonly attempt?: string;
  /** RFC 3339; when it came into this phase. */
  readonly since: string;
  /** Why it is refused. */
  readonly problem?: ReportedProblem;
}

/** Sizes are quantities. */
export interface FamfsPoolStatus {
  /** Adopted from the spec, or what mkfs gave the file system; once it is there, only a reset changes it. */
  readonly fileSystemUUID?: string;
  readonly capacity?: {
    readonly size: string;
    readonly allocated: string;
    readonly free: string;
    readonly longestFreeRun: string;
    readonly allocationUnit: string;
  };
  /** Of what is allocated: volumes that are there, slots of deleted ones that stay, and slots for the next volume. */
  readonly volumes?: {
    readonly count: number;
    readonly live: string;
    readonly kept: string;
    readonly reusable: string;
  };
  readonly logEntries?: { readonly used: number; readonly total: number };
  /** The node that can create files. */
  readonly master?: string;
  readonly nodes?: readonly FamfsPoolNode[];
  /** They may have it mounted: nothing in it is zeroed, and it is not reset, before they are back or their Nodes deleted. */
  readonly nodesAway?: readonly FamfsPoolAwayNode[];
  readonly reset?: FamfsPoolReset;
  /** `Ready`, `Formatted`, `Lost`, `SingleMaster`, `NodesServe`, and `Reset` when one was asked for. */
  readonly conditions?: readonly Condition[];
}

export interface FamfsPool extends ApiObject {
  readonly kind: 'FamfsPool';
  readonly spec: FamfsPoolSpec;
  readonly status?: FamfsPoolStatus;
}
