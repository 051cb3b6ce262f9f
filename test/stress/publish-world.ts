// The real side of a model-based sequence: a node with plugin, mounter and two pools, the master of each, and a look at all
// that is there. Predicts nothing.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { accessModes } from '../../src/csi/protocol.ts';
import { readMountTable } from '../../src/linux/mount-table.ts';
import { processState } from '../../src/linux/processes.ts';
import { poolPhase } from '../../src/mounter/client.ts';
import type { CallOptions } from '../../src/rpc/client.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { makeSamples } from '../sample-data.ts';
import { outcomeOf } from '../served-csi.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';
import { DrivenNode } from './driven-node.ts';
import { type Answer, type Order, type Place, poolOf, targetCount, type Way } from './publish-model.ts';

const patienceMs = 180_000;

/** What a caller hears, and by what its reason is told: CSI has codes only, so a sentence decides among those that share one. */
const sentences: readonly (readonly [answer: Answer, code: string, sentence: RegExp])[] = [
  ['already-published', 'ALREADY_EXISTS', /already holds/],
  ['not-published', 'NOT_FOUND', /holds volume|is not published/],
  ['path-not-found', 'NOT_FOUND', /There is no/],
  ['second-target-refused', 'FAILED_PRECONDITION', /allows one target/],
  ['path-not-directory', 'INVALID_ARGUMENT', /is a file of the pool/],
  ['pool-dead', 'UNAVAILABLE', /daemon of the pool has ended/],
  ['pool-not-ready', 'UNAVAILABLE', /not mounted|still being mounted/],
  ['shutting-down', 'UNAVAILABLE', /is stopping/],
  [
    'mounter-unavailable',
    'UNAVAILABLE',
    /mounter|ECONNREFUSED|ENOENT|ECONNRESET|dropped|No connection|refused by server/,
  ],
  ['operation-pending', 'ABORTED', /still running|try again/],
  ['deadline-exceeded', 'DEADLINE_EXCEEDED', /./],
  ['cancelled', 'CANCELLED', /./],
];

export class PublishWorld {
  readonly cluster: SimulatedCluster;
  readonly driven: DrivenNode;
  readonly pools: readonly string[];
  /** Counts what was done to it, for the report. */
  readonly counts = new Map<string, number>();
  readonly #masters: readonly ClusterNode[];
  readonly #targets: readonly string[];
  readonly #daemons: (number | undefined)[] = [];
  #sequence = 0;

  private constructor(
    cluster: SimulatedCluster,
    driven: DrivenNode,
    pools: readonly string[],
    masters: readonly ClusterNode[],
  ) {
    this.cluster = cluster;
    this.driven = driven;
    this.pools = pools;
    this.#masters = masters;
    this.#targets = Array.from({ length: targetCount }, (_, number) => driven.node.target(`pod-${number}`));
    for (const pool of pools.keys()) this.#daemons[pool] = this.#daemonOf(pool);
  }

