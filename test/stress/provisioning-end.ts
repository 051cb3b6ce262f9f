// How every sequence ends: all troubles are over, the orchestrator brings to its end whatever it has begun, and then everything
// that is there has to be what it knows of: volumes, slots, space, and not one record or file more.
import assert from 'node:assert/strict';
import { capacityOf } from '../../src/volumes/capacity.ts';
import { parseClassParameters } from '../../src/volumes/class-parameters.ts';
import { entriesOf } from '../../src/volumes/pool-choice.ts';
import { isSameLayout } from '../../src/volumes/slot-layout.ts';
import { isHeld } from '../../src/volumes/slot-promise.ts';
import { slotPath, type VolumeRecord } from '../../src/volumes/volume-record.ts';
import type { ModelPool } from '../model-pool.ts';
import { removeStragglers } from '../pool-resetting.ts';
import { type ProvisioningCluster, unitBytes } from '../provisioning-cluster.ts';
import { passTurns } from '../turns.ts';
import { waitUntil } from '../wait-until.ts';
import { create, remove } from './provisioning-commands.ts';
import {
  type Claim,
  capacityFor,
  filledSlots,
  leftSlots,
  type ProvisioningModel,
  poolsFor,
} from './provisioning-model.ts';

/** Everything works again, and what was begun is brought to an end. */
export async function bringToAnEnd(model: ProvisioningModel, cluster: ProvisioningCluster): Promise<void> {
  cluster.wakeAll();
  await passTurns(5);
  cluster.failures.clear();
  cluster.controllerRecords.forgetPlan();
  for (const [index, { records }] of cluster.nodes.entries()) {
    records.forgetPlan();
    cluster.setReachable(index, true);
  }
  cluster.restartWhatEnded();
  await removeStragglers(cluster);
  await cluster.tend();
  // Pods of volumes that were deleted while the report of their node was missing.
  for (const { volume } of model.ended)
    for (const index of cluster.nodes.keys()) cluster.unpublish(volume.volumeId, index);
  for (const claim of [...model.claims.values()].filter(({ isEnding }) => isEnding))
    await end(model, cluster, claim);
  for (const claim of [...model.claims.values()].filter(({ volume }) => volume === undefined))
    await settle(model, cluster, claim);
  await cluster.tend();
  await untilScrubbed(cluster);
  if (cluster.violation !== undefined) throw cluster.violation;
}

async function end(model: ProvisioningModel, cluster: ProvisioningCluster, claim: Claim): Promise<void> {
  for (const index of cluster.nodes.keys()) cluster.unpublish(claim.volume?.volumeId ?? '', index);
  for (let attempt = 0; attempt < 10; attempt++) if ((await remove(model, cluster, claim)) === 'ok') return;
  assert.fail(`${claim.name} cannot be deleted`);
}

