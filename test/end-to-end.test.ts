// The whole node path, with nothing in it made up but famfs itself: CSI calls on the node plugin's socket, its mounter, real
// mounts on two simulated nodes that share one memory.
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { accessModes, nodeService, volumeHealthTypes } from '../src/csi/protocol.ts';
import { DriverError } from '../src/errors.ts';
import { runCommand } from '../src/linux/child-process.ts';
import { mapFile } from '../src/linux/memory-map.ts';
import { createClient } from '../src/rpc/client.ts';
import type { ClusterNode } from './cluster-node.ts';
import { type DriverProcess, sourceProgram } from './driver-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from './private-mounts.ts';
import type { RunningMounter } from './running-mounter.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { waitUntil } from './wait-until.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const fileBytes = 3_000_000;

/** A node of the cluster with everything that runs on it. */
interface Host {
  readonly node: ClusterNode;
  readonly mounter: RunningMounter;
  plugin: DriverProcess;
  readonly client: ReturnType<typeof connect>;
}

function connect(node: ClusterNode) {
  return createClient(nodeService, node.places.csiSocket, {
    name: 'the plugin',
    unavailableReason: 'internal',
  });
}

async function startHost(cluster: SimulatedCluster, name: string, device: string): Promise<Host> {
  const node = await cluster.addNode(name, { devices: { [device]: 'memory' } });
  if (name === 'a') await node.format(device);
  const mounter = cluster.startMounter(node);
  return { node, mounter, plugin: await cluster.startPlugin(node), client: connect(node) };
}

