// What deleted volumes left is not touched while some pod may have it, and its record says why.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Mistakes } from '../../test/cluster-mistakes.ts';
import { ProvisioningCluster, type ToldVolume, unitBytes } from '../../test/provisioning-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { parseClassParameters } from './class-parameters.ts';
import { type SlotRecord, slotPath } from './volume-record.ts';

let cluster: ProvisioningCluster;
const newCluster = (mistakes: Mistakes = {}): ProvisioningCluster =>
  new ProvisioningCluster({
    pools: [{ units: 20, logEntries: 40, deletedVolumes: 'Reuse' }],
    ...{ nodeCount: 2, mistakes },
  });
beforeEach(() => {
  cluster = newCluster();
});
afterEach(() => cluster.close());

async function create(name: string): Promise<ToldVolume> {
  const wish = {
    ...{ name, parameters: parseClassParameters({}), hasWriter: true, claim: undefined },
    range: { requiredBytes: 4n * unitBytes, limitBytes: 0n },
    topology: { requisite: undefined, preferred: [] },
  };
  return cluster.told(await cluster.provisioner.create(wish, AbortSignal.timeout(20_000)));
}

async function remove(volume: ToldVolume): Promise<void> {
  cluster.live.delete(volume.volumeId);
  await cluster.provisioner.delete(volume.volumeId);
}

async function untilSlot(condition: (slot: SlotRecord) => boolean): Promise<SlotRecord> {
  let found: SlotRecord | undefined;
  await waitUntil('there is such a slot', async () => {
    found = (await cluster.store.slots()).find(condition);
    return found !== undefined;
  });
  return found ?? assert.fail();
}

describe('a slot that a pod has mounted under the name of another volume', () => {
  const bindOf = ({ poolUuid, slot }: { poolUuid: string; slot: string }) => ({
    poolUuid,
    path: slotPath(slot),
  });

  it('is not filled with zeros before that ends, and its record says why', async () => {
    const volume = await create('former');
    cluster.staticBinds.push(bindOf(volume));
    await remove(volume);
    const { problem } = await untilSlot((slot) => slot.problem !== undefined);
    assert.equal(problem?.reason, 'volume-in-use');
    assert.match(problem.message, new RegExp(`What volume ${volume.volumeId} left .* A pod has it`));
    cluster.staticBinds.length = 0;
    cluster.node(0).maker.look();
    assert.equal((await untilSlot(({ phase }) => phase === 'Reusable')).problem, undefined);
  });

  it('is not given to a new volume, and does not count as room', async () => {
    await remove(await create('former'));
    const left = await untilSlot(({ phase }) => phase === 'Reusable');
    cluster.staticBinds.push(bindOf(left));
    assert.notEqual((await create('second')).slot, left.slot);
    cluster.staticBinds.length = 0;
    assert.equal((await create('third')).slot, left.slot);
  });
});

describe('a slot that a node has whose report was deleted by hand', () => {
  async function leaveUsed(): Promise<ToldVolume> {
    const volume = await create('former');
    cluster.publish(volume, 1);
    cluster.setReachable(1, false);
    cluster.forgetReport(1);
    await remove(volume);
    return volume;
  }

  it('is not filled with zeros before the node has reported and has it no more', async () => {
    const { volumeId } = await leaveUsed();
    const { problem } = await untilSlot((slot) => slot.problem !== undefined);
    assert.match(problem?.message ?? '', /node-1 has not said what it has mounted/);
    cluster.setReachable(1, true);
    await untilSlot((slot) => /node-1 has it mounted for a pod/.test(slot.problem?.message ?? ''));
    cluster.unpublish(volumeId, 1);
    await untilSlot(({ phase }) => phase === 'Reusable');
    assert.equal(cluster.violation, undefined);
  });

  it('would be, if nobody remembered the node', async () => {
    await cluster.close();
    cluster = newCluster({ missing: 'forgotten' });
    await leaveUsed();
    await waitUntil('it is filled with zeros', () => cluster.violation !== undefined);
  });
});
