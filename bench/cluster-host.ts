// A cluster of one simulated node with the driver as a cluster has it: a real API server on a real etcd, the controller with the
// rights of the chart, agent, mounter and node plugin, each a process. There is no provisioner and no kubelet: their calls are
// made here.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  accessModes,
  type ControllerService,
  controllerService,
  type NodeService,
} from '../src/csi/protocol.ts';
import { ApiClient } from '../src/kubernetes/api-client.ts';
import type { FamfsPool } from '../src/kubernetes/famfs-pool.ts';
import { KubeAccess } from '../src/kubernetes/kube-access.ts';
import { famfsPools } from '../src/kubernetes/resources.ts';
import { smallHeapEnvironment } from '../src/roles/small-heap.ts';
import { createClient, type RpcClient } from '../src/rpc/client.ts';
import { ApiServer } from '../test/api-server.ts';
import { ClusterNodes } from '../test/cluster-nodes.ts';
import { agentToken, controllerToken } from '../test/driver-objects.ts';
import { BackgroundProcess } from '../tools/background-process.ts';
import { freePort } from '../tools/free-ports.ts';
import { nodeClient } from './csi-calls.ts';
import { Driver } from './driver.ts';
import type { Bench } from './figure.ts';
import { type ProcessMemory, parseSmapsRollup } from './process-memory.ts';
import type { Programs } from './programs.ts';
import { asArguments } from './provisioning-host.ts';
import { createSimulatedNode } from './simulated-node.ts';
import { targetsFolder } from './targets.ts';

const patienceMs = 120_000;
const nodeName = 'bench';
const poolName = 'bench';
const capability = {
  mount: { mountFlags: [] },
  accessMode: { mode: accessModes.MULTI_NODE_MULTI_WRITER },
};

/** A volume as CreateVolume answered. */
export interface MadeVolume {
  readonly volumeId: string;
  readonly volumeContext: Readonly<Record<string, string>>;
  /** until it was answered, repetitions included */
  readonly ms: number;
}

/** Requests to the API server so far, by kind and verb. */
export type RequestCounts = ReadonlyMap<string, number>;

interface Role {
  readonly process: BackgroundProcess;
  readonly metricsUrl: string;
}

export class ClusterHost {
  readonly admin: ApiClient;
  readonly pool: string;
  readonly #server: ApiServer;
  readonly #driver: Driver;
  readonly #agent: Role;
  readonly #controller: Role;
  readonly #csi: RpcClient<ControllerService>;
  readonly #node: RpcClient<NodeService>;
  #number = 0;

