// The controller as a process beside a real API server, with the rights that the chart gives it, asked over CSI.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { csi } from '../src/csi/generated/csi.js';
import {
  accessModes,
  type ControllerService,
  controllerService,
  type IdentityService,
  identityService,
} from '../src/csi/protocol.ts';
import { DriverError } from '../src/errors.ts';
import type { ApiClient } from '../src/kubernetes/api-client.ts';
import type { EventObject } from '../src/kubernetes/event-recorder.ts';
import type { FamfsPool } from '../src/kubernetes/famfs-pool.ts';
import type { FamfsVolume } from '../src/kubernetes/famfs-volume.ts';
import type { Lease } from '../src/kubernetes/lease.ts';
import { poolFinalizer } from '../src/kubernetes/pool-finalizer.ts';
import { events, famfsPools, famfsVolumes, leases } from '../src/kubernetes/resources.ts';
import { type Calls, createClient } from '../src/rpc/client.ts';
import type { Decoded, Encodable } from '../src/rpc/codec.ts';
import { topologyKey } from '../src/volumes/pool-topology.ts';
import { type ClusterNodes, MemoryMaster } from './cluster-nodes.ts';
import { poolUuid } from './cluster-objects.ts';
import { ControllerWorld, isPoolReady, master, patienceMs } from './controller-world.ts';
import { DriverProcess, sourceProgram } from './driver-process.ts';
import { outcomeOf } from './served-csi.ts';
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

