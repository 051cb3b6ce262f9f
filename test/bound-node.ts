// One simulated node with its mounter and a pool that holds the directory `set`, for tests that let something fail on
// that node and look at what the driver answers. Must run in a private mount namespace.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { DriverError, type Reason } from '../src/errors.ts';
import { readMountTable } from '../src/linux/mount-table.ts';
import type { CallOptions } from '../src/rpc/client.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { MounterFlags, RunningMounter } from './running-mounter.ts';
import { makeSamples } from './sample-data.ts';
import { type ClusterOptions, SimulatedCluster } from './simulated-cluster.ts';

export interface BoundNodeOptions extends ClusterOptions {
  readonly flags?: MounterFlags;
  /** Called before the mounter is started. */
  readonly prepare?: (node: ClusterNode) => void;
}

/** What a bind may be asked besides the target. */
export interface BindChanges {
  readonly volumeId?: string;
  readonly path?: string;
  readonly writable?: boolean;
}

export class BoundNode {
  readonly cluster: SimulatedCluster;
  readonly node: ClusterNode;
  readonly mounter: RunningMounter;
  readonly poolUuid: string;
  #pods = 0;

  private constructor(
    cluster: SimulatedCluster,
    node: ClusterNode,
    mounter: RunningMounter,
    poolUuid: string,
  ) {
    this.cluster = cluster;
    this.node = node;
    this.mounter = mounter;
    this.poolUuid = poolUuid;
  }

  static async start({ flags = {}, prepare, ...options }: BoundNodeOptions = {}): Promise<BoundNode> {
    const cluster = new SimulatedCluster(options);
    await cluster.addMemory();
    const node = await cluster.addNode('a');
    const poolUuid = await node.format('dax0.0');
    prepare?.(node);
    const mounter = cluster.startMounter(node, flags);
    await mounter.ready(poolUuid);
    const samples = makeSamples(path.join(cluster.directory, 'samples'), { set: ['one', 'two'] });
    await node.cp(path.join(samples, 'set'), poolUuid, 'set');
    await mounter.untilPool(poolUuid, 'shows the set', (pool) => pool.logEntriesReplayed === 3n);
    return new BoundNode(cluster, node, mounter, poolUuid);
  }

  /** A target that nobody had before, as kubelet leaves it: its parent is there. */
  newTarget(): string {
    return this.node.target(`pod${this.#pods++}`);
  }

  bind(target: string, changes: BindChanges = {}, options: CallOptions = {}) {
    const { poolUuid } = this;
    const order = { poolUuid, path: 'set', target, volumeId: 'volume-1', ...changes };
    return this.mounter.calls.bind(order, options);
  }

  unbind(target: string, options: CallOptions = {}) {
    return this.mounter.calls.unbind({ target }, options);
  }

  mountsAt(target: string): string[] {
    return readMountTable()
      .map(({ mountPoint }) => mountPoint)
      .filter((place) => place === target || place.startsWith(`${target}/`));
  }

  /** The names of the notes about binds. */
  records(): string[] {
    return readdirSync(this.node.places.binds);
  }

  /** The process that does what touches the pool's mount. */
  workerPid(): number {
    const line = this.cluster
      .processes()
      .find((each) => each.includes('mounter-worker') && each.includes(this.poolUuid));
    return Number.parseInt(line ?? assert.fail('the pool has no worker'), 10);
  }

  /** The pool serves: a bind at a new target, and its end, leave nothing. */
  async assertServes(): Promise<void> {
    const target = this.newTarget();
    assert.equal((await this.bind(target)).alreadyBound, false);
    assert.deepEqual(readdirSync(target).sort(), ['one', 'two']);
    assert.deepEqual(await this.unbind(target), { wasBound: true });
    assert.deepEqual(readdirSync(path.dirname(target)), []);
  }

  close(): Promise<void> {
    return this.cluster.close();
  }
}

/** Fails unless the call is refused with this reason and a sentence that says what the pattern looks for. */
export async function assertRefused(call: Promise<unknown>, reason: Reason, sentence: RegExp): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof DriverError, String(error));
    assert.equal(error.reason, reason, error.message);
    assert.match(error.message, sentence);
    return true;
  });
}
