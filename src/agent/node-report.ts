// What a node's FamfsNode says, out of what its mounter says: a translation and nothing else. Pure; knows neither the API
// server nor the socket.
import { isDeepStrictEqual } from 'node:util';
import { isReason } from '../errors.ts';
import { conditionReason, type Verdict, withCondition } from '../kubernetes/conditions.ts';
import type {
  FamfsNodeStatus,
  ReportedDevice,
  ReportedFormat,
  ReportedPool,
  ReportedProblem,
} from '../kubernetes/famfs-node.ts';
import { quantityOf } from '../kubernetes/quantity.ts';
import {
  type Bind,
  type Device,
  famfsMode,
  type NodeState,
  type Pool,
  poolPhase,
  poolRole,
} from '../mounter/client.ts';
import { grantOf } from '../volumes/pool-facts.ts';

/** A mount of a pod's: of which volume, and what of which pool. */
export type PublishedBind = Pick<Bind, 'volumeId' | 'poolUuid' | 'path'>;

/** What is known of the node at a moment. */
export interface NodeView {
  /** What the mounter said last; undefined when it has said nothing to this process. */
  readonly state: NodeState | undefined;
  /** Why the mounter cannot be asked now; undefined while it can. */
  readonly problem: ReportedProblem | undefined;
  /** What pods have mounted here; undefined while that cannot be known. */
  readonly binds: readonly PublishedBind[] | undefined;
  readonly formats: readonly ReportedFormat[];
}

const roles: Readonly<Record<number, ReportedPool['role']>> = {
  [poolRole.ROLE_MASTER]: 'Master',
  [poolRole.ROLE_CLIENT]: 'Client',
};
const modes: Readonly<Record<number, ReportedPool['mode']>> = {
  [famfsMode.MODE_STANDALONE]: 'standalone',
  [famfsMode.MODE_FUSE]: 'fuse',
};
const phases: Readonly<Record<number, ReportedPool['phase']>> = {
  [poolPhase.POOL_PHASE_MOUNTING]: 'Mounting',
  [poolPhase.POOL_PHASE_READY]: 'Ready',
  [poolPhase.POOL_PHASE_UNHEALTHY]: 'Unhealthy',
  [poolPhase.POOL_PHASE_LOST]: 'Lost',
};

/**
 * The status of a FamfsNode. What cannot be known now stays as it was reported before: a mounter that restarts has not
 * lost a pool, and a volume that may still be published counts as published.
 * @param previous what was reported last, undefined when nothing ever was
 */
export function nodeReport(
  view: NodeView,
  previous: FamfsNodeStatus | undefined,
  { driverVersion, now }: { readonly driverVersion: string; readonly now: Date },
): FamfsNodeStatus {
  const { state, formats, binds } = view;
  const hasLooked = state?.settled === true;
  return {
    systemUUID: state?.systemUuid || previous?.systemUUID || '',
    driverVersion,
    kernelRelease: state?.kernelRelease ?? previous?.kernelRelease ?? '',
    mode: state === undefined ? (previous?.mode ?? 'unknown') : (modes[state.mode] ?? 'unknown'),
    launcher: state?.launcher ?? previous?.launcher ?? '',
    famfsLocation: state?.famfsLocation ?? previous?.famfsLocation ?? '',
    allowWrites: state?.allowWrites ?? previous?.allowWrites ?? '',
    allowFormat: state?.allowFormat ?? previous?.allowFormat ?? '',
    devices: hasLooked ? sorted(state.devices.map(reportedDevice), 'name') : (previous?.devices ?? []),
    pools: hasLooked
      ? sorted(
          state.pools.map((pool) => reportedPool(pool, pathsOf(pool, binds, previous))),
          'uuid',
        )
      : (previous?.pools ?? []),
    publishedVolumeIDs:
      binds === undefined
        ? (previous?.publishedVolumeIDs ?? [])
        : // A bind whose note was lost has no volume; nobody could ask for it by an id.
          distinct(binds.map(({ volumeId }) => volumeId).filter((id) => id !== '')),
    formats,
    reportedAt: now.toISOString(),
    conditions: withCondition(previous?.conditions, readiness(view), now),
  };
}

/** Whether two reports tell the same, whenever they were made. */
export function tellsTheSame(left: FamfsNodeStatus, right: FamfsNodeStatus): boolean {
  return isDeepStrictEqual({ ...left, reportedAt: '' }, { ...right, reportedAt: '' });
}

function reportedDevice({ name, path, sizeBytes, driver, poolUuid, problem }: Device): ReportedDevice {
  return {
    name,
    path,
    size: quantityOf(sizeBytes),
    ...(driver === '' ? {} : { driver }),
    ...(poolUuid === '' ? {} : { fileSystemUUID: poolUuid }),
    ...reportedProblem(problem),
  };
}

function reportedPool(pool: Pool, boundPaths: readonly string[]): ReportedPool {
  return {
    uuid: pool.uuid,
    device: pool.device,
    phase: phases[pool.phase] ?? 'Found',
    role: roles[pool.role] ?? 'Unknown',
    mode: modes[pool.mode] ?? 'unknown',
    size: quantityOf(pool.sizeBytes),
    free: quantityOf(pool.freeBytes),
    longestFreeRun: quantityOf(pool.longestFreeRunBytes),
    allocationUnit: quantityOf(pool.allocationUnitBytes),
    logEntriesUsed: Number(pool.logEntriesUsed),
    logEntriesTotal: Number(pool.logEntriesTotal),
    logEntriesReplayed: Number(pool.logEntriesReplayed),
    simulated: pool.simulated,
    writers: grantOf(pool.writers),
    held: pool.held,
    binds: pool.binds,
    boundPaths,
    ...reportedProblem(pool.problem),
  };
}

function reportedProblem(problem: ReportedProblem | null | undefined): { problem?: ReportedProblem } {
  return problem == null ? {} : { problem: { reason: problem.reason, message: problem.message } };
}

function pathsOf(
  { uuid }: Pool,
  binds: readonly PublishedBind[] | undefined,
  previous: FamfsNodeStatus | undefined,
): readonly string[] {
  if (binds === undefined) return previous?.pools.find((pool) => pool.uuid === uuid)?.boundPaths ?? [];
  return distinct(binds.filter(({ poolUuid }) => poolUuid === uuid).map(({ path }) => path));
}

function distinct(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].sort();
}

function sorted<K extends string, T extends Readonly<Record<K, string>>>(items: readonly T[], key: K): T[] {
  return items.toSorted((left, right) => (left[key] < right[key] ? -1 : 1));
}

/** The condition `Ready`: whether the mounter of the node can be asked to serve. */
function readiness({ state, problem }: NodeView): Verdict {
  const problems = problem === undefined ? (state?.problems ?? []) : [problem];
  const [first] = problems;
  if (first !== undefined) {
    const reason = conditionReason(isReason(first.reason) ? first.reason : 'internal');
    const message = problems.map((each) => each.message).join(' ');
    return { type: 'Ready', status: 'False', reason, message };
  }
  if (state?.settled !== true) {
    const message = 'The mounter has not looked at all devices yet.';
    return { type: 'Ready', status: 'False', reason: 'LookingAtDevices', message };
  }
  const message = 'The mounter of this node serves.';
  return { type: 'Ready', status: 'True', reason: 'MounterServes', message };
}
