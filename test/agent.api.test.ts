// The agent on a node, with nothing made up but famfs itself: a real API server with the chart's kinds, roles and policy, the
// real mounter on a simulated node, and the agent as a process that is killed whenever it hurts.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { logEntryBytes, parseLogEntry } from '../src/famfs/log-entry.ts';
import { logEntryOffset, parseLogHeader } from '../src/famfs/log-header.ts';
import { ApiClient } from '../src/kubernetes/api-client.ts';
import type { ApiObject, Condition } from '../src/kubernetes/api-object.ts';
import { apiVersion } from '../src/kubernetes/api-object.ts';
import type { FamfsNode, FamfsNodeStatus, ReportedFormat } from '../src/kubernetes/famfs-node.ts';
import type { FamfsPool } from '../src/kubernetes/famfs-pool.ts';
import type { FamfsVolume } from '../src/kubernetes/famfs-volume.ts';
import { KubeAccess } from '../src/kubernetes/kube-access.ts';
import { famfsNodes, famfsPools, famfsVolumes, nodes } from '../src/kubernetes/resources.ts';
import { objectNameOf, objectOfVolume } from '../src/kubernetes/volume-object.ts';
import { acquireFileLock } from '../src/linux/file-lock.ts';
import type { PoolUuid } from '../src/volumes/ids.ts';
import type { SlotLayout } from '../src/volumes/slot-layout.ts';
import { newSlotName, newStatus, newVolumeId, type VolumeSpec } from '../src/volumes/volume-record.ts';
import { ApiServer } from './api-server.ts';
import type { ClusterNode } from './cluster-node.ts';
import { agentToken, installAccess, installCrds } from './driver-objects.ts';
import { assertNothingLeaked, enterPrivateMounts } from './private-mounts.ts';
import { RunningAgent } from './running-agent.ts';
import type { RunningMounter } from './running-mounter.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { waitUntil } from './wait-until.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const patienceMs = 120_000;
const unitBytes = 2n << 20n;

