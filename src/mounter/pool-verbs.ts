// What the mounter asks of a pool's worker process, and what comes back: plain data, the same on both sides.
import type { OperationPolicy } from './writers.ts';

/** What the first bytes of `.meta/.superblock` say, read afresh. */
export interface ProbeResult {
  readonly fileSystemUuid: string;
  readonly systemUuid: string;
  /** Found out once for a mount; undefined where nobody may write anyway. */
  readonly operationPolicy: OperationPolicy | undefined;
}

/** The pool's log as far as it has been read and found good. */
export interface LogSummary {
  readonly entriesUsed: number;
  readonly entriesTotal: number;
  readonly sizeBytes: bigint;
  readonly freeBytes: bigint;
  readonly longestFreeRunBytes: bigint;
  readonly allocationUnitBytes: bigint;
  readonly changed: boolean;
}

/** What a path of the pool holds, out of the log. */
export interface PathContents {
  readonly type: 'file' | 'dir';
  readonly sizeBytes: bigint;
  readonly allocatedBytes: bigint;
  readonly logEntries: number;
}

export interface MappingEvidence {
  readonly kind: 'dax-2mib' | 'dax-4kib' | 'page-cache' | 'simulated' | 'unknown';
  readonly pageSizeBytes: number;
  readonly mappedBytes: bigint;
  readonly evidence: string;
}

/** Where the kernel has a mount: its unique id and the device number of its superblock. */
export interface MountPlace {
  readonly mountId: bigint;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly fileSystemType: string;
  readonly source: string;
}

/** An entry of the log, as far as whoever makes files compares it with what was wished. */
export interface LoggedPath {
  readonly type: 'file' | 'dir';
  readonly sizeBytes: bigint;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A stretch of a file of the pool. */
export interface FileRange {
  readonly path: string;
  readonly offsetBytes: bigint;
  readonly lengthBytes: number;
}

export interface BindOrder {
  readonly path: string;
  readonly target: string;
  readonly writable: boolean;
  readonly allowExec: boolean;
  readonly volumeId: string;
  readonly soleTarget: boolean;
}

/** Verbs of a pool's worker: request and answer of each. Byte arrays and bigints survive the channel. */
export interface PoolVerbs {
  /** Which mount stands at the pool's mount path; undefined when none does. */
  place: { request: Record<string, never>; response: MountPlace | undefined };
  /** Reads the superblock through the mount: identity and health in one read. */
  probe: { request: Record<string, never>; response: ProbeResult };
  /** Reads what is new in the log and validates it. Only under the pool's lock. */
  refreshLog: { request: Record<string, never>; response: LogSummary };
  /** Whether the log header moved since the last refresh. Only under the pool's lock. */
  logMoved: { request: Record<string, never>; response: boolean };
  bind: { request: BindOrder; response: { readonly alreadyBound: boolean; readonly mountId: bigint } };
  /** What the log, as it was last read, holds under these paths; undefined for one that it does not have. */
  look: {
    request: { readonly paths: readonly string[] };
    response: readonly (LoggedPath | undefined)[];
  };
  /** Whether the mount has something under a path, be it logged or not. */
  shows: { request: { readonly path: string }; response: boolean };
  /** Writes zeros over a range of a file, through the mount. */
  zero: { request: FileRange; response: undefined };
  /** Whether a range of a file reads as zeros, through the mount. */
  isZero: { request: FileRange; response: boolean };
  contents: { request: { readonly path: string }; response: PathContents };
  /** Opens and checks every logged file at and below the path, as the mount shows them. */
  verify: { request: { readonly path: string }; response: undefined };
  inspectMapping: {
    request: {
      readonly path: string;
      readonly simulated: boolean;
      readonly physical: PhysicalRange | undefined;
    };
    response: MappingEvidence;
  };
  /** Whether the kernel refuses pods' destructive operations (standalone mode's policy of 2026). */
  operationPolicy: { request: Record<string, never>; response: OperationPolicy };
}

/**
 * In the details of an error: the worker has not read the log, because it has just replaced one that ended. Nothing is
 * wrong with the pool; a replay reads it.
 */
export const logUnreadMark = 'logUnread';

/** A device's place in physical memory, from sysfs. */
export interface PhysicalRange {
  readonly start: bigint;
  readonly sizeBytes: bigint;
}

export type PoolVerb = keyof PoolVerbs;