describe('the node path', { skip }, () => {
  let cluster: SimulatedCluster;
  let a: Host;
  let b: Host;
  let pool: string;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    a = await startHost(cluster, 'a', 'dax0.0');
    b = await startHost(cluster, 'b', 'dax1.0');
    const state = await a.mounter.until('the pool is found', ({ pools }) => pools.length === 1);
    pool = state.pools[0]?.uuid ?? '';
    await a.mounter.ready(pool);
    await b.mounter.ready(pool);
    await a.node.mkdir(pool, 'models/llama');
    await a.node.creat(pool, 'models/llama/weights', fileBytes);
  });

  after(async () => {
    for (const host of [a, b]) host?.client.close();
    await cluster?.close();
  });

  function publish(host: Host, target: string, extra: Record<string, unknown> = {}) {
    return host.client.calls.nodePublishVolume({
      volumeId: 'llama',
      targetPath: target,
      readonly: true,
      volumeCapability: { mount: {}, accessMode: { mode: accessModes.MULTI_NODE_READER_ONLY } },
      volumeContext: { pool, path: 'models/llama' },
      ...extra,
    });
  }

  function unpublish(host: Host, targetPath: string) {
    return host.client.calls.nodeUnpublishVolume({ volumeId: 'llama', targetPath });
  }

  it('tells kubelet the pool as a topology key on every node that sees the memory', async () => {
    for (const host of [a, b]) {
      const { nodeId, accessibleTopology } = await host.client.calls.nodeGetInfo({});
      assert.equal(nodeId, host.node.name);
      assert.deepEqual(accessibleTopology?.segments, { [`topology.famfs.io/pool-${pool}`]: 'true' });
    }
  });

  it('shows a store on one node in the mapping of a pod on the other, with no replay and no copy', async () => {
    const target = b.node.target('pod-shared');
    await publish(b, target);
    const replayed = b.mounter.pool(pool)?.logEntriesReplayed;
    const readerFd = openSync(path.join(target, 'weights'), 'r');
    const writerFd = openSync(a.node.poolPath(pool, 'models/llama/weights'), 'r+');
    const reader = mapFile(readerFd, fileBytes);
    const writer = mapFile(writerFd, fileBytes, { write: true });
    try {
      for (const [offset, value] of [
        [0, 17],
        [fileBytes - 1, 99],
        [4096 * 7 + 3, 255],
      ] as const) {
        writer.bytes[offset] = value;
        assert.equal(reader.bytes[offset], value);
      }
      assert.equal(b.mounter.pool(pool)?.logEntriesReplayed, replayed);
    } finally {
      reader.unmap();
      writer.unmap();
      closeSync(readerFd);
      closeSync(writerFd);
    }
    await unpublish(b, target);
    assert.deepEqual(readdirSync(path.dirname(target)), []);
  });

  it('publishes a path that the master made a moment ago, by replaying when it is asked', async () => {
    await a.node.mkdir(pool, 'fresh');
    await a.node.creat(pool, 'fresh/file', 4096);
    const target = b.node.target('pod-fresh');
    await publish(b, target, { volumeId: 'fresh', volumeContext: { pool, path: 'fresh' } });
    assert.equal(statSync(path.join(target, 'file')).size, 4096);
    await b.client.calls.nodeUnpublishVolume({ volumeId: 'fresh', targetPath: target });
  });

  it('gives a volume the figures of the log', async () => {
    const target = a.node.target('pod-stats');
    await publish(a, target);
    const { usage } = await a.client.calls.nodeGetVolumeStats({ volumeId: 'llama', volumePath: target });
    assert.equal(usage[0]?.total, BigInt(fileBytes));
    assert.equal(usage[1]?.used, 2n);
    await unpublish(a, target);
  });

  it('makes one mount of 32 identical publishes, and ends 32 mixed calls in some order of them', async () => {
    const target = a.node.target('pod-many');
    const answers = await Promise.allSettled(Array.from({ length: 32 }, () => publish(a, target)));
    assert.ok(answers.some(({ status }) => status === 'fulfilled'));
    for (const answer of answers) assertDoneOrAborted(answer);
    assert.equal(cluster.mountPoints().filter((place) => place === target).length, 1);
    const mixed = Array.from({ length: 32 }, (_, index) =>
      index % 2 === 0 ? publish(a, target) : unpublish(a, target),
    );
    for (const answer of await Promise.allSettled(mixed)) assertDoneOrAborted(answer);
    assert.ok(cluster.mountPoints().filter((place) => place === target).length <= 1);
    await unpublish(a, target);
    assert.ok(!cluster.mountPoints().includes(target));
  });

  it('refuses whatever would reach beyond the directory that was named', async () => {
    for (const wrong of [
      '',
      '.',
      '..',
      '.meta',
      'models/../.meta',
      '/models',
      'models//llama',
      'models/llama/',
    ]) {
      await assert.rejects(
        publish(a, a.node.target('pod-wrong'), { volumeContext: { pool, path: wrong } }),
        isReasoned,
        wrong,
      );
    }
    await assert.rejects(publish(a, '/tmp/famfs-elsewhere/mount'), isReasoned);
    const inline = { 'csi.storage.k8s.io/ephemeral': 'true' };
    for (const attributes of [{ pool, path: 'models/llama' }, { path: 'models/llama' }, { access: 'rw' }]) {
      await assert.rejects(
        publish(a, a.node.target('pod-inline'), { volumeContext: { ...inline, ...attributes } }),
        isReasoned,
      );
    }
    assert.ok(
      !cluster.mountPoints().some((place) => place.includes('pod-wrong') || place.includes('pod-inline')),
    );
  });

  it('shows a person what the mounter has, and never takes simulated memory for DAX', async () => {
    const socket = `--mounter-socket=${a.node.places.mounterSocket}`;
    const [file = '', ...program] = sourceProgram;
    const shown = await runCommand(file, [...program, 'state', socket, `--map=${pool}:models/llama/weights`]);
    assert.equal(shown.exitCode, 0, shown.stderr);
    assert.match(shown.stdout, new RegExp(`pool ${pool} \\(simulated\\): ready`));
    assert.match(shown.stdout, /daemons are kept by: in-place/);
    assert.match(shown.stdout, /mapping: simulated/);
    const json = await runCommand(file, [...program, 'state', '--json', socket]);
    assert.equal(JSON.parse(json.stdout).pools[0].uuid, pool);
  });

  it('keeps readers reading while plugin and mounter are killed and started again', async () => {
    const target = a.node.target('pod-restart');
    await publish(a, target);
    const file = path.join(target, 'weights');
    const before = readFileSync(file);
    const heldFd = openSync(file, 'r');
    try {
      await a.plugin.kill();
      await a.mounter.kill();
      assert.deepEqual(readFileSync(file), before);
      assert.equal(readSync(heldFd, Buffer.alloc(64), 0, 64, 4096), 64);
      await a.mounter.restart();
      a.plugin = await cluster.startPlugin(a.node);
      await a.mounter.ready(pool);
      assert.deepEqual(readFileSync(file), before);
    } finally {
      closeSync(heldFd);
    }
    await publish(a, target);
    assert.equal(cluster.mountPoints().filter((place) => place === target).length, 1);
    await unpublish(a, target);
    await unpublish(a, target);
    assert.ok(!cluster.mountPoints().includes(target));
  });

  it('says what happened when a daemon dies, refuses new pods, and recovers once the old ones are gone', async () => {
    const target = b.node.target('pod-daemon');
    await publish(b, target);
    process.kill(cluster.daemonOf(b.node, pool) ?? 0, 'SIGKILL');
    await b.mounter.untilProblem(pool, 'pool-dead');
    await assert.rejects(publish(b, b.node.target('pod-late')), /daemon/);
    const { volumeHealth } = await b.client.calls.nodeGetVolumeHealth({
      volumeId: 'llama',
      volumePublishPath: target,
    });
    assert.equal(volumeHealth?.healthStatuses[0]?.status, volumeHealthTypes.INACCESSIBLE);
    await unpublish(b, target);
    await b.mounter.ready(pool);
    await publish(b, target);
    assert.equal(statSync(path.join(target, 'weights')).size, fileBytes);
    await unpublish(b, target);
    await waitUntil('no bind is left', () => b.mounter.pool(pool)?.binds === 0);
  });
});

function assertDoneOrAborted(answer: PromiseSettledResult<unknown>): void {
  if (answer.status === 'fulfilled') return;
  assert.ok(answer.reason instanceof DriverError);
  assert.match(answer.reason.reason, /^(operation-pending|internal)$/);
}

/** A refusal of the driver: a sentence for a person, never a surprise. */
function isReasoned(error: unknown): boolean {
  return error instanceof DriverError && error.message.length > 20 && error.reason !== 'internal';
}