describe('the agent of a node', { skip }, () => {
  let server: ApiServer;
  let client: ApiClient;
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let agent: RunningAgent;
  let poolUuid: PoolUuid;

  before(async () => {
    server = await ApiServer.start({ own: true });
    client = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig()) });
    await installCrds(server);
    await installAccess(server);
    cluster = new SimulatedCluster();
    await cluster.addMemory('memory');
    await cluster.addMemory('blank');
    node = await cluster.addNode('a', { devices: { 'dax0.0': 'memory', 'dax1.0': 'blank' } });
    // A device that carries nothing is looked at again and again; this one comes when it is to be formatted.
    node.unplug('dax1.0');
    mounter = cluster.startMounter(node, { 'allow-format': 'once' });
    agent = new RunningAgent(node, { kubeconfig: await kubeconfigOf('a') });
  });
  after(async () => {
    try {
      await agent?.stop();
      await cluster?.close();
    } finally {
      client?.close();
      await server?.stop();
    }
  });

  async function kubeconfigOf(nodeName: string): Promise<string> {
    return server.kubeconfigOfToken(await agentToken(server, nodeName));
  }

  async function report(): Promise<FamfsNodeStatus | undefined> {
    return (await client.get<FamfsNode>(famfsNodes, 'a'))?.status;
  }

  /** Waits until the node's report passes; the report, the agent's log and the mounter's are in the failure. */
  async function untilReport(
    what: string,
    passes: (report: FamfsNodeStatus) => boolean,
  ): Promise<FamfsNodeStatus> {
    let last: FamfsNodeStatus | undefined;
    const look = async (): Promise<boolean> => {
      last = await report();
      return last !== undefined && passes(last);
    };
    await explained(
      () => waitUntil(what, look, patienceMs),
      () => last,
    );
    return last ?? assert.fail(what);
  }

  async function explained(work: () => Promise<void>, shown: () => unknown): Promise<void> {
    try {
      await work();
    } catch (error) {
      const logs = `agent: ${agent.log.slice(-4000)}\nmounter: ${mounter.log.slice(-3000)}`;
      throw new Error(`${String(error)}\n${JSON.stringify(shown(), undefined, 1)}\n${logs}`);
    }
  }

  const readiness = ({ conditions }: { readonly conditions?: readonly Condition[] }): Condition | undefined =>
    conditions?.find(({ type }) => type === 'Ready');
  const phaseOf = ({ pools }: FamfsNodeStatus): string | undefined =>
    pools.find(({ uuid }) => uuid === poolUuid)?.phase;

  /** Asks a node for a volume, as the controller does. */
  async function order(name: string, layout: Partial<SlotLayout> = {}, nodeName = 'a'): Promise<FamfsVolume> {
    const whole: SlotLayout = {
      ...{ kind: 'file', fileCount: 1, fileSizeBytes: unitBytes, fileMode: 0o640 },
      ...{ owner: { uid: 1000, gid: 2000 }, ...layout },
    };
    const spec: VolumeSpec = {
      ...{ volumeId: newVolumeId(poolUuid), poolName: 'fast', poolUuid, slot: newSlotName(), node: nodeName },
      ...{ layout: whole, range: { requiredBytes: 1n, limitBytes: 0n }, access: 'rw', claim: undefined },
    };
    return client.create(famfsVolumes, objectOfVolume({ name, deleting: false, spec, status: newStatus }));
  }

  async function untilVolume(
    name: string,
    what: string,
    passes: (volume: FamfsVolume) => boolean,
  ): Promise<FamfsVolume> {
    let last: FamfsVolume | undefined;
    const look = async (): Promise<boolean> => {
      last = await client.get<FamfsVolume>(famfsVolumes, objectNameOf(name));
      return last !== undefined && passes(last);
    };
    await explained(
      () => waitUntil(`${name} ${what}`, look, patienceMs),
      () => last,
    );
    return last ?? assert.fail(name);
  }

  const isReady = ({ status }: FamfsVolume): boolean => status?.phase === 'Ready';

  /** What the log of the pool says of a slot, read by nothing of the driver but the format. */
  function logged({ spec: { slot } }: FamfsVolume) {
    const log = readFileSync(path.join(cluster.memory(), 'log'));
    return Array.from({ length: Number(parseLogHeader(log).nextIndex) }, (_, index) => {
      const offset = logEntryOffset(index);
      return parseLogEntry(log.subarray(offset, offset + logEntryBytes), index);
    }).filter((entry) => entry.path.startsWith(`v/${slot}`));
  }

  it('makes the FamfsNode, which its Node owns, and tells what there is', async () => {
    const status = await untilReport('the node is ready', (each) => readiness(each)?.status === 'True');
    assert.deepEqual(
      status.devices.map(({ name, size, fileSystemUUID }) => [name, size, fileSystemUUID]),
      [['dax0.0', '8Gi', undefined]],
    );
    assert.deepEqual([status.pools, status.publishedVolumeIDs, status.formats], [[], [], []]);
    const made = await client.get<FamfsNode>(famfsNodes, 'a');
    const owner = await client.get<ApiObject>(nodes, 'a');
    assert.deepEqual(
      made?.metadata.ownerReferences?.map(({ kind, uid }) => [kind, uid]),
      [['Node', owner?.metadata.uid]],
    );
  });

  it('follows a pool that appears, vanishes and comes back', async () => {
    // A device that carries nothing is looked at again and again, and while that is so, nobody can format it.
    const lock = await acquireFileLock(node.lockFile('machine'), { timeoutMs: patienceMs });
    try {
      poolUuid = (await node.format('dax0.0')) as PoolUuid;
    } finally {
      lock.release();
    }
    const status = await untilReport('the pool is ready', (each) => phaseOf(each) === 'Ready');
    const [pool] = status.pools;
    assert.deepEqual([pool?.role, pool?.simulated, pool?.device], ['Master', true, 'dax0.0']);
    // A mount outlives its device as long as its daemon does.
    const daemon = cluster.daemonOf(node, poolUuid) ?? assert.fail('the pool has no daemon');
    node.unplug('dax0.0');
    await untilReport('the device is gone', ({ devices }) => devices.length === 0);
    process.kill(daemon, 'SIGKILL');
    await untilReport('the pool is lost', (each) => phaseOf(each) === 'Lost');
    node.plug('dax0.0');
    await untilReport('the pool is back', (each) => phaseOf(each) === 'Ready');
  });

  it("makes a volume: files of its size, mode and owner, zeroed; and leaves another node's alone", async () => {
    const foreign = await order('of-b', {}, 'b');
    // What famfs hands out holds what was there before.
    node.spoil(`
      case "$1" in creat)
        for last; do :; done
        "$REAL" "$@"; status=$?
        printf dirt | dd of="$last" bs=1 seek=1000000 conv=notrunc 2> /dev/null
        exit $status ;;
      esac`);
    const ordered = await order('first', { fileSizeBytes: 2n * unitBytes });
    const { status } = await untilVolume('first', 'is ready', isReady);
    node.mend();
    assert.deepEqual(
      [status?.filesMade, status?.zeroed, status?.path, readiness(status ?? {})?.status],
      [1, '4Mi', `v/${ordered.spec.slot}`, 'True'],
    );
    const [directory, file, ...more] = logged(ordered);
    assert.equal(directory?.kind, 'directory');
    assert.ok(file?.kind === 'file');
    assert.deepEqual(
      [file.path, file.sizeBytes, file.mode & 0o777, file.uid, file.gid, more],
      [`v/${ordered.spec.slot}/data`, 2n * unitBytes, 0o640, 1000, 2000, []],
    );
    assert.equal(
      status?.logEntries,
      Number(parseLogHeader(readFileSync(path.join(cluster.memory(), 'log'))).nextIndex),
    );
    assert.ok(readFileSync(node.poolPath(poolUuid, file.path)).every((byte) => byte === 0));
    assert.deepEqual(logged(foreign), []);
    assert.equal((await client.get<FamfsVolume>(famfsVolumes, 'of-b'))?.status, undefined);
  });

  it('finishes a volume after kill -9 of itself and of the mounter amid the work, and makes nothing twice', async () => {
    const fileCount = 16;
    const ordered = await order('killed', { kind: 'files', fileCount });
    const made = (count: number) => (): boolean => logged(ordered).length > count;
    await waitUntil('some files are made', made(2), patienceMs);
    await agent.kill();
    agent.restart();
    await waitUntil('more files are made', made(6), patienceMs);
    await mounter.kill();
    await mounter.restart();
    await waitUntil('still more files are made', made(10), patienceMs);
    await agent.kill();
    agent.restart();
    const { status } = await untilVolume('killed', 'is ready', isReady);
    assert.equal(status?.filesMade, fileCount);
    const entries = logged(ordered);
    assert.equal(entries.length, fileCount + 1);
    assert.equal(new Set(entries.map((entry) => entry.path)).size, fileCount + 1);
    const fsck = await node.do('famfs', 'fsck', node.modeFlag, node.poolPath(poolUuid));
    assert.match(fsck, /No allocation errors found/);
    assert.match(fsck, /\b0 bad log entries detected/);
  });

  it('tells why a volume cannot be made', async () => {
    await order('huge', { fileSizeBytes: 1n << 40n });
    const { status } = await untilVolume('huge', 'has a problem', ({ status: told }) => {
      return readiness(told ?? {})?.reason === 'OutOfSpace';
    });
    assert.equal(readiness(status ?? {})?.status, 'False');
    assert.match(readiness(status ?? {})?.message ?? '', / are needed/);
  });

  it('reports published volumes while they are', async () => {
    const volume = await untilVolume('first', 'is ready', isReady);
    const { slot, volume: { id = '' } = {} } = volume.spec;
    const target = node.target('pod');
    await mounter.calls.bind({ poolUuid, path: `v/${slot}`, target, volumeId: id });
    await untilReport('it is published', ({ publishedVolumeIDs }) => publishedVolumeIDs.includes(id));
    await mounter.calls.unbind({ target });
    await untilReport('it is published no more', ({ publishedVolumeIDs }) => publishedVolumeIDs.length === 0);
  });

  it('says that the mounter is away, and forgets nothing meanwhile', async () => {
    await mounter.kill();
    const status = await untilReport('the node is not ready', (each) => readiness(each)?.status === 'False');
    assert.equal(readiness(status)?.reason, 'MounterUnavailable');
    assert.equal(phaseOf(status), 'Ready');
    await mounter.restart();
    await untilReport('the node is ready again', (each) => readiness(each)?.status === 'True');
  });

  it('keeps what it knows while the API server is away, and catches up', async () => {
    const ordered = await order('during', { kind: 'files', fileCount: 6 });
    await waitUntil('the first files are made', () => logged(ordered).length > 2, patienceMs);
    const said = agent.log.length;
    await server.crash();
    const volume = 'published-in-the-dark';
    const target = node.target('dark');
    await mounter.calls.bind({ poolUuid, path: `v/${ordered.spec.slot}`, target, volumeId: volume });
    await waitUntil(
      'the agent has noticed',
      () => agent.log.slice(said).includes('the node cannot be reported'),
      patienceMs,
    );
    assert.ok(agent.isRunning);
    await server.recover();
    await untilReport('it is told', ({ publishedVolumeIDs }) => publishedVolumeIDs.includes(volume));
    await untilVolume('during', 'is ready', isReady);
    assert.equal(logged(ordered).length, 7);
    await mounter.calls.unbind({ target });
  });

  it("is refused what is another node's: its token decides, not what it calls itself", async () => {
    await agent.stop();
    const before = await report();
    const impostor = new RunningAgent(node, { kubeconfig: await kubeconfigOf('b'), name: 'impostor' });
    try {
      const ordered = await order('not-by-b');
      await waitUntil(
        'it is refused',
        () =>
          /token was issued for the node b[^\n]*other FamfsNode/.test(impostor.log) &&
          /work on a volume failed[^\n]*issued for the node b/.test(impostor.log),
        patienceMs,
      ).catch((error: unknown) => assert.fail(`${String(error)}\n${impostor.log}`));
      assert.deepEqual(logged(ordered), [], 'nothing is made of which nothing can be told');
      assert.equal((await client.get<FamfsVolume>(famfsVolumes, 'not-by-b'))?.status, undefined);
    } finally {
      await impostor.stop();
    }
    assert.deepEqual(await report(), before);
    agent.restart();
    await untilVolume('not-by-b', 'is ready', isReady);
  });

  it('makes its FamfsNode anew when that was deleted', async () => {
    const before = await client.get<FamfsNode>(famfsNodes, 'a');
    await client.remove(famfsNodes, 'a');
    const target = node.target('anew');
    const { slot } = (await untilVolume('first', 'is ready', isReady)).spec;
    await mounter.calls.bind({ poolUuid, path: `v/${slot}`, target, volumeId: 'anew' });
    await untilReport('it is there', ({ publishedVolumeIDs }) => publishedVolumeIDs.includes('anew'));
    assert.notEqual((await client.get<FamfsNode>(famfsNodes, 'a'))?.metadata.uid, before?.metadata.uid);
    await mounter.calls.unbind({ target });
  });

  describe('asked for a mkfs', () => {
    async function ask(name: string, device: string): Promise<FamfsPool> {
      const spec = {
        format: { nodeName: 'a', device },
        writes: 'Forbidden' as const,
        deletedVolumes: 'Keep' as const,
      };
      return client.create<FamfsPool>(famfsPools, {
        apiVersion,
        kind: 'FamfsPool',
        metadata: { name },
        spec,
      });
    }

    async function untilFormat(pool: FamfsPool, phase: ReportedFormat['phase']): Promise<ReportedFormat> {
      const find = ({ formats }: FamfsNodeStatus): ReportedFormat | undefined =>
        formats.find((each) => each.poolUID === pool.metadata.uid && each.phase === phase);
      const found = find(await untilReport(`${pool.metadata.name} is ${phase}`, (each) => !!find(each)));
      return found ?? assert.fail('the report changed under its reader');
    }

    it('refuses a device that carries something', async () => {
      const { problem } = await untilFormat(await ask('taken', 'dax0.0'), 'Refused');
      assert.equal(problem?.reason, 'device-not-empty');
      assert.match(problem?.message ?? '', new RegExp(poolUuid));
    });

    it('refuses a device that is not there', async () => {
      const { problem } = await untilFormat(await ask('missing', 'dax9.0'), 'Refused');
      assert.equal(problem?.reason, 'device-not-found');
    });

    it('formats once, though it is killed over it, and knows the work for its own', async () => {
      node.clearNotes();
      node.spoil(`
        case "$(basename "$REAL")" in mkfs.famfs)
          echo mkfs >> $NOTES
          "$REAL" "$@"; status=$?
          sleep 1
          exit $status ;;
        esac`);
      const asked = await ask('blank', 'dax1.0');
      await untilFormat(asked, 'Refused');
      node.plug('dax1.0');
      await waitUntil('mkfs runs', () => node.notes().length > 0, patienceMs);
      await agent.kill();
      const { formats } = (await report()) ?? assert.fail('there is no report');
      assert.deepEqual(
        formats.filter(({ poolUID }) => poolUID === asked.metadata.uid).map(({ phase }) => phase),
        ['Formatting'],
      );
      agent.restart();
      const { fileSystemUUID } = await untilFormat(asked, 'Formatted');
      node.mend();
      assert.deepEqual(node.notes(), ['mkfs']);
      const { pools } = await untilReport('the new pool is ready', ({ pools }) =>
        pools.some(({ uuid, phase }) => uuid === fileSystemUUID && phase === 'Ready'),
      );
      assert.equal(pools.find(({ uuid }) => uuid === fileSystemUUID)?.role, 'Master');
      const again = await untilFormat(await ask('blank-again', 'dax1.0'), 'Refused');
      assert.equal(again.problem?.reason, 'device-not-empty');
      assert.deepEqual(node.notes(), ['mkfs']);
    });

    it('forgets what it did for a FamfsPool that is gone', async () => {
      await client.remove(famfsPools, 'missing');
      await untilReport('it is forgotten', ({ formats }) => !formats.some(({ pool }) => pool === 'missing'));
    });
  });
});
