// The reset of a pool with everything that takes part in it: the object and its annotation, controller, agents, mounters and
// what is in the memory. Nothing is lost that somebody has, nothing is formatted twice, and no new volume shows old bytes.
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { conditionOf } from '../src/kubernetes/conditions.ts';
import type { FamfsPool } from '../src/kubernetes/famfs-pool.ts';
import { famfsNodes } from '../src/kubernetes/resources.ts';
import type { VolumeRecord } from '../src/volumes/volume-record.ts';
import { PoolCluster } from './pool-cluster.ts';
import { assertNothingLeaked, enterPrivateMounts } from './private-mounts.ts';
import { waitUntil } from './wait-until.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const sizeBytes = 4n << 20n;
const patienceMs = 300_000;
const countFormats = `case "$(basename "$REAL")" in mkfs.famfs) echo mkfs >> $NOTES ;; esac`;

describe('the reset of a pool', { skip }, () => {
  let cluster: PoolCluster;
  let uuid: string;

  before(async () => {
    cluster = await PoolCluster.start();
    await cluster.makePool('Keep');
  });
  after(() => cluster?.close());
  beforeEach(async () => {
    uuid = await cluster.untilServing();
  });
  afterEach(async () => {
    cluster.on('a').node.mend();
    cluster.on('a').node.clearNotes();
    await cluster.annotate(null);
    await cluster.deleteVolumes();
  });

  const fileOf = ({ spec }: VolumeRecord): string =>
    cluster.on('a').node.poolPath(spec.poolUuid, `v/${spec.slot}/data`);

  const refusalIn = ({ status }: FamfsPool): string =>
    status?.reset?.phase === 'Refused' ? (conditionOf(status.conditions, 'Reset')?.message ?? '') : '';

  /** A volume that was filled with something and deleted; its slot is kept. */
  async function leaveDirt(name: string): Promise<VolumeRecord> {
    const volume = await cluster.createVolume(name, sizeBytes);
    writeFileSync(fileOf(volume), Buffer.alloc(Number(sizeBytes), `of ${name}; `), { flag: 'r+' });
    await cluster.provisioner.delete(volume.spec.volumeId);
    return volume;
  }

  it('waits for volumes and for pods, names them, and then makes the pool as empty as on its first day', async () => {
    const volume = await cluster.createVolume('lives', sizeBytes);
    writeFileSync(fileOf(volume), Buffer.alloc(Number(sizeBytes), 'secret'), { flag: 'r+' });
    await cluster.annotate(uuid);
    const refused = await cluster.untilPool('refuses', (pool) => /lives/.test(refusalIn(pool)));
    assert.equal(conditionOf(refused.status?.conditions, 'Ready')?.status, 'True', 'it serves on');

    const { mounter, node } = cluster.on('b');
    const target = node.target('pod');
    const slot = `v/${volume.spec.slot}`;
    await mounter.calls.bind({ poolUuid: uuid, path: slot, target, volumeId: 'static' });
    await cluster.provisioner.delete(volume.spec.volumeId);
    await cluster.untilPool('refuses for the pod', (pool) => /mounted.* b\b/.test(refusalIn(pool)));
    assert.deepEqual(await cluster.recordNames(), [`slot-${volume.spec.slot}`]);
    assert.match(readFileSync(`${target}/data`, 'latin1').slice(0, 12), /secret/);
    await mounter.calls.unbind({ target });

    const other = await cluster.untilServing(uuid);
    const { status } = await cluster.pool();
    assert.equal(status?.reset, undefined);
    assert.equal(conditionOf(status?.conditions, 'Reset')?.status, 'True');
    assert.deepEqual([status?.volumes?.kept, status?.logEntries?.used], ['0', 0]);
    assert.deepEqual(await cluster.recordNames(), []);
    const told = (await cluster.eventReasons()).filter(
      (reason) => !/VolumesCanBeMade|Pool|Master/.test(reason),
    );
    // Events are sent side by side: their order is not said.
    assert.deepEqual(new Set(told), new Set(['ResetRefused', 'Releasing', 'Formatting', 'Reset']));

    const next = await cluster.createVolume('next', sizeBytes);
    assert.equal(next.spec.poolUuid, other);
    assert.ok(
      readFileSync(fileOf(next)).every((byte) => byte === 0),
      'nothing of a former volume',
    );
    const later = cluster.on('b').node.target('later');
    await mounter.calls.bind({
      poolUuid: other,
      path: `v/${next.spec.slot}`,
      target: later,
      volumeId: 'next',
    });
    assert.ok(readFileSync(`${later}/data`).every((byte) => byte === 0));
    await mounter.calls.unbind({ target: later });
  });

  it('formats once, whoever is killed over it', async () => {
    await leaveDirt('gone');
    const { node, agent } = cluster.on('a');
    node.spoil(`
      case "$(basename "$REAL")" in mkfs.famfs)
        echo mkfs >> $NOTES
        "$REAL" "$@"; status=$?
        sleep 2
        exit $status ;;
      esac`);
    await cluster.annotate(uuid);
    await cluster.untilPool('is being released', ({ status }) => status?.reset !== undefined);
    const b = cluster.on('b');
    await b.mounter.kill();
    await b.mounter.restart();
    await waitUntil('mkfs runs', () => node.notes().length > 0, patienceMs).catch(async (error: unknown) =>
      assert.fail(`${String(error)} ${JSON.stringify(await cluster.pool(), undefined, 1)}`),
    );
    await agent.kill();
    await cluster.stopController();
    await b.agent.kill();
    agent.restart();
    b.agent.restart();
    await cluster.startController();
    const other = await cluster.untilServing(uuid);
    node.mend();
    assert.deepEqual(node.notes(), ['mkfs']);
    const volume = await cluster.createVolume('after', sizeBytes);
    assert.equal(volume.spec.poolUuid, other);
    assert.ok(readFileSync(fileOf(volume)).every((byte) => byte === 0));
    await cluster.annotate(other);
    await cluster.untilPool('refuses another one', (pool) => /after/.test(refusalIn(pool)));
    assert.deepEqual(node.notes(), ['mkfs']);
  });

  it('is done by the mounter that was killed in the middle of mkfs, or by its successor, and ends in one pool', async () => {
    const { node, mounter } = cluster.on('a');
    node.spoil(`
      case "$(basename "$REAL")" in mkfs.famfs)
        echo mkfs >> $NOTES
        sleep 1 ;;
      esac`);
    await cluster.annotate(uuid);
    await waitUntil('mkfs runs', () => node.notes().length > 0, patienceMs);
    await mounter.kill();
    node.spoil(countFormats);
    await mounter.restart();
    const other = await cluster.untilServing(uuid);
    node.mend();
    assert.ok(node.notes().length <= 2, 'the command was cut off, or found done');
    // What a famfs leaves whose mounter was killed is cleared with the next look at a device, and none comes here.
    for (const name of readdirSync(node.places.tmp))
      rmSync(path.join(node.places.tmp, name), { recursive: true });
    const { status } = await cluster.pool();
    assert.deepEqual([status?.fileSystemUUID, status?.reset], [other, undefined]);
  });

  it('does not begin while a node that saw the pool is unreachable, and ends its waiting when that is back', async () => {
    const { agent } = cluster.on('b');
    await agent.stop();
    await cluster.setNodeReady('b', false);
    await cluster.untilPool('is seen by a alone', ({ status }) => status?.nodes?.length === 1);
    cluster.on('a').node.spoil(countFormats);
    await cluster.annotate(uuid);
    await cluster.untilPool('refuses for b', (pool) => /cannot be asked.*\bb\b/.test(refusalIn(pool)));
    assert.deepEqual(cluster.on('a').node.notes(), []);
    agent.restart();
    await cluster.setNodeReady('b', true);
    await cluster.untilServing(uuid);
    cluster.on('a').node.mend();
    assert.deepEqual(cluster.on('a').node.notes(), ['mkfs']);
  });

  it('does not forget a node whose FamfsNode was deleted by hand', async () => {
    const { agent } = cluster.on('b');
    await agent.stop();
    await cluster.labelNode('b', uuid);
    await cluster.admin.remove(famfsNodes, 'b');
    cluster.on('a').node.spoil(countFormats);
    await cluster.annotate(uuid);
    const refused = await cluster.untilPool('refuses for b', (pool) =>
      /\bb has not said what it has mounted since its FamfsNode was deleted/.test(refusalIn(pool)),
    );
    assert.deepEqual(
      refused.status?.nodesAway?.map(({ name }) => name),
      ['b'],
    );
    assert.deepEqual(cluster.on('a').node.notes(), []);
    agent.restart();
    await cluster.untilServing(uuid);
    assert.deepEqual(cluster.on('a').node.notes(), ['mkfs']);
  });

  it('is refused when a node does not let go, and leaves the pool as it was', async () => {
    const { node } = cluster.on('b');
    cluster.on('a').node.spoil(countFormats);
    const descriptor = openSync(node.poolPath(uuid, '.meta/.superblock'), 'r');
    try {
      await cluster.annotate(uuid);
      await cluster.untilPool('tells of b', (pool) => /b does not let go/.test(refusalIn(pool)));
    } finally {
      closeSync(descriptor);
    }
    await cluster.annotate(null);
    const { status } = await cluster.untilPool(
      'speaks of it no more',
      ({ status }) => status?.reset === undefined,
    );
    assert.equal(conditionOf(status?.conditions, 'Reset'), undefined);
    assert.equal(await cluster.untilServing(), uuid);
    assert.deepEqual(cluster.on('a').node.notes(), []);
    const volume = await cluster.createVolume('still', sizeBytes);
    assert.equal(volume.spec.poolUuid, uuid);
  });
});
