// A pool's log that is full or grows at the wrong moment, two hosts that both take themselves for its master, and another
// memory in the place of its own: docs/failures.md, "The pool".
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { emptyLogHeader, encodeLog } from '../src/famfs/log-writer.ts';
import { poolPhase } from '../src/mounter/client.ts';
import { assertRefused } from './bound-node.ts';
import type { ClusterNode } from './cluster-node.ts';
import { directory, logLengthBytes } from './memory-pool.ts';
import { assertNothingLeaked, enterPrivateMounts } from './private-mounts.ts';
import type { RunningMounter } from './running-mounter.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { waitUntil } from './wait-until.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const masterRole = 1;

describe('a pool', { skip }, () => {
  let cluster: SimulatedCluster;
  let pods = 0;

  beforeEach(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
  });
  afterEach(() => cluster.close());

  async function bind(mounter: RunningMounter, poolUuid: string, relative: string): Promise<string> {
    const target = mounter.node.target(`pod${pods++}`);
    await mounter.calls.bind({ poolUuid, path: relative, target, volumeId: `volume-${pods}` });
    return target;
  }

  const unbind = (mounter: RunningMounter, target: string) => mounter.calls.unbind({ target });

  it('whose log is full takes no file more, and serves all that it has', async () => {
    const node = await cluster.addNode('a');
    const poolUuid = await node.format('dax0.0');
    const entriesTotal = Number(emptyLogHeader(logLengthBytes).lastIndex) + 1;
    const paths = Array.from({ length: entriesTotal - 2 }, (_, index) => `set/d${index}`);
    const all = ['set', 'last', ...paths].map((name) => directory(name));
    writeFileSync(path.join(cluster.memory(), 'log'), encodeLog(logLengthBytes, all), { flag: 'r+' });
    const mounter = cluster.startMounter(node);
    await mounter.ready(poolUuid);
    const { poolLogEntriesTotal, poolLogEntriesUsed } = await mounter.calls.stat({ poolUuid, path: 'last' });
    assert.deepEqual([poolLogEntriesTotal, poolLogEntriesUsed], [BigInt(entriesTotal), BigInt(entriesTotal)]);
    const order = { poolUuid, directory: 'more', mode: 0o644, uid: 0, gid: 0 };
    const files = [{ name: 'data', sizeBytes: 4096n }];
    const make = async (): Promise<void> => {
      for await (const { filesMade } of mounter.calls.makeFiles({ ...order, files }, {}))
        assert.equal(filesMade, 0);
    };
    await assertRefused(make(), 'log-full', /log.*(full|no entr|entries)/i);
    const target = await bind(mounter, poolUuid, `set/d${entriesTotal - 3}`);
    await unbind(mounter, target);
    assert.equal(mounter.pool(poolUuid)?.problem, null);
  });

  it('whose log grows between its validation and its replay is shown whole', async () => {
    const [master, client] = await Promise.all([cluster.addNode('a'), cluster.addNode('b')]);
    const poolUuid = await master.format('dax0.0');
    const [making, mounter] = [cluster.startMounter(master), cluster.startMounter(client)];
    await Promise.all([making.ready(poolUuid), mounter.ready(poolUuid)]);
    await master.mkdir(poolUuid, 'set');
    const hold = path.join(client.places.root, 'hold');
    writeFileSync(hold, '');
    client.spoil(
      `[ "$1" = logplay ] && { echo held >> $NOTES; while [ -f '${hold}' ]; do sleep 0.02; done; }`,
    );
    const bound = bind(mounter, poolUuid, 'set');
    await waitUntil(
      'the log has been validated and is about to be replayed',
      () => client.notes().length > 0,
    );
    await master.creat(poolUuid, 'set/late', 4096);
    rmSync(hold);
    const target = await bound;
    client.mend();
    assert.deepEqual(readdirSync(target), ['late']);
    await unbind(mounter, target);
    await mounter.untilPool(poolUuid, 'has counted the late file', (pool) => pool.logEntriesReplayed === 2n);
  });

  it('of which two hosts take themselves for the master shows on each what the other has made', async () => {
    const [first, second] = await Promise.all([cluster.addNode('a'), cluster.addNode('b')]);
    const identity = (of: ClusterNode): string => path.join(of.places.root, 'opt/famfs/system_uuid');
    const poolUuid = await first.format('dax0.0');
    // As hosts that were cloned from one disk image, or one that was restored from another's snapshot, have it.
    rmSync(identity(second), { force: true });
    copyFileSync(identity(first), identity(second));
    const mounters = [cluster.startMounter(first), cluster.startMounter(second)] as const;
    for (const mounter of mounters) {
      await mounter.ready(poolUuid);
      assert.equal(mounter.pool(poolUuid)?.role, masterRole, 'what a person looks at tells of two masters');
    }
    await first.mkdir(poolUuid, 'of-first');
    for (const mounter of mounters) {
      await mounter.untilPool(poolUuid, 'has replayed it', (pool) => pool.logEntriesReplayed === 1n);
    }
    await second.mkdir(poolUuid, 'of-second');
    for (const mounter of mounters) {
      for (const made of ['of-first', 'of-second'])
        await unbind(mounter, await bind(mounter, poolUuid, made));
      await mounter.untilPool(poolUuid, 'has both', (pool) => pool.logEntriesReplayed === 2n);
      assert.equal(mounter.pool(poolUuid)?.problem, null);
    }
  });

  it('whose device is replaced by another memory is not shown from there, and the other pool is served', async () => {
    await cluster.addMemory('other');
    const node = await cluster.addNode('a', { devices: { 'dax0.0': 'memory', 'dax1.0': 'other' } });
    const poolUuid = await node.format('dax0.0');
    const otherUuid = await node.format('dax1.0');
    node.unplug('dax1.0');
    const mounter = cluster.startMounter(node);
    await mounter.ready(poolUuid);
    await node.mkdir(poolUuid, 'set');
    const target = await bind(mounter, poolUuid, 'set');
    // Under the same name the node now sees other memory, as after a switch was configured anew.
    process.kill(cluster.daemonOf(node, poolUuid) ?? assert.fail('no daemon'), 'SIGKILL');
    await mounter.untilProblem(poolUuid, 'pool-dead');
    rmSync(node.device('dax0.0'));
    symlinkSync(cluster.memory('other'), node.device('dax0.0'));
    assert.deepEqual(await unbind(mounter, target), { wasBound: true });
    await mounter.ready(otherUuid);
    const gone = await mounter.untilPool(
      poolUuid,
      'is lost',
      ({ phase }) => phase === poolPhase.POOL_PHASE_LOST,
    );
    assert.equal(gone.problem?.reason, 'pool-reformatted');
    await assertRefused(bind(mounter, poolUuid, 'set'), 'pool-reformatted', new RegExp(otherUuid));
    assert.equal(existsSync(target), false);
  });
});
