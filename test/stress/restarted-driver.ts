// Mounter and node plugin of one node, started with effect points and started again whenever one has died, as kubelet does.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { nodeService } from '../../src/csi/protocol.ts';
import { createClient } from '../../src/rpc/client.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { DriverProcess, sourceProgram } from '../driver-process.ts';
import { mounterArguments } from '../running-mounter.ts';
import { waitUntil } from '../wait-until.ts';
import type { EffectFolder } from './effect-folder.ts';

const startPatienceMs = 120_000;

export type CsiClient = ReturnType<typeof connect>;

export class RestartedDriver {
  readonly #node: ClusterNode;
  readonly #points: EffectFolder;
  #mounter: DriverProcess | undefined;
  #plugin: DriverProcess | undefined;
  #csi: CsiClient | undefined;
  #restarts = 0;
  #isClosed = false;

  constructor(node: ClusterNode, points: EffectFolder) {
    this.#node = node;
    this.#points = points;
  }

  /** How often a process was started again after its death. */
  get restarts(): number {
    return this.#restarts;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get pluginPid(): number | undefined {
    return this.#plugin?.pid;
  }

  /** The end of the mounter's log. */
  get log(): string {
    return this.#mounter?.log.slice(-3000) ?? '';
  }

  /** Starts what is not running, and waits until the plugin serves. @throws Error when that ends meanwhile */
  async revive(): Promise<CsiClient> {
    if (this.#isClosed) throw new Error('the driver was ended for good');
    if (this.#mounter?.isRunning !== true) {
      this.#countRestart();
      const flags = mounterArguments(this.#node, { 'allow-writes': 'unsafe' });
      this.#mounter = this.#start(flags, 'mounter.log');
    }
    if (this.#plugin?.isRunning !== true) this.#startPlugin();
    if (this.#csi !== undefined) return this.#csi;
    const plugin = this.#plugin;
    await waitUntil(
      'the node plugin serves',
      () => {
        if (plugin?.isRunning !== true) throw new Error(`the node plugin has ended: ${plugin?.log}`);
        return plugin.log.includes('node plugin started');
      },
      startPatienceMs,
    );
    this.#csi = connect(this.#node);
    return this.#csi;
  }

  /** Ends them by SIGKILL; the plugin only when asked to. */
  async kill({ withPlugin }: { withPlugin: boolean }): Promise<void> {
    await this.#mounter?.kill();
    if (!withPlugin) return;
    await this.#plugin?.kill();
    this.#csi?.close();
    this.#csi = undefined;
  }

  /** Ends them for good: nobody who is still at work starts them again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.kill({ withPlugin: true });
  }

  #startPlugin(): void {
    this.#countRestart();
    this.#csi?.close();
    this.#csi = undefined;
    const { places, name } = this.#node;
    // What a former plugin said must not be taken for this one's.
    rmSync(path.join(places.root, 'plugin.log'), { force: true });
    const flags = {
      'node-id': name,
      'kubelet-dir': places.kubelet,
      'csi-socket': places.csiSocket,
      'mounter-socket': places.mounterSocket,
      'skip-registration': 'true',
    };
    const words = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    this.#plugin = this.#start(['node', ...words], 'plugin.log');
  }

  #countRestart(): void {
    if (this.#points.killedAt !== undefined) this.#restarts++;
  }

  #start(words: readonly string[], log: string): DriverProcess {
    return new DriverProcess({
      argv: [...this.#points.launcher, ...sourceProgram, ...words],
      logPath: path.join(this.#node.places.root, log),
    });
  }
}

function connect(node: ClusterNode) {
  return createClient(nodeService, node.places.csiSocket, {
    name: 'the plugin',
    unavailableReason: 'internal',
  });
}