  /** Starts all of it in a new folder below the run's, and waits until volumes can be made. The caller stops it. */
  static async start(bench: Bench, name: string): Promise<ClusterHost> {
    const folder = path.join(bench.places.folder, name);
    const node = createSimulatedNode(path.join(folder, 'simulated'));
    const started: { stop(): Promise<unknown> }[] = [];
    try {
      const server = await ApiServer.start({ own: true });
      started.unshift(server);
      await server.installAccess();
      const admin = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig()) });
      await new ClusterNodes(admin).add(nodeName);
      await declarePool(admin, node.pool);
      const driver = await Driver.start({
        ...{ programs: bench.programs, folder, kubeletDir: path.join(folder, 'kubelet') },
        mounterFlags: { ...node.mounterFlags, 'allow-writes': 'unsafe' },
      });
      started.unshift(driver);
      const roles = { programs: bench.programs, folder };
      const agent = await startRole(
        'agent',
        roles,
        server.kubeconfigOfToken(await agentToken(server, nodeName)),
        {
          ...{ 'node-id': nodeName, 'mounter-socket': path.join(folder, 'mounter/mounter.sock') },
        },
      );
      started.unshift(agent.process);
      const socket = path.join(folder, 'controller-csi/csi.sock');
      mkdirSync(path.dirname(socket), { mode: 0o700 });
      const kubeconfig = server.kubeconfigOfToken(await controllerToken(server));
      const controller = await startRole('controller', roles, kubeconfig, { 'csi-socket': socket });
      started.unshift(controller.process);
      await controller.process.waitForSocket(socket);
      const host = new ClusterHost({ server, admin, driver, agent, controller }, socket, node.pool);
      // Whose pool is not reported yet refuses, and is asked again.
      await host.createVolume();
      return host;
    } catch (error) {
      for (const each of started) await each.stop();
      throw error;
    }
  }

  private constructor(
    parts: {
      readonly server: ApiServer;
      readonly admin: ApiClient;
      readonly driver: Driver;
      readonly agent: Role;
      readonly controller: Role;
    },
    socket: string,
    pool: string,
  ) {
    this.#server = parts.server;
    this.admin = parts.admin;
    this.#driver = parts.driver;
    this.#agent = parts.agent;
    this.#controller = parts.controller;
    this.pool = pool;
    this.#csi = createClient(controllerService, socket, {
      ...{ name: 'the controller', unavailableReason: 'mounter-unavailable' },
    });
    this.#node = nodeClient(parts.driver.socket);
  }

  /** Creates a volume of 2 MiB, as a provisioner does that asks again. */
  async createVolume(): Promise<MadeVolume> {
    const beganAtMs = performance.now();
    const request = {
      name: `bench-${this.#number++}`,
      capacityRange: { requiredBytes: 2n << 20n, limitBytes: 0n },
      volumeCapabilities: [capability],
    };
    for (;;) {
      try {
        const { volume } = await this.#csi.calls.createVolume(request, { timeoutMs: patienceMs });
        if (volume == null) throw new Error('CreateVolume answered without a volume');
        return {
          ...{ volumeId: volume.volumeId, volumeContext: volume.volumeContext },
          ms: performance.now() - beganAtMs,
        };
      } catch (error) {
        if (performance.now() - beganAtMs > patienceMs) throw error;
        await delay(20);
      }
    }
  }

  async deleteVolume({ volumeId }: MadeVolume): Promise<void> {
    await this.#csi.calls.deleteVolume({ volumeId }, { timeoutMs: patienceMs });
  }

  /** Publishes a volume read-only, and takes it away again. */
  async publishAndUnpublish({ volumeId, volumeContext }: MadeVolume): Promise<void> {
    const targetPath = path.join(targetsFolder(this.#driver.kubeletDir, 'cluster'), volumeId);
    const order = { volumeId, targetPath, volumeContext: { ...volumeContext }, readonly: true };
    await this.#node.calls.nodePublishVolume(
      { ...order, volumeCapability: capability },
      { timeoutMs: patienceMs },
    );
    await this.#node.calls.nodeUnpublishVolume({ volumeId, targetPath }, { timeoutMs: patienceMs });
  }

  /** What controller and agent have asked of the API server together, as their metrics say. */
  async requests(): Promise<RequestCounts> {
    const counts = new Map<string, number>();
    for (const { metricsUrl } of [this.#controller, this.#agent]) {
      const text = await (await fetch(metricsUrl)).text();
      for (const [, labels = '', count] of text.matchAll(/^famfs_csi_api_requests_total\{(.*)\} (\d+)$/gm)) {
        const label = (name: string): string | undefined =>
          new RegExp(`\\b${name}="([^"]*)"`).exec(labels)?.[1];
        const key = `${label('resource')} ${label('verb')}`;
        counts.set(key, (counts.get(key) ?? 0) + Number(count));
      }
    }
    return counts;
  }

  memoryOf(role: 'controller' | 'agent'): ProcessMemory {
    const { pid } = (role === 'agent' ? this.#agent : this.#controller).process;
    return parseSmapsRollup(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  }

  async stop(): Promise<void> {
    this.#csi.close();
    this.#node.close();
    for (const { process } of [this.#controller, this.#agent]) await process.stop();
    await this.#driver.stop();
    this.admin.close();
    await this.#server.stop();
  }
}

async function declarePool(admin: ApiClient, fileSystemUUID: string): Promise<void> {
  await admin.create<FamfsPool>(famfsPools, {
    ...{ apiVersion: 'famfs.io/v1alpha1', kind: 'FamfsPool', metadata: { name: poolName } },
    spec: { fileSystemUUID, writes: 'AllowedUnsafe', deletedVolumes: 'Keep' },
  });
}

/** Starts a role that talks to the API server, with its metrics on a free port. */
async function startRole(
  name: 'agent' | 'controller',
  { programs, folder }: { readonly programs: Programs; readonly folder: string },
  kubeconfigText: string,
  flags: Readonly<Record<string, string>>,
): Promise<Role> {
  const [file = '', ...words] = programs[name];
  const kubeconfig = path.join(folder, `${name}.kubeconfig`);
  writeFileSync(kubeconfig, kubeconfigText, { mode: 0o600 });
  const address = `127.0.0.1:${await freePort()}`;
  const all = { ...flags, kubeconfig, 'metrics-address': address, 'log-level': 'warn' };
  const process = new BackgroundProcess(name, file, [...words, ...asArguments(all)], smallHeapEnvironment);
  return { process, metricsUrl: `http://${address}/metrics` };
}
