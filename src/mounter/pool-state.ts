// What the mounter knows of devices and pools, as plain data for whoever watches.
import type { Reason } from '../errors.ts';
import type { GrantedWriters } from './writers.ts';

export type Mode = 'standalone' | 'fuse';
export type Role = 'master' | 'client';
export type PoolPhase = 'found' | 'mounting' | 'ready' | 'unhealthy' | 'lost';

/** Why something does not work, for a person and for a program. */
export interface Problem {
  readonly reason: Reason;
  readonly message: string;
}

export function isSameProblem(left: Problem | undefined, right: Problem | undefined): boolean {
  return left?.reason === right?.reason && left?.message === right?.message;
}

/** What the log of a pool says, as far as it was read and replayed. */
export type LogFigures = Pick<
  PoolState,
  | 'sizeBytes'
  | 'freeBytes'
  | 'longestFreeRunBytes'
  | 'allocationUnitBytes'
  | 'logEntriesTotal'
  | 'logEntriesUsed'
  | 'logEntriesReplayed'
>;

export interface DeviceState {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: bigint;
  readonly alignBytes: bigint;
  readonly driver: string;
  readonly poolUuid: string | undefined;
  readonly problem: Problem | undefined;
}

export interface PoolState {
  readonly uuid: string;
  readonly device: string;
  readonly phase: PoolPhase;
  readonly problem: Problem | undefined;
  readonly role: Role | undefined;
  readonly mode: Mode | undefined;
  readonly mountPath: string;
  readonly sizeBytes: bigint;
  readonly freeBytes: bigint;
  readonly longestFreeRunBytes: bigint;
  readonly logEntriesTotal: number;
  readonly logEntriesUsed: number;
  readonly logEntriesReplayed: number;
  readonly binds: number;
  readonly simulated: boolean;
  readonly healthyAtMs: number;
  readonly allocationUnitBytes: bigint;
  /** Released on request: its mount is down, and kept down. */
  readonly held: boolean;
  readonly writers: GrantedWriters;
}

export interface NodeState {
  readonly revision: bigint;
  readonly settled: boolean;
  readonly systemUuid: string;
  readonly mode: Mode | undefined;
  readonly launcher: string;
  readonly famfsLocation: string;
  readonly kernelRelease: string;
  readonly allowWrites: string;
  readonly allowFormat: string;
  readonly problems: readonly Problem[];
  readonly devices: readonly DeviceState[];
  readonly pools: readonly PoolState[];
}