  /** The node is master of the first pool and client of the second. */
  static async open(): Promise<PublishWorld> {
    const cluster = new SimulatedCluster();
    try {
      return await PublishWorld.#openIn(cluster);
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  static async #openIn(cluster: SimulatedCluster): Promise<PublishWorld> {
    await Promise.all([cluster.addMemory('one'), cluster.addMemory('two')]);
    const node = await cluster.addNode('a', { devices: { 'dax0.0': 'one', 'dax1.0': 'two' } });
    const other = await cluster.addNode('b', { devices: { 'dax0.0': 'two' } });
    const pools = [await node.format('dax0.0'), await other.format('dax0.0')];
    const masters = [node, other];
    const otherMounter = cluster.startMounter(other);
    const mounterFlags = {
      ...{ 'allow-writes': 'unsafe', 'health-interval': '100ms', 'scan-interval': '250ms' },
      'log-level': 'info',
    };
    const driven = await DrivenNode.start(cluster, node, {
      mounterFlags,
      pluginFlags: { 'log-level': 'info' },
    });
    await driven.mounter.ready(...pools);
    await otherMounter.ready(pools[1] ?? '');
    const samples = makeSamples(path.join(cluster.directory, 'samples'), { base: ['x', 'y'], other: ['z'] });
    for (const [pool, uuid] of pools.entries()) {
      for (const folder of ['base', 'other'])
        await masters[pool]?.cp(path.join(samples, folder), uuid, folder);
      await masters[pool]?.creat(uuid, 'file', 4096);
      await masters[pool]?.mkdir(uuid, 'late');
    }
    return new PublishWorld(cluster, driven, pools, masters);
  }

  async close(): Promise<void> {
    this.driven.close();
    await this.cluster.close();
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** Begins a sequence: nothing is published, all pools serve, the late directory has a name that was never used. */
  async clear(): Promise<void> {
    this.#sequence++;
    this.count('sequences');
    for (const { volume, target } of this.#recorded()) await this.#unpublish({ volume, target });
    for (const pool of this.pools.keys()) {
      if (this.#isAlive(pool)) continue;
      await this.untilRecovered(pool);
    }
  }

  publish({ volume, target, way }: Order, options?: CallOptions): Promise<Answer> {
    this.count('publishes');
    const call = this.driven.calls.nodePublishVolume(
      {
        volumeId: volumeId(volume),
        targetPath: this.#target(target),
        readonly: !way.writable,
        volumeCapability: {
          mount: { mountFlags: way.allowExec ? ['exec'] : [] },
          accessMode: { mode: accessModeOf(way) },
        },
        volumeContext: {
          ...{ pool: this.pools[poolOf(volume)] ?? '', path: this.pathOf(way) },
          ...{ access: way.writable ? 'rw' : 'ro' },
        },
      },
      options,
    );
    return answerOf(call);
  }

  unpublish({ volume, target }: Place, options?: CallOptions): Promise<Answer> {
    this.count('unpublishes');
    return this.#unpublish({ volume, target }, options);
  }

  #unpublish({ volume, target }: Place, options?: CallOptions): Promise<Answer> {
    const targetPath = this.#target(target);
    return answerOf(
      this.driven.calls.nodeUnpublishVolume({ volumeId: volumeId(volume), targetPath }, options),
    );
  }

  stats({ volume, target }: Place): Promise<Answer> {
    const volumePath = this.#target(target);
    return answerOf(this.driven.calls.nodeGetVolumeStats({ volumeId: volumeId(volume), volumePath }));
  }

  /** The master of a pool makes the late directory. */
  async makeLate(pool: number): Promise<void> {
    this.count('directories made');
    await this.#masters[pool]?.mkdir(this.pools[pool] ?? '', `late/${this.#sequence}`);
  }

  /** Kills the daemon of a pool on this node and waits for its end. */
  async killDaemon(pool: number): Promise<void> {
    this.count('deaths of daemons');
    const pid = this.#daemons[pool];
    if (pid === undefined) throw new Error(`pool ${pool} has no daemon to kill`);
    this.#daemons[pool] = undefined;
    process.kill(pid, 'SIGKILL');
    await waitUntil('the daemon has ended', () => !isRunning(pid), patienceMs);
  }

  /** Waits until a pool whose daemon was killed has a new one and serves. */
  async untilRecovered(pool: number): Promise<void> {
    await waitUntil(
      `pool ${pool} has recovered`,
      async () => {
        this.#daemons[pool] = this.#daemonOf(pool);
        return this.#daemons[pool] !== undefined && (await this.isReady(pool));
      },
      patienceMs,
    );
    this.count('recoveries');
  }

  /** Starts the mounter after its end; these pools have to serve again. */
  startMounter(pools: readonly number[]): Promise<void> {
    return this.driven.startMounter(...pools.map((pool) => this.pools[pool] ?? ''));
  }

  /** What a caller waits before it comes again. */
  async pause(): Promise<void> {
    await sleep(50);
  }

  async isReady(pool: number): Promise<boolean> {
    const { pools } = await this.driven.mounter.calls.getState({});
    const state = pools.find(({ uuid }) => uuid === this.pools[pool]);
    return state?.phase === poolPhase.POOL_PHASE_READY && state.problem == null;
  }

  /** Where a path lies in its pool. */
  pathOf(way: Way): string {
    return way.path === 'late' ? `late/${this.#sequence}` : way.path;
  }

  /** All that the driver has made, as one sorted list of sentences; `expected` writes the same of a model. */
  async found(): Promise<string[]> {
    const folder = this.driven.node.places.kubelet;
    const mounts = readMountTable()
      .filter(({ mountPoint }) => mountPoint.startsWith(folder))
      .map(({ mountPoint, root, mountOptions }) => mountLine(mountPoint, root, mountOptions));
    const { binds } = await this.driven.mounter.calls.listBinds({});
    return [
      ...mounts,
      ...this.#targets.flatMap((target) =>
        readdirSync(path.dirname(target)).map((name) => `directory ${path.join(path.dirname(target), name)}`),
      ),
      ...readdirSync(this.driven.node.places.binds).map((name) => {
        const record = JSON.parse(
          readFileSync(path.join(this.driven.node.places.binds, name), 'utf8'),
        ) as BindLine & { complete: boolean };
        return bindLine(record.complete ? 'record' : 'unfinished record', record);
      }),
      ...binds.map((bind) => bindLine('bind', bind)),
    ].sort();
  }

  /** What there should be when these are published. */
  expected(orders: Iterable<Order>): string[] {
    return [...orders]
      .flatMap((order) => {
        const [target, inPool] = [this.#target(order.target), this.pathOf(order.way)];
        const bind = {
          ...{ volumeId: volumeId(order.volume), target, poolUuid: this.pools[poolOf(order.volume)] ?? '' },
          ...{ path: inPool, writable: order.way.writable, soleTarget: order.way.soleTarget },
        };
        const files = order.way.writable ? (filesIn[order.way.path] ?? []) : [];
        const always = ['nosuid', 'nodev', ...(order.way.allowExec ? [] : ['noexec'])];
        return [
          mountLine(target, `/${inPool}`, ['ro', ...always]),
          ...files.map((file) => mountLine(`${target}/${file}`, `/${inPool}/${file}`, ['rw', ...always])),
          `directory ${target}`,
          bindLine('record', bind),
          bindLine('bind', bind),
        ];
      })
      .sort();
  }

  #recorded(): Place[] {
    const { binds } = this.driven.node.places;
    return readdirSync(binds).map((name) => {
      const record = JSON.parse(readFileSync(path.join(binds, name), 'utf8')) as BindLine;
      return {
        volume: Number(record.volumeId.replace('volume-', '')),
        target: this.#targets.indexOf(record.target),
      };
    });
  }

  #target(number: number): string {
    const target = this.#targets[number];
    if (target === undefined) throw new TypeError(`there is no target ${number}`);
    return target;
  }

  #isAlive(pool: number): boolean {
    const pid = this.#daemons[pool];
    return pid !== undefined && isRunning(pid);
  }

