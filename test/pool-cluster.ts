// Two nodes with real mounters and real agents on a simulated memory, a real API server, and the controller's parts as its role
// builds them, in the test's own process. For tests of what becomes of a pool between all of them.
import assert from 'node:assert/strict';
import { ApiClient } from '../src/kubernetes/api-client.ts';
import { ClusterCaches } from '../src/kubernetes/cluster-caches.ts';
import { ClusterPools } from '../src/kubernetes/cluster-pools.ts';
import { conditionOf } from '../src/kubernetes/conditions.ts';
import { type EventObject, EventRecorder } from '../src/kubernetes/event-recorder.ts';
import { type FamfsPool, resetAnnotation } from '../src/kubernetes/famfs-pool.ts';
import type { FamfsVolume } from '../src/kubernetes/famfs-volume.ts';
import { KubeAccess } from '../src/kubernetes/kube-access.ts';
import { NodeReports } from '../src/kubernetes/node-reports.ts';
import { PoolReconciler } from '../src/kubernetes/pool-reconciler.ts';
import { events, famfsNodes, famfsPools, famfsVolumes, nodes } from '../src/kubernetes/resources.ts';
import { VolumeReconciler } from '../src/kubernetes/volume-reconciler.ts';
import { KubernetesVolumeRecords } from '../src/kubernetes/volume-records.ts';
import { silentLogger as log } from '../src/observe/logger.ts';
import { parseClassParameters } from '../src/volumes/class-parameters.ts';
import { topologyKey } from '../src/volumes/pool-topology.ts';
import { Provisioner } from '../src/volumes/provisioner.ts';
import type { VolumeRecord } from '../src/volumes/volume-record.ts';
import { ApiServer } from './api-server.ts';
import type { ClusterNode } from './cluster-node.ts';
import { agentToken, controllerToken } from './driver-objects.ts';
import { RunningAgent } from './running-agent.ts';
import type { RunningMounter } from './running-mounter.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { waitUntil } from './wait-until.ts';

/** A machine that is busy with other tests may be very slow. */
const patienceMs = 300_000;
export const poolName = 'fast';

/** What runs in the controller's process. */
interface Controller {
  readonly provisioner: Provisioner;
  stop(): Promise<void>;
}

export interface NodeParts {
  readonly node: ClusterNode;
  readonly mounter: RunningMounter;
  readonly agent: RunningAgent;
}

export class PoolCluster {
  readonly server: ApiServer;
  readonly admin: ApiClient;
  readonly simulated = new SimulatedCluster();
  readonly #parts = new Map<string, NodeParts>();
  #controller: Controller | undefined;

