// What a mounter does when another host makes a new file system on a pool's memory in the middle of something: rule 3.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { writeFileSystem } from '../../test/file-system-writer.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { poolPhase } from './client.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('a pool whose memory another host formats', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let other: ClusterNode;
  let mounter: RunningMounter;
  let oldUuid: string;

  beforeEach(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    [node, other] = [await cluster.addNode('a'), await cluster.addNode('b')];
    oldUuid = await writeFileSystem(cluster, node, 'dax0.0', { files: { 'set/data': 'old' } });
    mounter = cluster.startMounter(node);
    await mounter.ready(oldUuid);
  });
  afterEach(() => cluster.close());

  const reformat = () => writeFileSystem(cluster, other, 'dax0.0', { files: { 'new/data': 'new' } });
  const bind = (target: string, relative = 'set') =>
    mounter.calls.bind({ poolUuid: oldUuid, path: relative, target, volumeId: target });

  it('makes room for the new pool when its own mount was dead by then', async () => {
    const target = node.target('pod');
    await bind(target);
    process.kill(cluster.daemonOf(node, oldUuid) ?? assert.fail('the pool has no daemon'), 'SIGKILL');
    await mounter.untilProblem(oldUuid, 'pool-dead');
    const newUuid = await reformat();
    await mounter.calls.unbind({ target });
    await mounter.ready(newUuid);
    assert.equal(mounter.pool(oldUuid)?.phase, poolPhase.POOL_PHASE_LOST);
    await assert.rejects(bind(target), { reason: 'pool-reformatted' });
  });

  it('binds nothing more when the format comes in the middle of a replay', async () => {
    const target = node.target('pod');
    await bind(target);
    // The replay has begun, by identity and log of the old file system, when it is held.
    node.spoil('[ "$1" = logplay ] && { echo replay >> $NOTES; while [ -f $NOTES ]; do sleep 0.01; done; }');
    const late = bind(node.target('late'), 'new');
    // It may be refused while the format still runs, before anybody looks at it here.
    late.catch(() => undefined);
    await waitUntil('a replay is under way', () => node.notes().length > 0);
    const newUuid = await reformat();
    node.mend();
    node.clearNotes();
    await assert.rejects(late, { reason: 'pool-reformatted' });
    await assert.rejects(bind(node.target('later')), { reason: 'pool-reformatted' });
    assert.deepEqual(
      readdirSync(path.join(node.places.kubelet, 'pods/late/volumes/kubernetes.io~csi/pv')),
      [],
    );
    await mounter.calls.unbind({ target });
    await mounter.ready(newUuid);
  });

  it('is not mounted under its old name when the format comes just before the mount', async () => {
    node.spoil(
      'case "$1 $*" in "mount "*" -D "*) ;; "mount "*) echo mount >> $NOTES; while [ -f $NOTES ]; do sleep 0.01; done ;; esac',
    );
    process.kill(cluster.daemonOf(node, oldUuid) ?? assert.fail('the pool has no daemon'), 'SIGKILL');
    await waitUntil('it is being mounted', () => node.notes().length > 0);
    const newUuid = await reformat();
    node.mend();
    node.clearNotes();
    await mounter.ready(newUuid);
    assert.equal(mounter.pool(oldUuid)?.phase, poolPhase.POOL_PHASE_LOST);
    assert.equal(cluster.mountPoints().includes(path.normalize(node.poolPath(oldUuid))), false);
    await assert.rejects(bind(node.target('pod')), { reason: 'pool-reformatted' });
  });
});