  #daemonOf(pool: number): number | undefined {
    return this.cluster.daemonOf(this.driven.node, this.pools[pool] ?? '');
  }
}

const filesIn: Readonly<Partial<Record<Way['path'], readonly string[]>>> = { base: ['x', 'y'], other: ['z'] };

interface BindLine {
  readonly volumeId: string;
  readonly target: string;
  readonly poolUuid: string;
  readonly path: string;
  readonly writable: boolean;
}

function bindLine(kind: string, { volumeId, target, poolUuid, path: inPool, writable }: BindLine): string {
  return `${kind} of ${volumeId} at ${target}: ${inPool} of ${poolUuid}${writable ? ', writable' : ''}`;
}

function mountLine(target: string, root: string, options: readonly string[]): string {
  const told = ['ro', 'rw', 'nosuid', 'nodev', 'noexec'].filter((option) => options.includes(option));
  return `mount of ${root} at ${target}: ${told.join(',')}`;
}

function volumeId(volume: number): string {
  return `volume-${volume}`;
}

function accessModeOf({ writable, soleTarget }: Way) {
  if (writable)
    return soleTarget ? accessModes.SINGLE_NODE_SINGLE_WRITER : accessModes.MULTI_NODE_MULTI_WRITER;
  return soleTarget ? accessModes.SINGLE_NODE_READER_ONLY : accessModes.MULTI_NODE_READER_ONLY;
}

function isRunning(pid: number): boolean {
  const state = processState(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Never rejects: what nobody expects is an answer as well, and no rule allows it. */
async function answerOf(call: Promise<unknown>): Promise<Answer> {
  const { code, message } = await outcomeOf(call);
  if (code === 'OK') return 'ok';
  const known = sentences.find(([, ofCode, sentence]) => code === ofCode && sentence.test(message));
  return known === undefined ? `unknown: ${code} ${message}` : known[0];
}
