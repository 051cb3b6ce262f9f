// The reset of a pool in a cluster in memory, by the decisions of the driver's controller: what nodes answer, and what mkfs does, is
// this file's. Holds that nothing is lost that somebody has.
import assert from 'node:assert/strict';
import type { ReportedFormat } from '../src/kubernetes/famfs-node.ts';
import { type FamfsPoolReset, resetAnnotation } from '../src/kubernetes/famfs-pool.ts';
import type { NodeReport } from '../src/kubernetes/node-reports.ts';
import { forgetContents, forgetVolume, stragglersOf } from '../src/kubernetes/pool-contents.ts';
import { nextReset, type ResetStep, type ResetView } from '../src/kubernetes/pool-reset.ts';
import { silentLogger as log } from '../src/observe/logger.ts';
import type { PoolUuid } from '../src/volumes/ids.ts';
import { newId } from '../src/volumes/volume-record.ts';
import { nodeReportsOf, poolObjectOf } from './cluster-reports.ts';
import { ModelPool } from './model-pool.ts';
import type { ProvisioningCluster } from './provisioning-cluster.ts';
import { passTurns } from './turns.ts';

/** @returns whether it was done; when not, nothing has changed */
export async function resetPool(cluster: ProvisioningCluster, index: number): Promise<boolean> {
  const pool = cluster.pools[index] ?? assert.fail(`there is no pool ${index}`);
  let reset: FamfsPoolReset | undefined;
  try {
    for (;;) {
      const step = await nextStep(cluster, pool, reset);
      if (step.kind === 'none' || (step.kind === 'at' && step.reset.phase === 'Refused')) return false;
      if (step.kind === 'done') {
        await forgetContents({ records: cluster.store, log }, pool.uuid);
        return true;
      }
      reset = step.reset;
      cluster.released.add(pool.uuid);
      // What had been begun goes on meanwhile, as far as it can.
      await passTurns(5);
      cluster.beat();
      if (reset.phase === 'Formatting') makeAnew(cluster, index);
    }
  } finally {
    cluster.released.delete(pool.uuid);
  }
}

/** Records that reach the store after their pool was reset, from a process that slept: the controller removes them. */
export async function removeStragglers(cluster: ProvisioningCluster): Promise<void> {
  const uuids = new Set<string | undefined>(cluster.pools.map(({ uuid }) => uuid));
  const volumes = await cluster.store.list();
  for (const { name } of cluster.pools)
    for (const volume of stragglersOf(name, uuids, { volumes })) await forgetVolume(cluster.store, volume);
}

async function nextStep(
  cluster: ProvisioningCluster,
  pool: ModelPool,
  reset: FamfsPoolReset | undefined,
): Promise<ResetStep> {
  const [volumes, slots] = await Promise.all([cluster.store.list(), cluster.store.slots()]);
  const declared = poolObjectOf(cluster, pool);
  const asked = {
    ...declared,
    metadata: { ...declared.metadata, annotations: { [resetAnnotation]: pool.uuid } },
    status: { ...declared.status, ...(reset === undefined ? {} : { reset }) },
  };
  const isCareless = cluster.mistakes.reset === 'careless';
  const inPool = volumes.filter(({ spec }) => spec.poolUuid === pool.uuid);
  const view: ResetView = {
    ...{ pool: asked, pools: [asked], nodes: reportsOf(cluster, pool, reset), missing: cluster.missing() },
    volumes: isCareless ? [] : inPool.map(({ name }) => name),
    slotCount: slots.length,
    ...{ hasNode: () => true, now: new Date(), newAttempt: newId },
  };
  return nextReset(view);
}

function reportsOf(
  cluster: ProvisioningCluster,
  pool: ModelPool,
  reset: FamfsPoolReset | undefined,
): readonly NodeReport[] {
  const answered = nodeReportsOf(cluster, ({ name, published }) => {
    const isUsed = [...published.values()].some(({ poolUuid }) => poolUuid === pool.uuid);
    if (reset?.attempt === undefined) return {};
    const problem = { reason: 'pool-in-use', message: 'A pod has it.' };
    const isMade = reset.phase === 'Formatting' && name === pool.master;
    const answer: ReportedFormat = {
      ...{ pool: pool.name, poolUID: `uid-of-${pool.name}`, device: 'dax0.0', replaces: pool.uuid },
      ...{ attempt: reset.attempt, phase: isUsed ? 'Refused' : isMade ? 'Formatted' : 'Released' },
      ...(isUsed ? { problem } : {}),
      ...(isMade ? { fileSystemUUID: newUuidOf(pool) } : {}),
    };
    return { formats: [answer] };
  });
  return answered.flatMap(({ metadata: { name }, status }) => {
    const isReachable = cluster.nodes.some((node) => node.name === name && node.isReachable);
    if (status === undefined) return [];
    return [{ name, status, absence: isReachable ? undefined : 'is away', isGone: false, isSettled: true }];
  });
}

function makeAnew(cluster: ProvisioningCluster, index: number): void {
  const pool = cluster.pools[index] ?? assert.fail(`there is no pool ${index}`);
  const users = [
    ...cluster.live.values(),
    ...cluster.nodes.flatMap(({ published }) => [...published.values()]),
  ];
  const user = users.find(({ poolUuid }) => poolUuid === pool.uuid);
  if (user !== undefined) throw new Error(`${pool.name} is made anew while somebody has ${user.name}`);
  const { name, units, logEntries, deletedVolumes, master } = pool;
  cluster.pools[index] = new ModelPool({
    ...{ name, units, logEntries, deletedVolumes, master, uuid: newUuidOf(pool) },
  });
}

/** Of each generation another one. */
function newUuidOf({ uuid }: ModelPool): PoolUuid {
  const generation = Number.parseInt(uuid.slice(-12), 16) + 1;
  return `${uuid.slice(0, -12)}${generation.toString(16).padStart(12, '0')}` as PoolUuid;
}