  private constructor(server: ApiServer) {
    this.server = server;
    this.admin = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig()) });
  }

  /** With the nodes a and b, and no pool. */
  static async start(): Promise<PoolCluster> {
    const server = await ApiServer.start({ own: true });
    const made = new PoolCluster(server);
    try {
      await server.installAccess();
      await made.simulated.addMemory('memory');
      for (const name of ['a', 'b']) await made.#addNode(name);
      await made.startController();
      return made;
    } catch (error) {
      await made.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    try {
      await this.stopController();
      for (const { agent } of this.#parts.values()) await agent.stop();
      await this.simulated.close();
    } finally {
      this.admin.close();
      await this.server.stop();
    }
  }

  on(name: string): NodeParts {
    return this.#parts.get(name) ?? assert.fail(`there is no node ${name}`);
  }

  get provisioner(): Provisioner {
    return this.#controller?.provisioner ?? assert.fail('the controller does not run');
  }

  async setNodeReady(name: string, isReady: boolean): Promise<void> {
    const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'Unknown' }];
    await this.admin.mergePatch(nodes, name, { status: { conditions } }, { subresource: 'status' });
  }

  /** As kubelet does when the node's driver has registered with the pool. */
  async labelNode(name: string, poolUuid: string): Promise<void> {
    await this.admin.mergePatch(nodes, name, { metadata: { labels: { [topologyKey(poolUuid)]: 'true' } } });
  }

  async startController(): Promise<void> {
    const kubeconfig = this.server.kubeconfigOfToken(await controllerToken(this.server));
    const client = new ApiClient({ access: KubeAccess.fromText(kubeconfig) });
    const caches = new ClusterCaches({ client, log });
    caches.start();
    await caches.synced();
    const records = new KubernetesVolumeRecords({ client, cache: caches.famfsVolumes, log });
    const reports = new NodeReports(caches);
    const nodesSynced = (signal: AbortSignal): Promise<void> => caches.nodes.synced(signal);
    const pools = new ClusterPools({ ...caches, reports, nodesSynced });
    const recorder = new EventRecorder({ client, log, component: 'test' });
    const provisioner = new Provisioner({ records, pools, reportDelayMs: 3_000 });
    const end = (id: string, signal: AbortSignal): Promise<void> => provisioner.delete(id, signal);
    const led = [
      new PoolReconciler({ client, ...caches, reports, records, events: recorder, log }),
      new VolumeReconciler({ ...caches, reports, records, pools, end, events: recorder, log }),
    ];
    for (const part of led) part.start();
    this.#controller = {
      provisioner,
      stop: async () => {
        for (const part of led) await part.stop();
        await recorder.stop();
        reports.close();
        await caches.stop();
        client.close();
      },
    };
  }

  async stopController(): Promise<void> {
    await this.#controller?.stop();
    this.#controller = undefined;
  }

  /** Has node a format the memory for a FamfsPool, and waits until volumes can be made in it. */
  async makePool(deletedVolumes: 'Keep' | 'Reuse'): Promise<string> {
    const format = { nodeName: 'a', device: 'dax0.0' };
    await this.admin.create<FamfsPool>(famfsPools, {
      ...{ apiVersion: 'famfs.io/v1alpha1', kind: 'FamfsPool', metadata: { name: poolName } },
      spec: { format, writes: 'AllowedUnsafe', deletedVolumes },
    });
    return this.untilServing();
  }

  async pool(): Promise<FamfsPool> {
    return (await this.admin.get<FamfsPool>(famfsPools, poolName)) ?? assert.fail('there is no pool');
  }

  /** The UUID of the pool once volumes can be made in it and both nodes have it mounted, another one than `former`. */
  async untilServing(former = ''): Promise<string> {
    const { status } = await this.untilPool('serves on both nodes', ({ status }) => {
      const mounted = status?.nodes?.filter((node) => node.mounted) ?? [];
      const isReady = conditionOf(status?.conditions, 'Ready')?.status === 'True';
      return isReady && mounted.length === 2 && status?.fileSystemUUID !== former;
    });
    return status?.fileSystemUUID ?? assert.fail('the pool has no UUID');
  }

  /** Waits until the pool passes; what it and its nodes are instead, and the logs, are in the failure. */
  async untilPool(what: string, passes: (pool: FamfsPool) => boolean): Promise<FamfsPool> {
    let last = await this.pool();
    const look = async (): Promise<boolean> => {
      last = await this.pool();
      return passes(last);
    };
    await waitUntil(`the pool ${what}`, look, patienceMs).catch(async (error: unknown) => {
      const reports = (await this.admin.list(famfsNodes)).items;
      const logs = [...this.#parts].map(
        ([name, { agent, mounter }]) =>
          `${name}: ${agent.log.slice(-3000)}\nmounter: ${mounter.log.slice(-3000)}`,
      );
      throw new Error(
        `${String(error)}\n${JSON.stringify({ last, reports }, undefined, 1)}\n${logs.join('\n')}`,
      );
    });
    return last;
  }

  /** Asks for a reset, or takes the request back. */
  async annotate(uuid: string | null): Promise<void> {
    await this.admin.mergePatch(famfsPools, poolName, {
      metadata: { annotations: { [resetAnnotation]: uuid } },
    });
  }

  /** A volume with one file, as the provisioner answers it. */
  createVolume(name: string, sizeBytes: bigint): Promise<VolumeRecord> {
    return this.provisioner.create(
      {
        ...{ name, parameters: parseClassParameters({ pool: poolName }) },
        range: { requiredBytes: sizeBytes, limitBytes: 0n },
        topology: { requisite: undefined, preferred: [] },
        ...{ hasWriter: true, claim: undefined },
      },
      AbortSignal.timeout(patienceMs),
    );
  }

  async deleteVolumes(): Promise<void> {
    const { items } = await this.admin.list<FamfsVolume>(famfsVolumes);
    for (const { spec } of items)
      if (spec.volume !== undefined) await this.provisioner.delete(spec.volume.id);
  }

  /** Names of the records of volumes and slots. */
  async recordNames(): Promise<readonly string[]> {
    const { items } = await this.admin.list<FamfsVolume>(famfsVolumes);
    return items.map(({ metadata }) => metadata.name).sort();
  }

  /** Reasons of the events about the pool, in the order of their first appearance. */
  async eventReasons(): Promise<readonly string[]> {
    const { items } = await this.admin.list<EventObject>(events, {
      fieldSelector: `involvedObject.name=${poolName}`,
    });
    return items
      .toSorted((left, right) =>
        (left.metadata.resourceVersion ?? '').localeCompare(right.metadata.resourceVersion ?? '', undefined, {
          numeric: true,
        }),
      )
      .map(({ reason }) => reason);
  }

  async #addNode(name: string): Promise<void> {
    const kubeconfig = this.server.kubeconfigOfToken(await agentToken(this.server, name));
    await this.setNodeReady(name, true);
    const node = await this.simulated.addNode(name, { devices: { 'dax0.0': 'memory' } });
    const mounter = this.simulated.startMounter(node, { 'allow-format': 'reset', 'allow-writes': 'unsafe' });
    this.#parts.set(name, { node, mounter, agent: new RunningAgent(node, { kubeconfig }) });
  }
}
