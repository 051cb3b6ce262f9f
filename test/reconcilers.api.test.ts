// The controller's reconcilers one by one on a real API server, with the rights that the chart gives them.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { ApiClient } from '../src/kubernetes/api-client.ts';
import { ClusterCaches } from '../src/kubernetes/cluster-caches.ts';
import { ClusterPools } from '../src/kubernetes/cluster-pools.ts';
import type { NodeObject } from '../src/kubernetes/core-objects.ts';
import { EventRecorder } from '../src/kubernetes/event-recorder.ts';
import { type FamfsPool, resetAnnotation } from '../src/kubernetes/famfs-pool.ts';
import { endAnnotation, type FamfsVolume } from '../src/kubernetes/famfs-volume.ts';
import { KubeAccess } from '../src/kubernetes/kube-access.ts';
import { NodeReconciler, startUpTaintKey } from '../src/kubernetes/node-reconciler.ts';
import { NodeReports } from '../src/kubernetes/node-reports.ts';
import { poolFinalizer } from '../src/kubernetes/pool-finalizer.ts';
import { PoolReconciler } from '../src/kubernetes/pool-reconciler.ts';
import { famfsPools, famfsVolumes, nodes } from '../src/kubernetes/resources.ts';
import { VolumeReconciler } from '../src/kubernetes/volume-reconciler.ts';
import { KubernetesVolumeRecords } from '../src/kubernetes/volume-records.ts';
import { silentLogger as log } from '../src/observe/logger.ts';
import { topologyKey } from '../src/volumes/pool-topology.ts';
import { Provisioner } from '../src/volumes/provisioner.ts';
import type { ClusterNodes } from './cluster-nodes.ts';
import { otherUuid, poolUuid } from './cluster-objects.ts';
import { ControllerWorld, isPoolReady, master, poolCondition } from './controller-world.ts';
import { MemoryRecords } from './memory-records.ts';
import { newVolume } from './volume-records-contract.ts';
import { waitUntil } from './wait-until.ts';

let world: ControllerWorld;
let admin: ApiClient;
let cluster: ClusterNodes;

before(async () => {
  world = await ControllerWorld.start();
  ({ admin, cluster } = world);
});
after(() => world?.stop());
afterEach(() => world.clear());

