// FamfsPool: one famfs file system as the cluster's administrator declares it, and what its nodes report of it. The types
// are held against the CRD by a test.
import type { DeletedVolumes, PoolWrites } from '../volumes/pool-facts.ts';
import type { ApiObject, Condition } from './api-object.ts';

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
}

/** Sizes are quantities. */
export interface FamfsPoolStatus {
  /** Adopted from the spec, or what mkfs gave the file system; never changes once it is there. */
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
  /** `Ready`, `Formatted`, `Lost`, `SingleMaster`. */
  readonly conditions?: readonly Condition[];
}

export interface FamfsPool extends ApiObject {
  readonly kind: 'FamfsPool';
  readonly spec: FamfsPoolSpec;
  readonly status?: FamfsPoolStatus;
}
