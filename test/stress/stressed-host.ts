// A host with the whole driver in one process (the role all-in-one) and a pool that has little room left, for tests that send its
// Controller what nobody should. Must run in a private mount namespace.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import {
  accessModes,
  type ControllerService,
  controllerService,
  type NodeService,
  nodeService,
} from '../../src/csi/protocol.ts';
import { MounterClient, poolPhase } from '../../src/mounter/client.ts';
import { silentLogger } from '../../src/observe/logger.ts';
import { createClient, type RpcClient } from '../../src/rpc/client.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { DriverProcess, sourceProgram } from '../driver-process.ts';
import { mounterArguments } from '../running-mounter.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';
import { assertNoSurprises, assertSameFootprint, type Footprint, footprintOf } from './footprint.ts';

export interface StressedHostOptions {
  /** What volumes can have of the pool, so that no test writes all of its memory; a multiple of 2 MiB. */
  readonly roomBytes: bigint;
  /** Runs before the driver starts. */
  readonly prepare?: (node: ClusterNode) => void;
}

export interface MadeVolume {
  readonly volumeId: string;
  /** Its directory in the pool. */
  readonly path: string;
}

/** The first file of the pool, which leaves so much room. */
const filler = 'filler';
const patienceMs = 120_000;

export class StressedHost {
  readonly cluster: SimulatedCluster;
  readonly node: ClusterNode;
  /** UUID of the one pool. */
  readonly pool: string;
  readonly controller: RpcClient<ControllerService>;
  readonly client: RpcClient<NodeService>;
  readonly mounter: MounterClient;
  readonly #driver: DriverProcess;

  private constructor(cluster: SimulatedCluster, node: ClusterNode, pool: string) {
    this.cluster = cluster;
    this.node = node;
    this.pool = pool;
    const { csiSocket, mounterSocket } = node.places;
    const options = { name: 'the driver', unavailableReason: 'internal' } as const;
    this.controller = createClient(controllerService, csiSocket, options);
    this.client = createClient(nodeService, csiSocket, options);
    this.mounter = new MounterClient({ address: mounterSocket, logger: silentLogger });
    this.mounter.start();
    this.#driver = new DriverProcess({ argv: argumentsFor(node), logPath: this.#logPath });
  }

  static async start({ roomBytes, prepare }: StressedHostOptions): Promise<StressedHost> {
    const cluster = new SimulatedCluster();
    let host: StressedHost | undefined;
    try {
      await cluster.addMemory();
      const node = await cluster.addNode('a');
      const pool = await node.format('dax0.0');
      prepare?.(node);
      host = new StressedHost(cluster, node, pool);
      await host.#leaveRoom(roomBytes);
      return host;
    } catch (error) {
      if (host !== undefined) await host.close().catch(() => undefined);
      else await cluster.close().catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.controller.close();
    this.client.close();
    await this.mounter.close();
    await this.#driver.stop();
    await this.cluster.close();
  }

  /** Makes volumes as a provisioner does that asks again, all at once, and deletes all but the first, whose slots are left for others. */
  async makeSlots(count: number, parameters: Readonly<Record<string, string>>): Promise<MadeVolume> {
    const makeOne = (index: number) => this.makeVolume(`early-${index}`, parameters);
    const [first, ...others] = await Promise.all([
      makeOne(0),
      ...Array.from({ length: count - 1 }, (_, index) => makeOne(index + 1)),
    ]);
    for (const { volumeId } of others) await this.controller.calls.deleteVolume({ volumeId });
    return first;
  }

  /** Makes a volume of 2 MiB that pods may write to. */
  async makeVolume(name: string, parameters: Readonly<Record<string, string>>): Promise<MadeVolume> {
    const request = {
      name,
      capacityRange: { requiredBytes: 2n << 20n },
      volumeCapabilities: [{ mount: {}, accessMode: { mode: accessModes.MULTI_NODE_MULTI_WRITER } }],
      parameters,
    };
    const { volume } = await this.controller.calls.createVolume(request, { timeoutMs: patienceMs });
    const path = volume?.volumeContext.path;
    if (volume == null || path === undefined) throw new TypeError('the answer has no volume with a path');
    return { volumeId: volume.volumeId, path };
  }

  footprint(): Footprint {
    return footprintOf(this.cluster, this.node);
  }

  /** Fails when something is there that was not, slots of volumes aside (famfs never removes a file), or gone that was. */
  assertUnchanged(before: Footprint): void {
    assertSameFootprint(
      this.footprint(),
      before,
      /\/(?:pools|shadow)\/.*\/v(?:\/[a-z0-9]{16}(?:\/data(?:-\d{4})?)?)?$/,
    );
  }

  /** Takes away what is published, by the calls of kubelet, and deletes all volumes; how many there were of either. */
  async clear(): Promise<{ readonly published: number; readonly volumes: number }> {
    const { binds } = await this.mounter.calls.listBinds({});
    for (const { volumeId, target } of binds)
      await this.client.calls.nodeUnpublishVolume({ volumeId, targetPath: target });
    const { entries } = await this.controller.calls.listVolumes({});
    for (const { volume } of entries)
      await this.controller.calls.deleteVolume({ volumeId: volume?.volumeId });
    assert.deepEqual((await this.mounter.calls.listBinds({})).binds, []);
    assert.deepEqual((await this.controller.calls.listVolumes({})).entries, []);
    return { published: binds.length, volumes: entries.length };
  }

  /** Fails unless the driver is the process it was, has been surprised by nothing, and has left a sound pool. */
  async assertUnharmed(): Promise<void> {
    assert.ok(this.#driver.isRunning, `the driver has ended: ${this.#driver.log.slice(-2000)}`);
    await assertNoSurprises(this.#logPath, 'driver');
    const report = await this.node.do('famfs', 'fsck', this.node.modeFlag, this.node.poolPath(this.pool));
    assert.match(report, /No allocation errors found/);
    assert.match(report, /\b0 bad log entries detected/);
  }

  get #logPath(): string {
    return path.join(this.node.places.root, 'driver.log');
  }

  async #leaveRoom(roomBytes: bigint): Promise<void> {
    await this.#untilReady('the pool is ready', () => true);
    const free = this.#freeBytes ?? 0n;
    await this.node.creat(this.pool, filler, free - roomBytes);
    await this.#untilReady('the pool has the room that is left', () => this.#freeBytes === roomBytes);
  }

  #untilReady(what: string, passes: () => boolean): Promise<void> {
    const look = (): boolean => {
      if (!this.#driver.isRunning) throw new Error(`the driver has ended: ${this.#driver.log}`);
      const pool = this.mounter.view.state?.pools.find(({ uuid }) => uuid === this.pool);
      return pool?.phase === poolPhase.POOL_PHASE_READY && pool.problem == null && passes();
    };
    return waitUntil(what, look, patienceMs);
  }

  get #freeBytes(): bigint | undefined {
    return this.mounter.view.state?.pools.find(({ uuid }) => uuid === this.pool)?.freeBytes;
  }
}

function argumentsFor(node: ClusterNode): string[] {
  const records = path.join(node.places.root, 'records');
  mkdirSync(records, { mode: 0o700 });
  const [, ...flags] = mounterArguments(node, { 'allow-writes': 'unsafe', 'log-level': 'info' });
  const own = {
    'node-id': node.name,
    'csi-socket': node.places.csiSocket,
    'records-file': path.join(records, 'volumes.json'),
    'deleted-volumes': 'reuse',
  };
  return [
    ...sourceProgram,
    'all-in-one',
    ...flags,
    ...Object.entries(own).map(([flag, value]) => `--${flag}=${value}`),
  ];
}
