import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  famfsNode,
  famfsPool,
  nodeObject,
  nodeStatus,
  otherUuid,
  poolUuid,
  reportedDevice,
  reportedPool,
  ToldCache,
} from '../../test/cluster-objects.ts';
import type { PoolUuid } from '../volumes/ids.ts';
import { topologyKey } from '../volumes/pool-topology.ts';
import type { Condition } from './api-object.ts';
import { ClusterPools } from './cluster-pools.ts';
import { conditionOf } from './conditions.ts';
import type { NodeObject } from './core-objects.ts';
import type { FamfsNode } from './famfs-node.ts';
import type { FamfsPool } from './famfs-pool.ts';
import { NodeReports } from './node-reports.ts';
import { poolStatusOf } from './pool-status.ts';
import { judgePool } from './pool-verdict.ts';

const master = reportedPool({ role: 'Master', logEntriesUsed: 20, free: '1Gi' });
const nothing = { volumes: [], slots: [] };

/** A cluster of which everything is known, and a clock for it. */
class Cluster {
  readonly famfsNodes = new ToldCache<FamfsNode>();
  readonly famfsPools = new ToldCache<FamfsPool>();
  readonly nodes = new ToldCache<NodeObject>();
  now = new Date('2026-01-01T12:00:00Z');
  readonly reports = new NodeReports(this, () => this.now);
  readonly pools = new ClusterPools({ ...this, nodesSynced: async () => {} });

  constructor(pool = famfsPool('models')) {
    this.famfsPools.put(pool);
  }

  report(name: string, changes: Parameters<typeof nodeStatus>[0] = {}, isReady = true): void {
    this.nodes.put(nodeObject(name, isReady));
    this.famfsNodes.put(famfsNode(name, { reportedAt: this.now.toISOString(), ...changes }));
  }

  pass(minutes: number): void {
    this.now = new Date(this.now.getTime() + minutes * 60_000);
  }

  /** What the reconciler would do: judges, and takes the status over. */
  judge(name = 'models'): FamfsPool {
    const pool = this.famfsPools.get(name);
    assert.ok(pool);
    const verdict = judgePool(pool, this.reports.list(), this.famfsPools.list());
    const missing = this.reports.missing(poolUuid);
    const judged = { ...pool, status: poolStatusOf(pool, verdict, nothing, missing, this.now) };
    this.famfsPools.put(judged);
    return judged;
  }

  condition(type: string, name?: string): Pick<Condition, 'status' | 'reason' | 'message'> {
    const condition = conditionOf(this.judge(name).status?.conditions, type);
    assert.ok(condition);
    return condition;
  }

  async facts() {
    const [facts] = await this.pools.list();
    assert.ok(facts);
    return facts;
  }
}

