// A node of a simulated cluster as kubelet drives it: its plugin over the CSI socket, its mounter behind, both of which
// can be ended and started again. Knows nothing of what a test asks it to do.
import { rmSync } from 'node:fs';
import { identityService, nodeService } from '../../src/csi/protocol.ts';
import { createClient } from '../../src/rpc/client.ts';
import type { ClusterNode } from '../cluster-node.ts';
import type { DriverProcess } from '../driver-process.ts';
import type { MounterFlags, RunningMounter } from '../running-mounter.ts';
import type { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';

/** How a process is ended: told to, or killed with nothing of its own done any more. */
export type Ending = 'SIGTERM' | 'SIGKILL';

export interface DrivenNodeOptions {
  readonly mounterFlags?: MounterFlags;
  readonly pluginFlags?: Readonly<Record<string, string>>;
}

function connect(node: ClusterNode) {
  const options = { name: 'the plugin', unavailableReason: 'mounter-unavailable' } as const;
  const nodeClient = createClient(nodeService, node.places.csiSocket, options);
  const identityClient = createClient(identityService, node.places.csiSocket, options);
  return {
    node: nodeClient.calls,
    identity: identityClient.calls,
    close: (): void => {
      nodeClient.close();
      identityClient.close();
    },
  };
}

export class DrivenNode {
  readonly cluster: SimulatedCluster;
  readonly node: ClusterNode;
  readonly mounter: RunningMounter;
  readonly #pluginFlags: Readonly<Record<string, string>>;
  #plugin: DriverProcess;
  readonly #client: ReturnType<typeof connect>;

  private constructor(
    cluster: SimulatedCluster,
    node: ClusterNode,
    mounter: RunningMounter,
    plugin: DriverProcess,
    pluginFlags: Readonly<Record<string, string>>,
  ) {
    this.cluster = cluster;
    this.node = node;
    this.mounter = mounter;
    this.#plugin = plugin;
    this.#pluginFlags = pluginFlags;
    this.#client = connect(node);
  }

  /** Starts mounter and plugin on a node. The cluster ends them. */
  static async start(
    cluster: SimulatedCluster,
    node: ClusterNode,
    { mounterFlags = {}, pluginFlags = {} }: DrivenNodeOptions = {},
  ): Promise<DrivenNode> {
    const mounter = cluster.startMounter(node, mounterFlags);
    const plugin = await cluster.startPlugin(node, pluginFlags);
    return new DrivenNode(cluster, node, mounter, plugin, pluginFlags);
  }

  get pluginPid(): number {
    return this.#plugin.pid;
  }

  /** The calls of CSI's Node service on the plugin's socket. */
  get calls(): ReturnType<typeof connect>['node'] {
    return this.#client.node;
  }

  /** Those of its Identity service. */
  get identity(): ReturnType<typeof connect>['identity'] {
    return this.#client.identity;
  }

  async endPlugin(how: Ending): Promise<void> {
    await (how === 'SIGKILL' ? this.#plugin.kill() : this.#plugin.stop());
  }

  /** Starts the plugin after `endPlugin`; resolves when calls reach it. */
  async startPlugin(): Promise<void> {
    // A plugin that was killed has left its socket; whoever waits for the new one must not see it.
    rmSync(this.node.places.csiSocket, { force: true });
    this.#plugin = await this.cluster.startPlugin(this.node, this.#pluginFlags);
    await waitUntil('the plugin answers', () =>
      this.calls.nodeGetCapabilities({}).then(
        () => true,
        () => false,
      ),
    );
  }

  async endMounter(how: Ending): Promise<void> {
    await (how === 'SIGKILL' ? this.mounter.kill() : this.mounter.stop());
  }

  /** Starts the mounter after `endMounter` and waits until it serves these pools. */
  async startMounter(...pools: readonly string[]): Promise<void> {
    await this.mounter.restart();
    await this.mounter.ready(...pools);
  }

  /** Closes the connection; before the cluster ends. */
  close(): void {
    this.#client.close();
  }
}
