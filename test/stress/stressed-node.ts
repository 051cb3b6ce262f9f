// One node with a pool and everything that runs on it, for tests that send it what nobody should; and what its requests
// have left on it. Must run in a private mount namespace.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stop } from 'esbuild';
import { type NodeService, nodeService } from '../../src/csi/protocol.ts';
import { createClient, type RpcClient } from '../../src/rpc/client.ts';
import { bundles, makeBundle } from '../../tools/bundle.ts';
import { projectRoot } from '../../tools/run-tool.ts';
import type { ClusterNode } from '../cluster-node.ts';
import type { DriverProcess } from '../driver-process.ts';
import type { RunningMounter } from '../running-mounter.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { assertNoSurprises, assertSameFootprint, type Footprint, footprintOf } from './footprint.ts';

/** The directory that volumes of these tests name. */
export const publishedPath = 'models/llama';

export interface StressedNodeOptions {
  /** Runs before the mounter starts. */
  readonly prepare?: (node: ClusterNode) => void;
  /** Start the driver as it is shipped, with the memory it has then, and not from its sources. */
  readonly bundled?: boolean;
}

type Parts = Pick<StressedNode, 'cluster' | 'node' | 'mounter' | 'plugin' | 'pool'> & {
  folder: string | undefined;
};

export class StressedNode {
  readonly cluster: SimulatedCluster;
  readonly node: ClusterNode;
  readonly mounter: RunningMounter;
  readonly plugin: DriverProcess;
  /** UUID of the one pool. */
  readonly pool: string;
  readonly client: RpcClient<NodeService>;
  readonly #folder: string | undefined;

  private constructor(parts: Parts) {
    this.cluster = parts.cluster;
    this.node = parts.node;
    this.mounter = parts.mounter;
    this.plugin = parts.plugin;
    this.pool = parts.pool;
    this.#folder = parts.folder;
    this.client = createClient(nodeService, this.node.places.csiSocket, {
      name: 'the plugin',
      unavailableReason: 'internal',
    });
  }

  static async start({ prepare, bundled = false }: StressedNodeOptions = {}): Promise<StressedNode> {
    const folder = bundled ? mkdtempSync(path.join(os.tmpdir(), 'stressed-')) : undefined;
    const cluster = new SimulatedCluster(
      folder === undefined ? {} : { program: await bundledProgram(folder) },
    );
    try {
      await cluster.addMemory();
      const node = await cluster.addNode('a');
      const pool = await node.format('dax0.0');
      prepare?.(node);
      const mounter = cluster.startMounter(node);
      const plugin = await cluster.startPlugin(node);
      await mounter.ready(pool);
      await node.mkdir(pool, publishedPath);
      await node.creat(pool, `${publishedPath}/weights`, 4096);
      return new StressedNode({ cluster, node, mounter, plugin, pool, folder });
    } catch (error) {
      await cluster.close().catch(() => undefined);
      if (folder !== undefined) rmSync(folder, { recursive: true });
      throw error;
    }
  }

  async close(): Promise<void> {
    this.client.close();
    await this.cluster.close();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true });
  }

  footprint(): Footprint {
    return footprintOf(this.cluster, this.node);
  }

  /** Fails when something is there that was not, or gone that was. */
  assertUnchanged(before: Footprint): void {
    assertSameFootprint(this.footprint(), before);
  }

  /** Takes away everything that is published, by the calls of kubelet, until the mounter knows of nothing. */
  async unpublishAll(): Promise<number> {
    const { binds } = await this.mounter.calls.listBinds({});
    for (const { volumeId, target } of binds)
      await this.client.calls.nodeUnpublishVolume({ volumeId, targetPath: target });
    const left = await this.mounter.calls.listBinds({});
    assert.deepEqual(left.binds, []);
    return binds.length;
  }

  /** Fails unless plugin and mounter are the processes they were and have been surprised by nothing. */
  async assertUnharmed(): Promise<void> {
    for (const name of ['plugin', 'mounter'])
      await assertNoSurprises(`${this.node.places.root}/${name}.log`, name);
    assert.ok(this.plugin.isRunning, `the plugin has ended: ${this.plugin.log.slice(-2000)}`);
    // Throws when there is no such process.
    process.kill(this.mounter.pid, 0);
  }
}

/** Bundles node plugin and mounter into a folder, as they are shipped; the words that start either. */
async function bundledProgram(folder: string): Promise<readonly string[]> {
  writeFileSync(path.join(folder, 'package.json'), '{"type":"commonjs"}');
  // koffi is not part of a bundle: it loads a native library.
  symlinkSync(path.join(projectRoot, 'node_modules'), path.join(folder, 'node_modules'));
  const roles = bundles.filter(({ name }) => name === 'node' || name === 'mounter');
  assert.equal(roles.length, 2);
  for (const bundle of roles) await makeBundle(bundle, folder);
  // Its service would stay as long as this process.
  await stop();
  const file = path.join(folder, 'famfs-csi.cjs');
  writeFileSync(file, `require(process.argv[2] === 'node' ? './node.cjs' : './mounter.cjs');\n`);
  return [process.execPath, file];
}

/** A figure in KiB out of /proc/PID/status, such as VmRSS or VmHWM. */
export function memoryKib(pid: number, what: 'VmRSS' | 'VmHWM' | 'RssFile'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN);
}