describe('a pool whose master reports', () => {
  test('is what the FamfsPool declares and what its master counts', async () => {
    const cluster = new Cluster();
    cluster.report('a', { pools: [master] });
    cluster.report('b');
    assert.deepEqual(await cluster.facts(), {
      ...{ name: 'models', uuid: poolUuid as PoolUuid, writes: 'Allowed', deletedVolumes: 'Reuse' },
      ...{ sizeBytes: 4n << 30n, freeBytes: 1n << 30n, longestFreeRunBytes: 2n << 30n },
      ...{ allocationUnitBytes: 2n << 20n, logEntriesFree: 80, master: 'a', problem: undefined },
      nodes: ['a', 'b'].map((name) => ({ name, writers: 'safe' })),
    });
    const { status } = cluster.judge();
    assert.equal(status?.fileSystemUUID, poolUuid);
    assert.deepEqual(status?.capacity, {
      ...{ size: '4Gi', allocated: '3Gi', free: '1Gi', longestFreeRun: '2Gi', allocationUnit: '2Mi' },
    });
    assert.deepEqual(status?.logEntries, { used: 20, total: 100 });
    assert.deepEqual(
      status?.nodes?.map(({ name, role, mounted }) => [name, role, mounted]),
      [
        ['a', 'Master', true],
        ['b', 'Client', true],
      ],
    );
    const verdicts = status?.conditions?.map(({ type, status: is }) => `${type} ${is}`);
    assert.deepEqual(verdicts, [
      'Ready True',
      'Formatted True',
      'Lost False',
      'SingleMaster True',
      'NodesServe True',
    ]);
  });

  test('says which node has a problem with it, though volumes can be made', () => {
    const cluster = new Cluster();
    const dead = { reason: 'pool-dead', message: 'The daemon has gone.' };
    const ill = reportedPool({ phase: 'Unhealthy', problem: dead });
    cluster.report('a', { pools: [master] });
    cluster.report('b', { pools: [ill] });
    cluster.report('c', { pools: [ill] });
    cluster.report('d', {
      pools: [reportedPool({ phase: 'Mounting', problem: { ...dead, reason: 'pool-not-ready' } })],
    });
    const { status, reason, message } = cluster.condition('NodesServe');
    assert.deepEqual([status, reason], ['False', 'PoolDead']);
    assert.match(message, /^On node b: The daemon has gone\. \(1 more of 4 nodes/);
    assert.equal(cluster.condition('Ready').status, 'True');
    const problems = cluster.judge().status?.nodes?.map(({ name, problem }) => [name, problem?.reason]);
    assert.deepEqual(problems, [
      ['a', undefined],
      ['b', 'pool-dead'],
      ['c', 'pool-dead'],
      ['d', 'pool-not-ready'],
    ]);
    for (const name of ['a', 'b', 'c', 'd']) cluster.report(name, { pools: [] });
    assert.equal(cluster.condition('NodesServe').status, 'Unknown');
    const stale = cluster.judge().status?.nodes?.filter(({ problem }) => problem !== undefined);
    assert.deepEqual(stale, [], 'nobody says so now');
  });

  test('takes no volume while the pool is not well there, or its mounter does not serve', async () => {
    const cluster = new Cluster();
    const problem = { reason: 'log-refused', message: 'Entry 7 is damaged.' };
    cluster.report('a', { pools: [{ ...master, problem }] });
    assert.equal((await cluster.facts()).problem?.reason, 'log-refused');
    assert.match(cluster.condition('Ready').message, /Entry 7/);
    cluster.report('a', { pools: [{ ...master, phase: 'Mounting' }] });
    assert.equal((await cluster.facts()).problem?.reason, 'pool-not-ready');
    const [ready] = nodeStatus().conditions;
    assert.ok(ready);
    const away = { ...ready, status: 'False', reason: 'MounterUnavailable', message: 'No answer.' } as const;
    cluster.report('a', { pools: [master], conditions: [away] });
    assert.equal((await cluster.facts()).problem?.reason, 'mounter-unavailable');
  });
});

describe('a pool without a master that could be asked', () => {
  test('is not found while no node reports it', async () => {
    const cluster = new Cluster();
    cluster.report('a', { pools: [] });
    const { problem, master: named } = await cluster.facts();
    assert.deepEqual([problem?.reason, named], ['pool-not-found', undefined]);
    assert.equal(cluster.condition('Lost').status, 'Unknown');
  });

  test('names the nodes that see it', async () => {
    const cluster = new Cluster();
    cluster.report('a');
    const { problem, sizeBytes } = await cluster.facts();
    assert.equal(problem?.reason, 'master-away');
    assert.match(problem.message, /seen by a/);
    assert.equal(sizeBytes, 4n << 30n);
  });

  test('waits for one that is silent, not ready, or without a Node', async () => {
    const cluster = new Cluster();
    cluster.report('a', { pools: [master] });
    const { pools: _, ...unmoved } = nodeStatus();
    cluster.pass(2);
    assert.equal((await cluster.facts()).problem, undefined);
    cluster.pass(2);
    assert.equal((await cluster.facts()).problem?.reason, 'master-away');
    assert.equal((await cluster.facts()).master, 'a');
    assert.match(cluster.condition('Ready').message, /has not reported since 2026-01-01T12:00/);
    cluster.report('a', { ...unmoved, pools: [master] });
    assert.equal((await cluster.facts()).problem, undefined, 'whatever the clock of the node says');
    cluster.nodes.put(nodeObject('a', false));
    assert.equal((await cluster.facts()).problem?.reason, 'master-away');
    cluster.nodes.drop('a');
    assert.equal((await cluster.facts()).master, undefined);
    assert.equal((await cluster.facts()).problem?.reason, 'pool-not-found');
    assert.deepEqual(cluster.judge().status?.capacity?.size, '4Gi', 'what was known last stays');
  });

  test('names the nodes that cannot be asked, those without a FamfsNode included, while their Nodes are there', () => {
    const cluster = new Cluster();
    const labels = { [topologyKey(poolUuid)]: 'true' };
    const names = (): readonly string[] =>
      (cluster.judge().status?.nodesAway ?? []).map(({ name, message }) => `${name} ${message}`);
    for (const name of ['a', 'b', 'c']) {
      cluster.report(name, { pools: [reportedPool(name === 'a' ? { role: 'Master' } : {})] });
      cluster.nodes.put(nodeObject(name, true, labels));
    }
    assert.deepEqual(names(), []);
    cluster.nodes.put(nodeObject('b', false, labels));
    cluster.famfsNodes.drop('c');
    assert.deepEqual(names(), [
      'b is not ready, says its Node object',
      'c has not said what it has mounted since its FamfsNode was deleted',
    ]);
    cluster.famfsNodes.put(famfsNode('c', { pools: [], conditions: [] }));
    assert.equal(names().length, 2, 'its agent is there again, and has not looked yet');
    cluster.report('c', { pools: [] });
    assert.equal(names().length, 1, 'it reports, and sees the pool no more');
    cluster.famfsNodes.drop('c');
    cluster.famfsNodes.drop('b');
    assert.deepEqual(
      names(),
      ['b has not said what it has mounted since its FamfsNode was deleted'],
      'c lost its label',
    );
    cluster.nodes.drop('b');
    assert.deepEqual(names(), []);
  });

  test('is refused by both of two, until the Node of one is deleted', async () => {
    const cluster = new Cluster();
    cluster.report('a', { pools: [master] });
    cluster.report('b', { pools: [master] });
    const facts = await cluster.facts();
    assert.deepEqual([facts.problem?.reason, facts.master], ['two-masters', undefined]);
    const single = cluster.condition('SingleMaster');
    assert.deepEqual([single.status, single.reason], ['False', 'TwoMasters']);
    assert.match(single.message, /a and b/);
    cluster.nodes.put(nodeObject('b', false));
    assert.equal((await cluster.facts()).problem?.reason, 'two-masters', 'it may create files all the same');
    cluster.nodes.drop('b');
    assert.deepEqual([(await cluster.facts()).problem, (await cluster.facts()).master], [undefined, 'a']);
  });
});

describe('memory that does not carry its pool any more', () => {
  const blank = reportedDevice({ problem: { reason: 'superblock-refused', message: 'There is none.' } });
  const { fileSystemUUID: _, ...blankDevice } = blank;

  test('is lost when the device where the pool was carries nothing, and stays lost while its node is away', async () => {
    const cluster = new Cluster();
    cluster.report('a', { pools: [master] });
    cluster.judge();
    cluster.report('a', { pools: [], devices: [] });
    assert.equal(cluster.condition('Lost').status, 'Unknown', 'a device that is not there may come back');
    cluster.report('a', { pools: [], devices: [blankDevice] });
    const lost = cluster.condition('Lost');
    assert.deepEqual([lost.status, lost.reason], ['True', 'SuperblockRefused']);
    assert.match(lost.message, /dax0\.0 on node a/);
    assert.equal((await cluster.facts()).problem?.reason, 'superblock-refused');
    cluster.report('a', { pools: [], devices: [] });
    assert.equal(cluster.condition('Lost').status, 'True');
    cluster.report('a', { pools: [master] });
    assert.equal(cluster.condition('Lost').status, 'False', 'memory that is back is back');
  });

  test('is lost when another file system is on it', () => {
    const cluster = new Cluster();
    cluster.report('a', { pools: [master] });
    cluster.judge();
    const devices = [reportedDevice({ fileSystemUUID: otherUuid })];
    cluster.report('a', { pools: [reportedPool({ uuid: otherUuid })], devices });
    const lost = cluster.condition('Lost');
    assert.deepEqual([lost.status, lost.reason], ['True', 'PoolReformatted']);
    assert.match(lost.message, new RegExp(otherUuid));
  });

  test('is lost when a mount of it says so, unless another node still reads it', () => {
    const cluster = new Cluster();
    const problem = { reason: 'pool-reformatted', message: 'It is another one.' };
    cluster.report('a', { pools: [{ ...master, phase: 'Unhealthy', problem }] });
    assert.equal(cluster.condition('Lost').reason, 'PoolReformatted');
    cluster.report('b');
    assert.equal(cluster.condition('Lost').status, 'False');
  });
});

describe('a pool that is to be formatted', () => {
  const format = { nodeName: 'a', device: 'dax0.0' };
  const declared = famfsPool('models', { spec: { format, writes: 'Allowed', deletedVolumes: 'Keep' } });
  const asked = { pool: 'models', poolUID: 'uid-of-models', device: 'dax0.0' };

  test('waits for its node, says how far it is, and takes over the UUID for good', async () => {
    const cluster = new Cluster(declared);
    assert.equal((await cluster.facts()).problem?.reason, 'pool-not-ready');
    assert.match(cluster.condition('Formatted').message, /node a does not report/);
    cluster.report('a', { pools: [], formats: [{ ...asked, phase: 'Formatting' }] });
    assert.equal(cluster.condition('Formatted').reason, 'Formatting');
    const formats = [{ ...asked, phase: 'Formatted', fileSystemUUID: poolUuid } as const];
    cluster.report('a', { pools: [master], formats });
    assert.equal(cluster.condition('Formatted').status, 'True');
    assert.equal((await cluster.facts()).uuid, poolUuid);
    cluster.report('a', { pools: [master], formats: [] });
    assert.equal(cluster.judge().status?.fileSystemUUID, poolUuid, 'whatever becomes of the report');
  });

  test('tells why it was refused', async () => {
    const cluster = new Cluster(declared);
    const problem = { reason: 'device-not-empty', message: 'It carries another one.' };
    cluster.report('a', { pools: [], formats: [{ ...asked, phase: 'Refused', problem }] });
    const formatted = cluster.condition('Formatted');
    assert.deepEqual([formatted.status, formatted.reason], ['False', 'DeviceNotEmpty']);
    assert.match((await cluster.facts()).problem?.message ?? '', /It carries another one/);
  });

  test('takes no other pool of that name for itself', () => {
    const cluster = new Cluster(declared);
    const formats = [
      { ...asked, poolUID: 'of another life', phase: 'Formatted', fileSystemUUID: poolUuid } as const,
    ];
    cluster.report('a', { pools: [master], formats });
    assert.equal(cluster.condition('Formatted').status, 'False');
  });
});

test('a FamfsPool that is being deleted takes no new volume, and those that were begun go on', async () => {
  const cluster = new Cluster();
  cluster.report('a', { pools: [master] });
  const { metadata, ...rest } = cluster.judge();
  cluster.famfsPools.put({ ...rest, metadata: { ...metadata, deletionTimestamp: '2026-01-01T12:00:00Z' } });
  const { problem, closed } = await cluster.facts();
  assert.deepEqual([problem, closed?.reason], [undefined, 'pool-not-found']);
});

test('of two FamfsPools for one file system, the older is the pool', async () => {
  const cluster = new Cluster();
  const metadata = { name: 'again', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z' };
  cluster.famfsPools.put({ ...famfsPool('again'), metadata });
  cluster.report('a', { pools: [master] });
  const reasons = (await cluster.pools.list()).map(({ name, problem }) => [name, problem?.reason]);
  assert.deepEqual(reasons, [
    ['models', undefined],
    ['again', 'config-invalid'],
  ]);
});

test('a volume counts as published as long as any FamfsNode says so, however old', async () => {
  const cluster = new Cluster();
  cluster.report('a', { publishedVolumeIDs: ['one'] });
  cluster.report('b', { publishedVolumeIDs: ['one', 'two'] }, false);
  cluster.pass(60);
  cluster.nodes.drop('b');
  assert.deepEqual([...(await cluster.pools.publishedVolumeIds())].sort(), ['one', 'two']);
  cluster.famfsNodes.drop('b');
  assert.deepEqual([...(await cluster.pools.publishedVolumeIds())], ['one']);
});

test('a report that was old when this process began is old', async () => {
  const cluster = new Cluster();
  cluster.report('a', { pools: [master], reportedAt: '2026-01-01T11:00:00Z' });
  assert.equal((await cluster.facts()).problem?.reason, 'master-away');
  cluster.report('a', { pools: [master], reportedAt: '2026-01-01T11:01:00Z' });
  assert.equal((await cluster.facts()).problem, undefined, 'its clock is behind, and it reports');
});
