// The way to a target: plain directories below kubelet's own, and nothing else.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { makeSamples } from '../../test/sample-data.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('the way to a target', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let poolUuid: string;
  let pods = 0;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    node = await cluster.addNode('a');
    poolUuid = await node.format('dax0.0');
    mounter = cluster.startMounter(node);
    await mounter.ready(poolUuid);
    const samples = makeSamples(path.join(cluster.directory, 'samples'), { llama: ['config'] });
    await node.cp(samples, poolUuid, 'models');
  });
  after(() => cluster.close());

  const newTarget = (): string => node.target(`pod${pods++}`);
  const bind = (target: string, order: Partial<Parameters<RunningMounter['calls']['bind']>[0]> = {}) =>
    mounter.calls.bind({ poolUuid, path: 'models/llama', target, volumeId: 'volume-1', ...order });
  const unbind = (target: string) => mounter.calls.unbind({ target, volumeId: '' });

  it('has no symbolic link in it, wherever', async () => {
    const outside = path.join(cluster.directory, 'outside');
    mkdirSync(outside);
    const pod = path.dirname(newTarget());
    symlinkSync(outside, path.join(pod, 'leaf'));
    symlinkSync(outside, path.join(pod, 'above'));
    symlinkSync('.', path.join(pod, 'here'));
    for (const target of ['leaf', 'above/mount', 'here/mount', 'here/here/mount']) {
      await assert.rejects(bind(path.join(pod, target)), { reason: 'target-unusable' }, target);
    }
    assert.deepEqual(readdirSync(outside), []);
    await assert.rejects(unbind(path.join(pod, 'above/mount')), { reason: 'target-unusable' });
    assert.deepEqual(await unbind(path.join(pod, 'leaf')), { wasBound: false });
    assert.ok(existsSync(path.join(pod, 'leaf')), 'what is not ours is left alone');
  });

  it('does not take a bind for gone whose directory was moved away', async () => {
    const target = newTarget();
    const { mountId } = await bind(target);
    const volume = path.dirname(target);
    renameSync(volume, `${volume}.moved`);
    await assert.rejects(unbind(target), { reason: 'target-busy', message: /pv\.moved\/mount/ });
    mkdirSync(volume);
    await assert.rejects(unbind(target), { reason: 'target-busy' });
    rmdirSync(volume);
    renameSync(`${volume}.moved`, volume);
    assert.equal((await bind(target)).mountId, mountId);
    assert.deepEqual(await unbind(target), { wasBound: true });
    assert.deepEqual(await unbind(target), { wasBound: false });
  });

  it('leads nowhere but below the configured folders', async () => {
    const outside = path.join(cluster.directory, 'elsewhere/mount');
    mkdirSync(path.dirname(outside));
    await assert.rejects(bind(outside), { reason: 'outside-allowed-root' });
    await assert.rejects(unbind(outside), { reason: 'outside-allowed-root' });
    await assert.rejects(bind(node.places.kubelet), { reason: 'outside-allowed-root' });
    await assert.rejects(bind(`${node.places.kubelet}/../elsewhere/mount`), { reason: 'invalid-argument' });
  });

  it('does not go through a pool', async () => {
    const target = newTarget();
    await bind(target, { path: 'models' });
    const inside = path.join(target, 'llama/mount');
    await assert.rejects(bind(inside), { reason: 'target-unusable' });
    await assert.rejects(unbind(inside), { reason: 'target-unusable' });
    await unbind(target);
  });
});