describe('the reconcilers', () => {
  let client: ApiClient;
  let caches: ClusterCaches;
  let reports: NodeReports;
  let recorder: EventRecorder;
  let records: KubernetesVolumeRecords;
  const running: { stop(): Promise<void> }[] = [];

  beforeEach(async () => {
    client = new ApiClient({ access: KubeAccess.fromText(world.kubeconfig) });
    caches = new ClusterCaches({ client, log });
    caches.start();
    await caches.synced();
    reports = new NodeReports(caches);
    recorder = new EventRecorder({ client, log, component: 'test' });
    records = new KubernetesVolumeRecords({ client, cache: caches.famfsVolumes, log });
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((each) => each.stop()));
    await recorder.stop();
    reports.close();
    await caches.stop();
    client.close();
  });

  function start(part: { start(): void; stop(): Promise<void> }): void {
    running.push(part);
    part.start();
  }

  function startPools(): void {
    start(new PoolReconciler({ client, ...caches, reports, records, events: recorder, log }));
  }

  describe('of pools', () => {
    test('tells what nodes report, in the way of the CRD, and what becomes of it', async () => {
      startPools();
      await world.declarePool('models');
      const waiting = await world.untilPool('models', 'it is judged', (pool) => pool.status !== undefined);
      assert.equal(poolCondition(waiting, 'Ready')?.reason, 'PoolNotFound');
      await cluster.add('a');
      await cluster.report('a', { pools: [master] });
      const { status } = await world.untilPool('models', 'it is ready', isPoolReady);
      await waitUntil('people are told that it is', async () => {
        return (await world.eventsAbout('models')).some(({ reason }) => reason === 'VolumesCanBeMade');
      });
      const warnings = (await world.eventsAbout('models')).filter(({ type }) => type === 'Warning');
      assert.deepEqual(warnings, [], 'a first start needs nobody');
      assert.deepEqual(
        { ...status, conditions: [] },
        {
          fileSystemUUID: poolUuid,
          capacity: {
            ...{ size: '4Gi', allocated: '1Gi', free: '3Gi', longestFreeRun: '2Gi', allocationUnit: '2Mi' },
          },
          volumes: { count: 0, live: '0', kept: '0', reusable: '0' },
          logEntries: { used: 10, total: 100 },
          master: 'a',
          nodes: [{ name: 'a', device: 'dax0.0', role: 'Master', mounted: true, logEntriesReplayed: 10 }],
          conditions: [],
        },
      );
      await cluster.add('b');
      await cluster.report('b', { pools: [master] });
      const doubled = await world.untilPool('models', 'both refuse', (pool) => !isPoolReady(pool));
      assert.equal(doubled.status?.master, undefined, 'what is not true any more is taken away');
      assert.match(poolCondition(doubled, 'SingleMaster')?.message ?? '', /a and b/);
      await waitUntil('people are told', async () => {
        const told = await world.eventsAbout('models');
        return told.some(({ type, reason }) => type === 'Warning' && reason === 'TwoMasters');
      });
      await cluster.remove('b');
      await world.untilPool('models', 'it is ready again', isPoolReady);
    });

    test('writes once a second at most, and nothing when nothing changed', async () => {
      startPools();
      await world.declarePool('busy');
      await cluster.add('a');
      const before = client.requests.total({ verb: 'apply' });
      const beganMs = performance.now();
      for (let used = 1; used <= 40; used++)
        await cluster.report('a', { pools: [{ ...master, logEntriesUsed: used }] });
      await world.untilPool('busy', 'the last is told', ({ status }) => status?.logEntries?.used === 40);
      const writes = client.requests.total({ verb: 'apply' }) - before;
      const seconds = (performance.now() - beganMs) / 1000;
      assert.ok(writes <= seconds + 2, `${writes} writes in ${seconds} s`);
      const { metadata } = await world.pool('busy');
      await cluster.report('a', { pools: [{ ...master, logEntriesUsed: 40 }], kernelRelease: 'another' });
      await cluster.add('c');
      await cluster.report('c', { pools: [] });
      await waitUntil('the other node is seen', () => reports.get('c') !== undefined);
      await world.declarePool('later', { fileSystemUUID: otherUuid });
      await world.untilPool('later', 'it is judged', ({ status }) => status !== undefined);
      assert.equal((await world.pool('busy')).metadata.resourceVersion, metadata.resourceVersion);
    });

    test('takes the UUID of a format over, once', async () => {
      startPools();
      const { fileSystemUUID: _, ...spec } = (
        await (async () => {
          await world.declarePool('adopted', { fileSystemUUID: otherUuid });
          return world.pool('adopted');
        })()
      ).spec;
      const metadata = { name: 'fresh' };
      const format = { nodeName: 'a', device: 'dax0.0' };
      const declared = {
        apiVersion: 'famfs.io/v1alpha1',
        kind: 'FamfsPool',
        metadata,
        spec: { ...spec, format },
      };
      const made = await admin.create<FamfsPool>(famfsPools, declared as FamfsPool);
      await world.untilPool(
        'fresh',
        'it waits',
        (pool) => poolCondition(pool, 'Formatted')?.reason === 'Waiting',
      );
      await cluster.add('a');
      const asked = { pool: 'fresh', poolUID: made.metadata.uid ?? '', device: 'dax0.0' };
      const formats = [{ ...asked, phase: 'Formatted', fileSystemUUID: poolUuid } as const];
      await cluster.report('a', { pools: [master], formats });
      const formatted = await world.untilPool('fresh', 'it is ready', isPoolReady);
      assert.equal(formatted.status?.fileSystemUUID, poolUuid);
      const [first] = formats;
      assert.ok(first);
      const again = [{ ...first, fileSystemUUID: otherUuid }];
      await cluster.report('a', { pools: [], devices: [], formats: again });
      const kept = await world.untilPool('fresh', 'it is away', (pool) => !isPoolReady(pool));
      assert.equal(kept.status?.fileSystemUUID, poolUuid);
    });

    test('keeps a FamfsPool while volumes live in it, tells who deletes it, and lets it go then', async () => {
      startPools();
      await world.declarePool('models');
      await cluster.add('a');
      await cluster.report('a', { pools: [master] });
      await world.untilPool('models', 'it is ready', isPoolReady);
      assert.equal((await world.pool('models')).metadata.finalizers, undefined);
      await records.create(newVolume('lives'));
      await world.untilPool('models', 'it is kept', ({ metadata }) => {
        return metadata.finalizers?.includes(poolFinalizer) === true;
      });
      await admin.remove(famfsPools, 'models');
      await waitUntil('the person who deleted it is told', async () => {
        return (await world.eventsAbout('models')).some(({ reason }) => reason === 'PoolIsNeeded');
      });
      assert.notEqual((await world.pool('models')).metadata.deletionTimestamp, undefined);
      await records.remove((await records.get('lives')) ?? assert.fail());
      await waitUntil('it is gone', async () => (await admin.get(famfsPools, 'models')) === undefined);
    });

    test('orders no format while the API server has a volume of which nobody has told it', async () => {
      // Its records are those of another store: as blind as a watch that is late.
      start(
        new PoolReconciler({
          client,
          ...caches,
          reports,
          records: new MemoryRecords(),
          events: recorder,
          log,
        }),
      );
      await cluster.add('a');
      const format = { nodeName: 'a', device: 'dax0.0' };
      const metadata = { name: 'fresh' };
      const made = await admin.create<FamfsPool>(famfsPools, {
        ...{ apiVersion: 'famfs.io/v1alpha1', kind: 'FamfsPool', metadata },
        spec: { format, writes: 'Allowed', deletedVolumes: 'Keep' },
      });
      const told = { pool: 'fresh', poolUID: made.metadata.uid ?? '', device: 'dax0.0' };
      const formats = [{ ...told, phase: 'Formatted', fileSystemUUID: poolUuid } as const];
      await cluster.report('a', { pools: [master], formats, allowFormat: 'reset' });
      await world.untilPool('fresh', 'it is ready', isPoolReady);
      await records.create(newVolume('unseen'));
      await admin.mergePatch(famfsPools, 'fresh', {
        metadata: { annotations: { [resetAnnotation]: poolUuid } },
      });
      const phaseOf = ({ status }: FamfsPool): string | undefined => status?.reset?.phase;
      const asked = await world.untilPool(
        'fresh',
        'nodes are asked',
        (pool) => phaseOf(pool) === 'Releasing',
      );
      const down = { ...master, role: 'Unknown', phase: 'Found', held: true } as const;
      const { attempt } = asked.status?.reset ?? {};
      const answer = { ...told, phase: 'Released', replaces: poolUuid, ...(attempt && { attempt }) } as const;
      await cluster.report('a', { pools: [down], formats: [answer], allowFormat: 'reset' });
      const refused = await world.untilPool('fresh', 'it is refused', (pool) => phaseOf(pool) === 'Refused');
      assert.match(poolCondition(refused, 'Reset')?.message ?? '', /unseen/);
      await records.remove((await records.get('unseen')) ?? assert.fail());
      await admin.mergePatch(famfsPools, 'fresh', { metadata: { annotations: { [resetAnnotation]: null } } });
      await world.untilPool('fresh', 'it is withdrawn', (pool) => phaseOf(pool) === undefined);
      assert.equal(poolCondition(await world.pool('fresh'), 'Reset'), undefined);
    });
  });

  describe('of nodes', () => {
    const lost = topologyKey(otherUuid);
    const seen = topologyKey(poolUuid);
    const labels = { [lost]: 'true', [seen]: 'true', 'example.com/other': 'x' };

    function startNodes(): void {
      start(
        new NodeReconciler({ client, ...caches, reports, driverName: 'csi.famfs.io', log, confirmMs: 300 }),
      );
    }

    async function nodeNamed(name: string): Promise<NodeObject> {
      return (await admin.get<NodeObject>(nodes, name)) ?? assert.fail();
    }

    test('takes labels of lost pools away when a second report says so, and no others', async () => {
      startNodes();
      await cluster.add('a', { labels });
      await cluster.report('a', { pools: [master] });
      await waitUntil('the report is seen', () => reports.get('a') !== undefined);
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.deepEqual((await nodeNamed('a')).metadata.labels, labels, 'one report is not enough');
      await cluster.report('a', { pools: [master] });
      await waitUntil('the label is gone', async () => {
        return (await nodeNamed('a')).metadata.labels?.[lost] === undefined;
      });
      assert.deepEqual((await nodeNamed('a')).metadata.labels, { [seen]: 'true', 'example.com/other': 'x' });
    });

    test('takes nothing away from a node that does not know', async () => {
      startNodes();
      await cluster.add('a', { labels });
      await cluster.add('b', { labels: { [lost]: 'true' } });
      const looking = {
        type: 'Ready',
        status: 'False',
        reason: 'LookingAtDevices',
        message: 'It looks.',
      } as const;
      const conditions = [{ ...looking, lastTransitionTime: '2026-01-01T00:00:00Z' }];
      for (const minute of [1, 2, 3]) {
        const reportedAt = `2026-01-01T00:0${minute}:00Z`;
        await cluster.report('a', { pools: [], devices: [], conditions, reportedAt });
        await cluster.report('b', { pools: [] });
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      await waitUntil('the other node was looked at', async () => {
        return (await nodeNamed('b')).metadata.labels?.[lost] === undefined;
      });
      assert.deepEqual((await nodeNamed('a')).metadata.labels, labels);
    });

    test('takes the start-up taint away when the driver is registered and reports', async () => {
      startNodes();
      const ours = { key: startUpTaintKey, effect: 'NoExecute' };
      const theirs = { key: 'example.com/theirs', effect: 'NoSchedule', value: 'v' };
      await cluster.add('a', { taints: [ours, theirs] });
      const tainted = async (): Promise<boolean> => {
        return (await nodeNamed('a')).spec?.taints?.some(({ key }) => key === startUpTaintKey) === true;
      };
      await cluster.report('a');
      await waitUntil('the report is seen', () => reports.get('a')?.isSettled === true);
      assert.ok(await tainted(), 'kubelet does not know the driver yet');
      await cluster.register('a', ['csi.example.com', 'csi.famfs.io']);
      await waitUntil('the taint is gone', async () => !(await tainted()));
      assert.deepEqual(
        // The API server itself taints every Node that is made.
        (await nodeNamed('a')).spec?.taints?.filter(({ key }) => !key.startsWith('node.kubernetes.io/')),
        [theirs],
      );
    });
  });

  describe('of volumes', () => {
    function startVolumes(): void {
      const nodesSynced = (signal: AbortSignal): Promise<void> => caches.nodes.synced(signal);
      const pools = new ClusterPools({ ...caches, reports, nodesSynced });
      const provisioner = new Provisioner({ records, pools });
      const end = (id: string): Promise<void> => provisioner.delete(id);
      start(new VolumeReconciler({ ...caches, reports, records, pools, end, events: recorder, log }));
    }

    test('lets the work follow the master', async () => {
      startVolumes();
      await world.declarePool('models');
      for (const name of ['a', 'b']) await cluster.add(name);
      await cluster.report('a', { pools: [master] });
      await cluster.report('b');
      const layout = { ...newVolume('').spec.layout, fileSizeBytes: 2n << 20n };
      const range = { requiredBytes: 1n, limitBytes: 0n };
      await records.create(newVolume('pending', { node: 'a', layout, range }));
      await cluster.report('a');
      await cluster.report('b', { pools: [master] });
      await waitUntil('it is b who makes it', async () => {
        return (await admin.get<FamfsVolume>(famfsVolumes, 'pending'))?.spec.nodeName === 'b';
      });
    });

    test('tells people why a volume does not go on, and that a record is needed', async () => {
      startVolumes();
      const made = await records.create(newVolume('stuck'));
      const mine = new KubernetesVolumeRecords({ client: admin, cache: caches.famfsVolumes, log });
      await waitUntil('the record is there', async () => (await mine.get('stuck')) !== undefined);
      const problem = { reason: 'log-refused', message: 'Entry 7 is damaged.' } as const;
      await mine.update({ ...made, status: { ...made.status, problem } });
      await waitUntil('the problem is told', async () => {
        return (await world.eventsAbout('stuck')).some(
          ({ type, reason, message }) =>
            type === 'Warning' && reason === 'LogRefused' && message === problem.message,
        );
      });
      await admin.remove(famfsVolumes, 'stuck');
      await waitUntil('the person who deleted it is told', async () => {
        return (await world.eventsAbout('stuck')).some(({ reason }) => reason === 'RecordIsNeeded');
      });
      assert.notEqual(await admin.get(famfsVolumes, 'stuck'), undefined);
      const annotations = { [endAnnotation]: made.spec.volumeId };
      await admin.mergePatch(famfsVolumes, 'stuck', { metadata: { annotations } });
      await waitUntil('it is ended', async () => (await admin.get(famfsVolumes, 'stuck')) === undefined);
    });
  });
});