describe('famfs-csi controller', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'controller-'));
  const clients: { close(): void }[] = [];
  const processes: DriverProcess[] = [];
  let controller: Calls<ControllerService>;
  let identity: Calls<IdentityService>;
  let maker: MemoryMaster;

  function run(name: string): { process: DriverProcess; socket: string } {
    const kubeconfig = path.join(folder, 'kubeconfig');
    writeFileSync(kubeconfig, world.kubeconfig, { mode: 0o600 });
    const socket = path.join(folder, name, 'csi.sock');
    const flags = { kubeconfig, 'csi-socket': socket, 'log-format': 'text', 'log-level': 'debug' };
    const argv = [
      ...sourceProgram,
      'controller',
      ...Object.entries(flags).map(([key, value]) => `--${key}=${value}`),
    ];
    const process = new DriverProcess({ argv, logPath: path.join(folder, `${name}.log`) });
    processes.push(process);
    return { process, socket };
  }

  before(async () => {
    const { socket } = run('first');
    const options = { name: 'the controller', unavailableReason: 'internal' } as const;
    const ofController = createClient(controllerService, socket, options);
    const ofIdentity = createClient(identityService, socket, options);
    clients.push(ofController, ofIdentity);
    [controller, identity] = [ofController.calls, ofIdentity.calls];
    const isProbed = async (): Promise<boolean> => {
      const answer = await identity.probe({}).catch(() => undefined);
      return answer?.ready?.value === true;
    };
    await waitUntil('the controller is ready', isProbed, patienceMs);
  });
  beforeEach(async () => {
    maker = new MemoryMaster(admin, 'a');
    await world.declarePool('models');
    await cluster.add('a');
    await cluster.report('a', { pools: [master] });
    await world.untilPool('models', 'it is ready', isPoolReady);
  });
  afterEach(() => maker.stop());
  after(async () => {
    for (const client of clients) client.close();
    await Promise.all(processes.map((process) => process.stop()));
    rmSync(folder, { recursive: true });
  });

  function order(name: string, changes: Partial<Encodable<csi.v1.CreateVolumeRequest>> = {}) {
    return {
      name,
      capacityRange: { requiredBytes: 5n << 20n },
      volumeCapabilities: [{ mount: {}, accessMode: { mode: accessModes.MULTI_NODE_READER_ONLY } }],
      parameters: {},
      ...changes,
    };
  }

  async function create(name: string): Promise<NonNullable<Decoded<csi.v1.CreateVolumeResponse>['volume']>> {
    const { volume } = await controller.createVolume(order(name), { timeoutMs: 60_000 });
    return volume ?? assert.fail('there is no volume in the answer');
  }

  test('says who it is and that it has a controller', async () => {
    assert.equal((await identity.getPluginInfo({})).name, 'csi.famfs.io');
    assert.equal((await identity.getPluginCapabilities({})).capabilities.length, 2);
  });

  test('makes, lists, deletes and makes again, and the pool tells what is live and what can be used again', async () => {
    const volume = await create('pvc-one');
    assert.equal(volume.capacityBytes, 6n << 20n);
    assert.equal(volume.volumeContext?.pool, poolUuid);
    assert.deepEqual(volume.accessibleTopology?.[0]?.segments, { [topologyKey(poolUuid)]: 'true' });
    assert.deepEqual(await create('pvc-one'), volume);
    const { entries } = await controller.listVolumes({});
    assert.deepEqual(
      entries.map((entry) => entry.volume?.volumeId),
      [volume.volumeId],
    );
    const live = ({ status }: FamfsPool): string | undefined => status?.volumes?.live;
    await world.untilPool('models', 'it is counted', (pool) => live(pool) === '6Mi');
    await controller.deleteVolume({ volumeId: volume.volumeId });
    const left = await world.untilPool('models', 'its slot can be used again', ({ status }) => {
      return status?.volumes?.reusable === '6Mi';
    });
    assert.deepEqual(left.status?.volumes, { count: 0, live: '0', kept: '0', reusable: '6Mi' });
    const again = await create('pvc-one');
    assert.notEqual(again.volumeId, volume.volumeId);
    assert.equal(again.volumeContext?.path, volume.volumeContext?.path, 'in the same slot');
    assert.equal(maker.slots.size, 1);
  });

  test('hands no volume out before the FamfsPool is kept for it', async () => {
    await create('one');
    assert.deepEqual((await world.pool('models')).metadata.finalizers, [poolFinalizer]);
  });

  test('keeps a volume that a node has published, silent as it may be', async () => {
    const volume = await create('pvc-used');
    const volumeId = volume.volumeId;
    await cluster.add('b');
    await cluster.report('b', {
      pools: [],
      publishedVolumeIDs: [volumeId],
      reportedAt: '2026-01-01T00:00:00Z',
    });
    await waitUntil('the report has arrived', async () => {
      return (await outcomeOf(controller.deleteVolume({ volumeId }))).code === 'FAILED_PRECONDITION';
    });
    await cluster.remove('b');
    await waitUntil('it may go', async () => {
      return (await outcomeOf(controller.deleteVolume({ volumeId }))).code === 'OK';
    });
  });

  test('refuses with the reason of the pool', async () => {
    const failed = (name: string) => outcomeOf(controller.createVolume(order(name), { timeoutMs: 60_000 }));
    await cluster.add('b');
    await cluster.report('b', { pools: [master] });
    await world.untilPool('models', 'there are two masters', (pool) => !isPoolReady(pool));
    const doubled = await failed('pvc-refused');
    assert.equal(doubled.code, 'FAILED_PRECONDITION');
    assert.match(doubled.message, /a and b/);
    await cluster.remove('b');
    await world.untilPool('models', 'there is one', isPoolReady);
    maker.failure = new DriverError('log-full', 'There is no entry left.');
    const full = await failed('pvc-full');
    assert.equal(full.code, 'RESOURCE_EXHAUSTED');
    assert.equal(await admin.get(famfsVolumes, 'pvc-full'), undefined, 'nothing is left behind');
  });

  test('tells at the claim what becomes of its volume', async () => {
    const uids = ['1111111a-1111-4111-8111-111111111111', '2222222b-1111-4111-8111-111111111111'] as const;
    const ofClaim = (name: string, uid: string) =>
      order(`pvc-${uid}`, {
        parameters: { 'csi.storage.k8s.io/pvc/name': name, 'csi.storage.k8s.io/pvc/namespace': 'default' },
      });
    const told = async (uid: string): Promise<readonly string[]> => {
      const fieldSelector = `involvedObject.kind=PersistentVolumeClaim,involvedObject.uid=${uid}`;
      const { items } = await admin.list<EventObject>(events, { fieldSelector });
      return items.map(({ metadata, involvedObject, reason, type }) =>
        [metadata.namespace, involvedObject.name, type, reason].join(' '),
      );
    };
    const [first, second] = uids;
    maker.failure = new DriverError('pool-busy', 'Somebody has it.');
    await assert.rejects(controller.createVolume(ofClaim('stuck', first), { timeoutMs: 60_000 }));
    const record = await admin.get<FamfsVolume>(famfsVolumes, `pvc-${first}`);
    assert.deepEqual(record?.spec.claim, { namespace: 'default', name: 'stuck' });
    await waitUntil(
      'why is told',
      async () => (await told(first)).includes('default stuck Warning PoolBusy'),
      patienceMs,
    );
    maker.failure = undefined;
    await waitUntil(
      'its end is told',
      async () => (await told(first)).includes('default stuck Normal VolumeReady'),
      patienceMs,
    );
    const large = { ...ofClaim('large', second), capacityRange: { requiredBytes: 1n << 50n } };
    assert.equal((await outcomeOf(controller.createVolume(large))).code, 'RESOURCE_EXHAUSTED');
    await waitUntil(
      'no room is told',
      async () => (await told(second)).includes('default large Warning OutOfSpace'),
      patienceMs,
    );
  });

  test('refuses writers by name where no node grants what the pool wants, and confirms none there', async () => {
    const writer = { mount: {}, accessMode: { mode: accessModes.MULTI_NODE_MULTI_WRITER } };
    const reader = await create('pvc-read');
    const validate = () =>
      controller.validateVolumeCapabilities({ volumeId: reader.volumeId, volumeCapabilities: [writer] });
    assert.notEqual((await validate()).confirmed, null);
    await cluster.report('a', { pools: [{ ...master, writers: 'unsafe' }] });
    await waitUntil('the report has arrived', async () => (await validate()).confirmed === null, patienceMs);
    assert.match((await validate()).message, /a grants unsafe writers only/);
    const refused = await outcomeOf(
      controller.createVolume(order('pvc-write', { volumeCapabilities: [writer] })),
    );
    assert.equal(refused.code, 'FAILED_PRECONDITION');
    assert.match(refused.message, /pool models .* a grants unsafe writers only/);
    assert.equal(await admin.get(famfsVolumes, 'pvc-write'), undefined);
    await admin.mergePatch<FamfsPool>(famfsPools, 'models', { spec: { writes: 'AllowedUnsafe' } });
    const made = async (): Promise<boolean> => {
      const answer = await controller
        .createVolume(order('pvc-write', { volumeCapabilities: [writer] }), { timeoutMs: 60_000 })
        .catch(() => undefined);
      return answer?.volume?.volumeContext?.access === 'rw';
    };
    await waitUntil('it is made', made, patienceMs);
    assert.equal(reader.volumeContext?.access, 'rw-safe');
  });

  test('serves from every replica, and one of them leads', async () => {
    const holder = async (): Promise<string | undefined> => {
      const lease = await admin.get<Lease>(leases, 'famfs-csi-controller', { namespace: 'famfs-csi' });
      return lease?.spec?.holderIdentity;
    };
    const first = await holder();
    assert.ok(first);
    const { socket } = run('second');
    const second = createClient(controllerService, socket, { name: 'it', unavailableReason: 'internal' });
    clients.push(second);
    const volume = await create('pvc-both');
    const listed = async (): Promise<boolean> => {
      const answer = await second.calls.listVolumes({}).catch(() => undefined);
      return answer?.entries[0]?.volume?.volumeId === volume.volumeId;
    };
    await waitUntil('the second lists it too', listed, patienceMs);
    assert.equal(await holder(), first);
    await processes[0]?.stop();
    await waitUntil(
      'the second leads',
      async () => ![undefined, '', first].includes(await holder()),
      patienceMs,
    );
    await cluster.report('a', { pools: [{ ...master, logEntriesUsed: 77 }] });
    await world.untilPool('models', 'it goes on', ({ status }) => status?.logEntries?.used === 77);
  });
});