/** Creates it, or sees that there is no room for it. */
async function settle(model: ProvisioningModel, cluster: ProvisioningCluster, claim: Claim): Promise<void> {
  const outcomes: string[] = [];
  for (let attempt = 0; attempt < 50; attempt++) {
    await untilScrubbed(cluster);
    const isPossible = await hasPlace(model, cluster, claim);
    const outcome = await create(model, cluster, claim.name, claim.shape);
    if (outcome === 'ok') return;
    outcomes.push(outcome);
    if ((outcome === 'out-of-space' || outcome === 'log-full') && !isPossible) return;
    // A refusal of a moment ago may still be in the record; its master tries again by itself.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.fail(`${claim.name} cannot be created: ${outcomes}`);
}

/** Whether the simplest of minds would see room for it. */
async function hasPlace(
  model: ProvisioningModel,
  cluster: ProvisioningCluster,
  claim: Claim,
): Promise<boolean> {
  const { fileCount, units } = claim.shape;
  const record = await cluster.store.get(claim.name);
  if (record !== undefined && !record.deleting) return canFinish(cluster.pool(record.spec.poolUuid), record);
  const allowed = poolsFor(cluster, claim.shape);
  const isLeft = leftSlots(cluster, model).some(
    ({ volume: { poolUuid, layout } }) =>
      allowed.has(poolUuid) &&
      layout.fileCount === fileCount &&
      layout.fileSizeBytes === BigInt(units) * unitBytes,
  );
  return isLeft || cluster.pools.some((pool) => allowed.has(pool.uuid) && hasRoom(pool, fileCount, units));
}

function canFinish(pool: ModelPool, { spec: { slot, layout } }: VolumeRecord): boolean {
  const missing = layout.fileCount - pool.filesIn(slotPath(slot)).length;
  if (missing === 0) return true;
  return hasRoom(pool, missing, Number(layout.fileSizeBytes / unitBytes));
}

function hasRoom(pool: ModelPool, fileCount: number, units: number): boolean {
  return pool.fits(fileCount, units) && pool.logEntries - pool.entriesUsed >= entriesOf({ fileCount });
}

async function untilScrubbed(cluster: ProvisioningCluster): Promise<void> {
  await waitUntil('every slot that nobody has is zero', async () => {
    if (cluster.violation !== undefined) throw cluster.violation;
    const [volumes, slots] = await Promise.all([cluster.store.list(), cluster.store.slots()]);
    const published = await cluster.publishedVolumeIds();
    return slots.every(
      (slot) => slot.phase !== 'Scrubbing' || published.has(slot.formerVolumeId) || isHeld(slot, volumes),
    );
  });
}

/** What is there is what the orchestrator knows of. */
export async function assertAsKnown(model: ProvisioningModel, cluster: ProvisioningCluster): Promise<void> {
  await assertVolumes(model, cluster);
  await assertSlots(model, cluster);
  await assertCapacity(model, cluster);
}

async function assertVolumes(model: ProvisioningModel, cluster: ProvisioningCluster): Promise<void> {
  const records = await cluster.store.list();
  for (const { name, volume } of model.claims.values()) {
    if (volume === undefined) continue;
    const record = await cluster.store.get(name);
    assert.equal(record?.spec.volumeId, volume.volumeId, `the record of ${name}`);
    assert.equal(record?.status.phase, 'Ready');
    const made = cluster.pool(volume.poolUuid).filesIn(slotPath(volume.slot));
    assert.equal(made.length, volume.layout.fileCount, `the files of ${name}`);
  }
  for (const { name, status } of records) {
    const claim = model.claims.get(name);
    assert.ok(claim !== undefined, `there is a record of ${name}, which nobody waits for`);
    // What was begun and finds no room waits for it, with the files that were made.
    if (claim.volume === undefined) assert.ok(status.filesMade > 0, `${name} was refused and is recorded`);
  }
}

/** Every file in a pool belongs to one record, and every record has its files. */
async function assertSlots(model: ProvisioningModel, cluster: ProvisioningCluster): Promise<void> {
  const [volumes, slots] = await Promise.all([cluster.store.list(), cluster.store.slots()]);
  const named = [...volumes.map(({ spec }) => spec.slot), ...slots.map(({ slot }) => slot)];
  assert.equal(new Set(named).size, named.length, 'two records name one slot');
  assert.deepEqual(new Set(named), filledSlots(cluster), 'the slots of records, and those in pools');
  for (const { volume } of leftSlots(cluster, model)) {
    const slot = slots.find((each) => each.slot === volume.slot);
    assert.equal(slot?.phase, 'Reusable', `the slot that ${volume.name} left`);
    assert.ok(slot && isSameLayout(slot.layout, volume.layout));
    const files = cluster.pool(volume.poolUuid).filesIn(slotPath(volume.slot));
    assert.ok(
      files.every(({ isZero }) => isZero),
      `what ${volume.name} left is not zero`,
    );
  }
  for (const { slot, phase, poolUuid } of slots)
    if (cluster.pool(poolUuid).deletedVolumes === 'Keep') assert.equal(phase, 'Kept', slot);
}

async function assertCapacity(model: ProvisioningModel, cluster: ProvisioningCluster): Promise<void> {
  const [volumes, slots, pools] = await Promise.all([
    cluster.store.list(),
    cluster.store.slots(),
    cluster.list(),
  ]);
  // What was begun and waits counts as taken already; the simple rule knows nothing of that.
  if (volumes.some(({ status }) => status.phase !== 'Ready')) return;
  for (const fileCount of [1, 3]) {
    const parameters = parseClassParameters(
      fileCount === 1 ? {} : { layout: 'files', fileCount: String(fileCount) },
    );
    const { availableBytes, maximumVolumeBytes } = capacityOf(
      { parameters, uuids: undefined, hasWriter: true },
      pools,
      { volumes, slots },
    );
    const expected = capacityFor(cluster, model, fileCount);
    assert.deepEqual([availableBytes, maximumVolumeBytes], [expected.availableBytes, expected.largestBytes]);
  }
}
