// What is published read-only is so from its first moment to its last: somebody who tries to change it all the time, while
// it comes and goes, never once succeeds.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { mountFileSystem, mountFlags, unmount } from '../../src/linux/mounts.ts';
import { bindPath } from '../../src/mounter/bind.ts';
import { BindRecords } from '../../src/mounter/bind-record.ts';
import { unbindTarget } from '../../src/mounter/unbind.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { CountingProcess } from '../counting-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import type { RunningMounter } from '../running-mounter.ts';
import { makeSamples, sampleText } from '../sample-data.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';
import { effort } from './effort.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('a publish that comes and goes', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let poolUuid: string;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    node = await cluster.addNode('a');
    poolUuid = await node.format('dax0.0');
    mounter = cluster.startMounter(node, { 'log-level': 'error' });
    await mounter.ready(poolUuid);
    const samples = makeSamples(path.join(cluster.directory, 'samples'), { inner: ['weights'] });
    await node.cp(samples, poolUuid, 'llama');
  });
  after(() => cluster?.close());

  /** A file that is there only while its volume is. */
  const victim = (target: string): string => path.join(target, 'inner/weights');

  it('has no moment in which anything of it can be changed', async (t) => {
    const target = node.target('volume');
    const context = {
      poolUuid,
      mountPath: node.poolPath(poolUuid),
      allowedRoots: [node.places.kubelet],
      records: new BindRecords(path.join(cluster.directory, 'records')),
    };
    const order = { path: 'llama', target, volumeId: 'volume', writable: false, soleTarget: false };
    const attacker = new CountingProcess('change', victim(target));
    let cycles = 0;
    try {
      // By the mounter, and by the functions that it binds and unbinds by, which come and go more often in a second.
      for (; cycles < effort(400); cycles++) {
        await mounter.calls.bind({ poolUuid, ...order });
        await mounter.calls.unbind({ target, volumeId: 'volume' });
      }
      for (; cycles < effort(4_000); cycles++) {
        bindPath(context, { ...order, allowExec: false }, []);
        unbindTarget(target, 'volume', context.allowedRoots, context.records);
      }
      await waitUntil('the attacker has met the volume a hundred times', async () => {
        await mounter.calls.bind({ poolUuid, ...order });
        await mounter.calls.unbind({ target, volumeId: 'volume' });
        cycles++;
        return (attacker.counts.EROFS ?? 0) > 100;
      });
    } finally {
      await attacker.end();
    }
    const { counts } = attacker;
    t.diagnostic(`${cycles} cycles, attempts that ended with: ${JSON.stringify(counts)}`);
    assert.deepEqual(
      Object.keys(counts).filter((end) => end !== 'EROFS' && end !== 'ENOENT'),
      [],
    );
    const inner = node.poolPath(poolUuid, 'llama/inner');
    assert.deepEqual(readdirSync(inner), ['weights']);
    assert.equal(readFileSync(path.join(inner, 'weights'), 'utf8'), sampleText('inner/weights'));
  });

  it('has one when it is bound first and made read-only then, which this test notices', async (t) => {
    const target = node.target('naive');
    const source = node.poolPath(poolUuid, 'llama');
    const attacker = new CountingProcess('write', victim(target));
    let cycles = 0;
    try {
      await waitUntil('the attacker has succeeded', () => {
        for (let i = 0; i < 50; i++, cycles++) comeAndGoNaively(source, target);
        return (attacker.counts.written ?? 0) > 0;
      });
    } finally {
      await attacker.end();
    }
    t.diagnostic(`${cycles} cycles, attempts that ended with: ${JSON.stringify(attacker.counts)}`);
  });
});

/** As mount(8) does it: two steps. */
function comeAndGoNaively(source: string, target: string): void {
  mkdirSync(target);
  mountFileSystem({ source, target, type: 'none', flags: mountFlags.bind });
  const flags = mountFlags.bind | mountFlags.remount | mountFlags.readOnly;
  try {
    mountFileSystem({ source: 'none', target, type: 'none', flags });
  } catch {
    // Busy: the attacker writes at this very moment.
  }
  unmount(target, { detach: true });
  rmdirSync(target);
}
