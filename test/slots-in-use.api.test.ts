// What deleted volumes leave, with everything that takes part in using it again: real mounters, agents and an API server. Nothing is
// filled with zeros that a pod may have mounted, under whatever name, and on whatever node that cannot be asked.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { conditionOf } from '../src/kubernetes/conditions.ts';
import type { FamfsVolume } from '../src/kubernetes/famfs-volume.ts';
import { famfsNodes, famfsVolumes } from '../src/kubernetes/resources.ts';
import { PoolCluster } from './pool-cluster.ts';
import { assertNothingLeaked, enterPrivateMounts } from './private-mounts.ts';
import { waitUntil } from './wait-until.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const sizeBytes = 4n << 20n;
/** Nodes are waited for two minutes in any case, and a machine that is busy with other tests may be very slow. */
const patienceMs = 500_000;

describe('what a deleted volume left', { skip }, () => {
  let cluster: PoolCluster;
  let uuid: string;

  before(async () => {
    cluster = await PoolCluster.start();
    uuid = await cluster.makePool('Reuse');
  });
  after(() => cluster?.close());

  /** Waits until the record of a slot passes; what it was last is in the failure. */
  async function untilSlot(
    slot: string,
    what: string,
    passes: (record: FamfsVolume) => boolean,
  ): Promise<void> {
    let last: FamfsVolume | undefined;
    const look = async (): Promise<boolean> => {
      last = await cluster.admin.get<FamfsVolume>(famfsVolumes, `slot-${slot}`);
      return last !== undefined && passes(last);
    };
    await waitUntil(`the slot ${what}`, look, patienceMs).catch((error: unknown) =>
      assert.fail(`${String(error)} ${JSON.stringify(last, undefined, 1)}`),
    );
  }

  it('keeps its bytes while a static volume has them mounted, and while the node of that cannot be asked', {
    timeout: 3 * patienceMs,
  }, async () => {
    const { spec } = await cluster.createVolume('one', sizeBytes);
    const file = cluster.on('a').node.poolPath(uuid, `v/${spec.slot}/data`);
    const bytes = Buffer.alloc(Number(sizeBytes), 'of one; ');
    writeFileSync(file, bytes, { flag: 'r+' });
    const { mounter, node, agent } = cluster.on('b');
    const target = node.target('static');
    await mounter.calls.bind({ poolUuid: uuid, path: `v/${spec.slot}`, target, volumeId: 'by-hand' });
    await cluster.provisioner.delete(spec.volumeId);
    const tells = (text: RegExp) => (record: FamfsVolume) => {
      const ready = conditionOf(record.status?.conditions, 'Ready');
      return ready?.reason === 'VolumeInUse' && text.test(ready.message);
    };
    await untilSlot(spec.slot, 'waits for the pod', tells(/node b has it mounted for a pod/));
    assert.ok(readFileSync(file).equals(bytes));

    await agent.stop();
    await cluster.labelNode('b', uuid);
    await cluster.admin.remove(famfsNodes, 'b');
    await mounter.calls.unbind({ target });
    await untilSlot(spec.slot, 'waits for the node', tells(/node b has not said what it has mounted since/));
    assert.ok(readFileSync(file).equals(bytes));

    agent.restart();
    await untilSlot(spec.slot, 'can be used again', ({ status }) => status?.phase === 'Reusable');
    assert.ok(readFileSync(file).every((byte) => byte === 0));
    assert.equal((await cluster.createVolume('two', sizeBytes)).spec.slot, spec.slot);
  });
});
