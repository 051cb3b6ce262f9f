// FamfsNode: what one node has and how it is, written by its own agent alone and named like the node. The types are held
// against the CRD by a test.
import type { GrantedWriters } from '../volumes/pool-facts.ts';
import type { ApiObject, Condition } from './api-object.ts';

export interface ReportedProblem {
  /** A reason of src/errors.ts. */
  readonly reason: string;
  readonly message: string;
}

/** Sizes are quantities. */
export interface ReportedDevice {
  readonly name: string;
  readonly path: string;
  readonly size: string;
  readonly driver?: string;
  /** Missing while unknown, or when the device carries no famfs. */
  readonly fileSystemUUID?: string;
  readonly problem?: ReportedProblem;
}

export interface ReportedPool {
  readonly uuid: string;
  readonly device: string;
  readonly phase: 'Found' | 'Mounting' | 'Ready' | 'Unhealthy' | 'Lost';
  readonly role: 'Master' | 'Client' | 'Unknown';
  readonly mode: 'standalone' | 'fuse' | 'unknown';
  readonly size: string;
  readonly free: string;
  readonly longestFreeRun: string;
  readonly allocationUnit: string;
  readonly logEntriesUsed: number;
  readonly logEntriesTotal: number;
  readonly logEntriesReplayed: number;
  readonly simulated: boolean;
  /** What the node publishes writable of it: `safe` where a writer cannot stop the pool, `unsafe` although one can. */
  readonly writers: GrantedWriters;
  /** Released on request, and not mounted before that is lifted or the device carries another file system. */
  readonly held: boolean;
  /** How many mounts of it pods have here, static volumes included. */
  readonly binds: number;
  /** What of it they are of, relative to its root; each path once. */
  readonly boundPaths: readonly string[];
  readonly problem?: ReportedProblem;
}

/**
 * A mkfs that a FamfsPool asked this node for; `Formatting` is written before the command runs. Also the answer of a node that is
 * asked to let go of a pool that is to be reset: `Released` or `Refused`.
 */
export interface ReportedFormat {
  /** metadata.name and metadata.uid of the FamfsPool */
  readonly pool: string;
  readonly poolUID: string;
  readonly device: string;
  readonly phase: 'Released' | 'Formatting' | 'Formatted' | 'Refused';
  readonly fileSystemUUID?: string;
  /** Of a reset: the file system in whose place another one is made, and FamfsPool.status.reset.attempt. */
  readonly replaces?: string;
  readonly attempt?: string;
  readonly problem?: ReportedProblem;
}

export interface FamfsNodeStatus {
  readonly systemUUID: string;
  readonly driverVersion: string;
  readonly kernelRelease: string;
  readonly mode: 'standalone' | 'fuse' | 'unknown';
  readonly launcher: string;
  readonly famfsLocation: string;
  readonly allowWrites: string;
  readonly allowFormat: string;
  readonly devices: readonly ReportedDevice[];
  readonly pools: readonly ReportedPool[];
  readonly publishedVolumeIDs: readonly string[];
  readonly formats: readonly ReportedFormat[];
  /** RFC 3339; renewed every minute at least, so that a report that is old is known to be. */
  readonly reportedAt: string;
  /** `Ready`. */
  readonly conditions: readonly Condition[];
}

export interface FamfsNode extends ApiObject {
  readonly kind: 'FamfsNode';
  readonly status?: FamfsNodeStatus;
}
