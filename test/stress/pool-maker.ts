// The master of a pool, with no driver on it: makes files for other nodes to find, and knows all that has to be in the log.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { openLogSource } from '../../src/famfs/log-source.ts';
import { PoolLog } from '../../src/famfs/pool-log.ts';
import type { ClusterNode } from '../cluster-node.ts';
import type { SimulatedCluster } from '../simulated-cluster.ts';

const fileBytes = 4096;

/** What the maker writes into a file; the rest of it stays as it was. */
export function madeText(file: string): string {
  return `made as ${file}\n`;
}

export class PoolMaker {
  readonly poolUuid: string;
  readonly #cluster: SimulatedCluster;
  readonly #node: ClusterNode;
  readonly #made = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(cluster: SimulatedCluster, node: ClusterNode, poolUuid: string) {
    this.#cluster = cluster;
    this.#node = node;
    this.poolUuid = poolUuid;
  }

  /** Formats the cluster's memory and mounts it on a node of its own. */
  static async start(cluster: SimulatedCluster): Promise<PoolMaker> {
    const node = await cluster.addNode('maker', { devices: { 'dax9.0': 'memory' } });
    const maker = new PoolMaker(cluster, node, await node.format('dax9.0'));
    mkdirSync(node.poolPath(maker.poolUuid), { recursive: true });
    await node.do('famfs', 'mount', node.modeFlag, node.device('dax9.0'), node.poolPath(maker.poolUuid));
    return maker;
  }

  directory(relative: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#node.mkdir(this.poolUuid, relative);
      this.#made.add(relative);
    });
  }

  /** Makes a file that holds `madeText`. */
  file(relative: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#node.creat(this.poolUuid, relative, fileBytes);
      writeFileSync(this.path(relative), madeText(relative), { flag: 'r+' });
      this.#made.add(relative);
    });
  }

  /** Where the maker itself sees a path of the pool. */
  path(relative: string): string {
    return this.#node.poolPath(this.poolUuid, relative);
  }

  /** The names of all files that were made in a directory, sorted. */
  namesIn(directory: string): string[] {
    const inside = [...this.#made].filter((file) => file.startsWith(`${directory}/`));
    return inside.map((file) => file.slice(directory.length + 1)).sort();
  }

  /** Reads the memory itself, past every mount: it has what was made, each once, and nothing else. */
  checkLog(): Promise<void> {
    return this.#inTurn(async () => {
      const source = await openLogSource(this.#cluster.memory());
      try {
        const log = new PoolLog(source);
        await log.refresh();
        assert.deepEqual(log.entries.map((entry) => entry.path).sort(), [...this.#made].sort());
        assert.equal(log.header.nextIndex, BigInt(this.#made.size));
      } finally {
        source.close();
      }
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
