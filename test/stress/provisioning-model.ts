// What an orchestrator knows and does about volumes, as external-provisioner does it: it repeats a call whose end it does not know,
// forgets what was refused for good, and ends only volumes that nobody has. Knows nothing of how volumes are made.
import assert from 'node:assert/strict';
import type { Reason } from '../../src/errors.ts';
import { statusNameOf } from '../../src/rpc/status.ts';
import { parseClassParameters } from '../../src/volumes/class-parameters.ts';
import type { PoolUuid } from '../../src/volumes/ids.ts';
import type { VolumeWish } from '../../src/volumes/provisioner.ts';
import { slotPath } from '../../src/volumes/volume-record.ts';
import { type ProvisioningCluster, type ToldVolume, unitBytes } from '../provisioning-cluster.ts';

/** A claim by small numbers: what a class and a claim say, and where it is to be. */
export interface ClaimShape {
  readonly fileCount: number;
  /** of each file */
  readonly units: number;
  /** The pool that the class names; undefined: any. */
  readonly pool: number | undefined;
  /** The only pool that can be seen where the volume is wanted; undefined: anywhere. */
  readonly requisite: number | undefined;
}

/** What the orchestrator knows of a volume it has asked for. */
export interface Claim {
  readonly name: string;
  readonly shape: ClaimShape;
  /** Undefined as long as no call has been answered with a volume. */
  volume: ToldVolume | undefined;
  /** Its end was asked for, and not answered yet. */
  isEnding: boolean;
}

/** A life that is over: what it left in its pool. */
export interface EndedLife {
  readonly volume: ToldVolume;
}

export interface ProvisioningModel {
  readonly claims: Map<string, Claim>;
  readonly ended: EndedLife[];
}

export function newModel(): ProvisioningModel {
  return { claims: new Map(), ended: [] };
}

/** The codes after which external-provisioner asks again for the same; any other means to it that nothing was begun. */
const passingCodes = new Set([
  'CANCELLED',
  'DEADLINE_EXCEEDED',
  'UNAVAILABLE',
  'RESOURCE_EXHAUSTED',
  'ABORTED',
]);

/** Whether the orchestrator forgets a volume that was refused so. */
export function isForgotten(reason: Reason): boolean {
  return !passingCodes.has(statusNameOf(reason));
}

export function wishOf(cluster: ProvisioningCluster, name: string, shape: ClaimShape): VolumeWish {
  const { fileCount, units, pool, requisite } = shape;
  return {
    name,
    parameters: parseClassParameters({
      ...(pool === undefined ? {} : { pool: `pool-${pool}` }),
      ...(fileCount === 1 ? {} : { layout: 'files', fileCount: String(fileCount) }),
    }),
    range: { requiredBytes: BigInt(units * fileCount) * unitBytes, limitBytes: 0n },
    topology: {
      requisite: requisite === undefined ? undefined : new Set([uuidOf(cluster, requisite)]),
      preferred: [],
    },
    hasWriter: true,
    claim: undefined,
  };
}

function uuidOf(cluster: ProvisioningCluster, index: number): PoolUuid {
  return cluster.pools[index]?.uuid ?? assert.fail(`there is no pool ${index}`);
}

/** Pools that a claim may be served from. */
export function poolsFor(cluster: ProvisioningCluster, { pool, requisite }: ClaimShape): Set<string> {
  const wanted = cluster.pools.filter(
    (_, index) => (pool === undefined || pool === index) && (requisite === undefined || requisite === index),
  );
  return new Set(wanted.map(({ uuid }) => uuid));
}

/** Bytes that can be had for a class of so many files, in all pools: what is free and what deleted volumes left. */
export function capacityFor(
  cluster: ProvisioningCluster,
  model: ProvisioningModel,
  fileCount: number,
): { availableBytes: bigint; largestBytes: bigint } {
  let available = 0;
  let largest = 0;
  for (const pool of cluster.pools) {
    const hasEntries = pool.logEntries - pool.entriesUsed >= fileCount + 2;
    const free = hasEntries ? pool.freeUnits : 0;
    const share = Math.min(Math.floor(free / fileCount), hasEntries ? pool.longestFreeRun : 0);
    const left = leftSlots(cluster, model)
      .filter(({ volume }) => volume.poolUuid === pool.uuid && volume.layout.fileCount === fileCount)
      .map(({ volume }) => Number(volume.layout.fileSizeBytes / unitBytes) * fileCount);
    available += free + left.reduce((sum, units) => sum + units, 0);
    largest = Math.max(largest, share * fileCount, ...left);
  }
  return { availableBytes: BigInt(available) * unitBytes, largestBytes: BigInt(largest) * unitBytes };
}

/**
 * The last life of each slot in pools that use slots again, where nobody has the slot now. Of a pool that was reset there is none,
 * also when its deletion is heard of only afterwards.
 */
export function leftSlots(cluster: ProvisioningCluster, { claims, ended }: ProvisioningModel): EndedLife[] {
  const taken = new Set([...claims.values()].map(({ volume }) => volume?.slot));
  const reusing = new Set(
    cluster.pools.filter(({ deletedVolumes }) => deletedVolumes === 'Reuse').map(({ uuid }) => uuid),
  );
  const last = new Map(ended.map((life) => [life.volume.slot, life]));
  return [...last.values()].filter(({ volume }) => reusing.has(volume.poolUuid) && !taken.has(volume.slot));
}

/** The directories of slots in all pools that hold at least one file. */
export function filledSlots(cluster: ProvisioningCluster): Set<string> {
  return new Set(
    cluster.pools.flatMap((pool) =>
      [...pool.directories]
        .filter((directory) => directory.startsWith(slotPath('')) && pool.filesIn(directory).length > 0)
        .map((directory) => directory.slice(slotPath('').length)),
    ),
  );
}
