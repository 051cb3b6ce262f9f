// The driver as a cluster runs it, each role a process with the rights that the chart gives it, beside a real API server:
// on one simulated node, whose pool an administrator has declared.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ApiClient } from '../../src/kubernetes/api-client.ts';
import { apiVersion } from '../../src/kubernetes/api-object.ts';
import { conditionOf } from '../../src/kubernetes/conditions.ts';
import type { FamfsPool } from '../../src/kubernetes/famfs-pool.ts';
import { KubeAccess } from '../../src/kubernetes/kube-access.ts';
import { famfsPools, nodes } from '../../src/kubernetes/resources.ts';
import { ApiServer } from '../../test/api-server.ts';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { agentToken, controllerToken, installAccess, installCrds } from '../../test/driver-objects.ts';
import { DriverProcess, sourceProgram } from '../../test/driver-process.ts';
import { RunningAgent } from '../../test/running-agent.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import type { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';

/** Of a machine that is busy with other things as well. */
const patienceMs = 180_000;

/** Which processes are killed at once. */
export type Interruption = 'node' | 'mounter' | 'both';

export class ClusterDriver {
  readonly controllerSocket: string;
  readonly #server: ApiServer;
  readonly #client: ApiClient;
  readonly #controller: DriverProcess;
  readonly #agent: RunningAgent;
  readonly #mounter: RunningMounter;
  readonly #startPlugin: () => Promise<DriverProcess>;
  #plugin: DriverProcess;

  /** Starts everything; resolves when the pool can take volumes. Mounter and node plugin end with the cluster. */
  static async start(cluster: SimulatedCluster, node: ClusterNode): Promise<ClusterDriver> {
    const server = await ApiServer.start({ own: true });
    const client = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig()) });
    await installCrds(server);
    await installAccess(server);
    const mounter = cluster.startMounter(node, { 'allow-writes': 'unsafe' });
    const pool = (await mounter.until('a pool is ready', ({ pools }) => pools.length > 0)).pools[0]?.uuid;
    const startPlugin = (): Promise<DriverProcess> => cluster.startPlugin(node);
    const plugin = await startPlugin();
    const agent = new RunningAgent(node, {
      kubeconfig: server.kubeconfigOfToken(await agentToken(server, node.name)),
    });
    await sayNodeIsReady(client, node.name);
    const controllerSocket = path.join(node.places.root, 'sockets/controller.sock');
    const controller = startController(
      node,
      controllerSocket,
      server.kubeconfigOfToken(await controllerToken(server)),
    );
    const driver = new ClusterDriver({
      ...{ server, client, agent, controller, controllerSocket, mounter, plugin, startPlugin },
    });
    try {
      await client.create<FamfsPool>(famfsPools, {
        ...{ apiVersion, kind: 'FamfsPool', metadata: { name: 'fast' } },
        spec: { fileSystemUUID: pool ?? '', writes: 'AllowedUnsafe', deletedVolumes: 'Reuse' },
      });
      await driver.#untilReady();
      return driver;
    } catch (error) {
      await driver.stop();
      throw error;
    }
  }

  private constructor(parts: {
    readonly server: ApiServer;
    readonly client: ApiClient;
    readonly agent: RunningAgent;
    readonly controller: DriverProcess;
    readonly controllerSocket: string;
    readonly mounter: RunningMounter;
    readonly plugin: DriverProcess;
    readonly startPlugin: () => Promise<DriverProcess>;
  }) {
    this.#server = parts.server;
    this.#client = parts.client;
    this.#agent = parts.agent;
    this.#controller = parts.controller;
    this.controllerSocket = parts.controllerSocket;
    this.#mounter = parts.mounter;
    this.#plugin = parts.plugin;
    this.#startPlugin = parts.startPlugin;
  }

  /**
   * Ends these processes by SIGKILL and starts them again; resolves when the driver serves as before, and the controller knows it. The
   * suite does not repeat a call, as Kubernetes would.
   */
  async interrupt(which: Interruption): Promise<void> {
    const plugin = which !== 'mounter' ? this.#plugin.kill() : undefined;
    const mounter = which !== 'node' ? this.#mounter.kill() : undefined;
    await Promise.all([plugin, mounter]);
    await Promise.all([
      plugin === undefined ? undefined : this.#restartPlugin(),
      mounter === undefined ? undefined : this.#restartMounter(),
    ]);
  }

  async #restartPlugin(): Promise<void> {
    this.#plugin = await this.#startPlugin();
  }

  /** Not before the controller knows that it has gone: what it says of the pool afterwards is of its new life. */
  async #restartMounter(): Promise<void> {
    await this.#untilPool('does not take volumes while its mounter is away', 'False');
    await this.#mounter.restart();
    await this.#untilReady();
  }

  async stop(): Promise<void> {
    await this.#controller.stop();
    await this.#agent.stop();
    this.#client.close();
    await this.#server.stop();
  }

  #untilReady(): Promise<void> {
    return this.#untilPool('takes volumes', 'True');
  }

  /** The controller says this of the pool by what it has heard of its nodes, and answers CSI calls by the same. */
  async #untilPool(what: string, ready: 'True' | 'False'): Promise<void> {
    let pool: FamfsPool | undefined;
    const isSo = async (): Promise<boolean> => {
      if (!this.#controller.isRunning || !this.#agent.isRunning) throw new Error('a process has ended');
      pool = await this.#client.get<FamfsPool>(famfsPools, 'fast');
      return conditionOf(pool?.status?.conditions, 'Ready')?.status === ready;
    };
    try {
      await waitUntil(`the pool ${what}`, isSo, patienceMs);
    } catch (error) {
      const logs = `controller:\n${this.#controller.log.slice(-4000)}\nagent:\n${this.#agent.log.slice(-4000)}`;
      throw new Error(`${String(error)}\n${JSON.stringify(pool?.status, undefined, 1)}\n${logs}`, {
        cause: error,
      });
    }
  }
}

/** What the kubelet does, of which there is none here. */
async function sayNodeIsReady(client: ApiClient, name: string): Promise<void> {
  const now = new Date().toISOString();
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'as if' };
  const conditions = [{ ...ready, lastHeartbeatTime: now, lastTransitionTime: now }];
  await client.mergePatch(nodes, name, { status: { conditions } }, { subresource: 'status' });
}

function startController(node: ClusterNode, socket: string, kubeconfig: string): DriverProcess {
  const folder = path.join(node.places.root, 'controller');
  mkdirSync(folder, { mode: 0o700 });
  const file = path.join(folder, 'kubeconfig');
  writeFileSync(file, kubeconfig, { mode: 0o600 });
  return new DriverProcess({
    argv: [...sourceProgram, 'controller', `--csi-socket=${socket}`, `--kubeconfig=${file}`],
    logPath: path.join(folder, 'log'),
  });
}
