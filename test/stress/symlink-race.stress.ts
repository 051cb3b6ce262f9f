// A race for the path of a target: while volumes are published and unpublished, attackers in processes of their own turn
// every directory on the way into a symbolic link and back, or mount over it. Nothing may reach what that leads to.
import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DriverError } from '../../src/errors.ts';
import { statmount } from '../../src/linux/mount-id.ts';
import { readMountTable } from '../../src/linux/mount-table.ts';
import { mountFileSystem, mountFlags, unmount } from '../../src/linux/mounts.ts';
import { bindPath } from '../../src/mounter/bind.ts';
import { BindRecords } from '../../src/mounter/bind-record.ts';
import { unbindTarget } from '../../src/mounter/unbind.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import type { RunningMounter } from '../running-mounter.ts';
import { makeSamples } from '../sample-data.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { effort, seed } from './effort.ts';
import { ForeignPlaces } from './foreign-places.ts';
import { type FlipPlace, LinkFlipper } from './link-flipper.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

/** As many as publish at once; each has one target that it binds and unbinds. */
const publishers = 4;
const volume = 'volumes/kubernetes.io~csi/pv';

/** Everything an attack needs: what is on the way to the targets, and where it is led to. */
class Attack {
  readonly outside: ForeignPlaces;
  readonly neighbour: ForeignPlaces;
  readonly #flipper: LinkFlipper;

  /** `pods` are flipped below `kubelet`; look-alikes lie beside it and, as another pod's, in it. */
  constructor(kubelet: string, folder: string, pods: readonly string[]) {
    const targets = pods.map((pod) => path.join('pods', pod, volume, 'mount'));
    this.outside = new ForeignPlaces(path.join(folder, 'foreign'), targets);
    this.neighbour = new ForeignPlaces(path.join(kubelet, 'pods/neighbour'), targets);
    const place = (relative: string, how: FlipPlace['how']): FlipPlace => ({
      directory: path.join(kubelet, path.dirname(relative)),
      name: path.basename(relative),
      how,
      links: [...this.outside.links(relative), ...this.neighbour.links(relative)],
    });
    const all = pods.flatMap((pod, index) => {
      const parts = ['', 'volumes', 'volumes/kubernetes.io~csi'];
      return [
        ...parts.map((part) => place(path.join('pods', pod, part), 'exchange')),
        place(path.join('pods', pod, volume), index % 2 === 0 ? 'exchange' : 'moveAway'),
        place(path.join('pods', pod, volume, 'mount'), 'replaceLeaf'),
      ];
    });
    this.#flipper = new LinkFlipper(path.join(folder, 'flipper'), [...all, place('pods', 'exchange')], seed);
  }

  begun(): Promise<void> {
    return this.#flipper.begun();
  }

  end(): Promise<number> {
    return this.#flipper.end();
  }

  newMounts(): string[] {
    return [...this.outside.newMounts(), ...this.neighbour.newMounts()];
  }

  traces(): string[] {
    return [...this.outside.traces(), ...this.neighbour.traces()];
  }
}

describe('a race for the path of a target', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let mounter: RunningMounter;
  let poolUuid: string;
  let poolDevice: string;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    node = await cluster.addNode('a');
    poolUuid = await node.format('dax0.0');
    mounter = cluster.startMounter(node, { 'log-level': 'error' });
    await mounter.ready(poolUuid);
    const samples = makeSamples(path.join(cluster.directory, 'samples'), { llama: ['weights'] });
    await node.cp(samples, poolUuid, 'models');
    const target = node.target('first');
    poolDevice = deviceOf((await bind(target)).mountId);
    await mounter.calls.unbind({ target, volumeId: '' });
  });
  after(() => cluster?.close());

  const bind = (target: string) =>
    mounter.calls.bind({ poolUuid, path: 'models/llama', target, volumeId: `volume of ${target}` });

  const deviceOf = (mountId: bigint): string => {
    const info = statmount(mountId);
    return `${info?.deviceMajor}:${info?.deviceMinor}`;
  };

  const prepare = (name: string): { attack: Attack; targets: string[] } => {
    const pods = Array.from({ length: publishers }, (_, index) => `${name}-${index}`);
    const targets = pods.map((pod) => node.target(pod));
    return {
      attack: new Attack(node.places.kubelet, path.join(cluster.directory, name), pods),
      targets,
    };
  };

  /** What is wrong with a bind that the mounter says it has made. */
  const wrongWith = (mountId: bigint, target: string): string[] => {
    const mount = statmount(mountId);
    if (mount === undefined) return [`the bind at ${target} is not there`];
    const place = mount.mountPoint.replaceAll('.alt', '');
    return [
      ...(place === target ? [] : [`made at ${mount.mountPoint} instead of ${target}`]),
      ...(mount.root === '/models/llama' && deviceOf(mountId) === poolDevice
        ? []
        : [`${mount.source} ${mount.root} was bound`]),
      ...(mount.readOnly ? [] : [`the bind at ${target} is writable`]),
    ];
  };

  it('is never won by links: nothing foreign is bound, mounted on, unmounted or removed', async (t) => {
    const cycles = effort(10_000);
    const { attack, targets } = prepare('race');
    const ends = new Ends();
    const faults: string[] = [];
    let left = cycles;
    const publish = async (target: string): Promise<void> => {
      for (; left > 0 && faults.length === 0; left--) {
        const mountId = await ends.note('bind', async () => {
          const bound = await bind(target);
          faults.push(...wrongWith(bound.mountId, target));
          return bound.mountId;
        });
        // Refused while a link is in the way; kubelet tries again, too.
        while (!(await ends.note('unbind', () => mounter.calls.unbind({ target, volumeId: '' }))));
        if (mountId !== undefined && statmount(mountId) !== undefined)
          faults.push(`the bind at ${target} is still there after it was unpublished`);
        if (left % 8 === 0) faults.push(...attack.newMounts());
      }
    };
    await attack.begun();
    await Promise.all(targets.map(publish));
    const flips = await attack.end();
    t.diagnostic(`seed ${seed}: ${cycles} publishes by the mounter against ${flips} flips; ${ends}`);
    assert.deepEqual([...faults, ...attack.traces()].slice(0, 20), []);
    assert.deepEqual((await mounter.calls.listBinds({})).binds, []);
    ends.assertBothSidesHaveWon();
  });

  it('is never won against the functions that the mounter binds and unbinds by, at their full speed', async (t) => {
    const cycles = effort(10_000);
    const { attack, targets } = prepare('fast');
    const ends = new Ends();
    const faults: string[] = [];
    const context = {
      poolUuid,
      mountPath: node.poolPath(poolUuid),
      allowedRoots: [node.places.kubelet],
      records: new BindRecords(path.join(cluster.directory, 'fast/records')),
    };
    const order = { path: 'models/llama', writable: false, allowExec: false, soleTarget: false };
    await attack.begun();
    for (let cycle = 0; cycle < cycles && faults.length === 0; cycle++) {
      const target = targets[cycle % targets.length] ?? '';
      const mountId = await ends.note('bind', () => {
        const bound = bindPath(context, { ...order, target, volumeId: 'fast' }, []);
        faults.push(...wrongWith(bound.mountId, target));
        return bound.mountId;
      });
      do {
        await ends.note('unbind', () => unbindTarget(target, '', context.allowedRoots, context.records));
        // A directory that is away for a moment hides the bind; the mounter's registry would tell.
      } while (mountId !== undefined && statmount(mountId) !== undefined);
      if (cycle % 16 === 0) faults.push(...attack.newMounts());
    }
    const flips = await attack.end();
    t.diagnostic(`seed ${seed}: ${cycles} publishes against ${flips} flips; ${ends}`);
    assert.deepEqual([...faults, ...attack.traces()].slice(0, 20), []);
    assert.deepEqual(context.records.mountIds(), []);
    ends.assertBothSidesHaveWon();
  });

  it('is won against a publisher that mounts by path, which this test notices', async (t) => {
    const { attack, targets } = prepare('naive');
    const source = node.poolPath(poolUuid, 'models/llama');
    const [target = ''] = targets;
    await attack.begun();
    let attempts = 0;
    for (; attempts < effort(10_000) && attack.newMounts().length === 0; attempts++) {
      try {
        mkdirSync(target);
        mountFileSystem({ source, target, type: 'none', flags: mountFlags.bind });
        if (attack.newMounts().length > 0) break;
        unmount(target);
        rmdirSync(target);
      } catch {
        // Something was in the way; it goes on like kubelet.
      }
    }
    await attack.end();
    t.diagnostic(`seed ${seed}: caught after ${attempts} publishes`);
    // A mount that came and went at once leaves a trace only, one that stays may leave none.
    assert.notDeepEqual([...attack.newMounts(), ...attack.traces()], []);
  });

  // famfs has no symbolic links, refuses to rename in either mode, and keeps its mounts below a folder of root's. What is
  // left to an attacker, and only to root on the node, is to mount something over a directory of the pool.
  it('binds nothing that is mounted over a directory of the pool, as a bind by path does', async (t) => {
    const cycles = effort(1_000);
    const foreign = makeSamples(path.join(cluster.directory, 'over/llama'), { llama: ['weights'] });
    const place = (relative: string, link: string): FlipPlace => ({
      directory: node.poolPath(poolUuid, path.dirname(relative)),
      name: path.basename(relative),
      how: 'mountOver',
      links: [link],
    });
    const attacker = new LinkFlipper(
      path.join(cluster.directory, 'over/flipper'),
      [place('models', foreign), place('models/llama', path.join(foreign, 'llama'))],
      seed,
    );
    const target = node.target('over');
    const context = {
      poolUuid,
      mountPath: node.poolPath(poolUuid),
      allowedRoots: [node.places.kubelet],
      records: new BindRecords(path.join(cluster.directory, 'over/records')),
    };
    const order = { path: 'models/llama', target, volumeId: 'over', writable: false, allowExec: false };
    const ends = new Ends();
    const faults: string[] = [];
    let naive = 0;
    await attacker.begun();
    for (let cycle = 0; (cycle < cycles || naive === 0) && faults.length === 0; cycle++) {
      await ends.note('bind', () => {
        const bound = bindPath(context, { ...order, soleTarget: false }, []);
        faults.push(...wrongWith(bound.mountId, target));
      });
      unbindTarget(target, '', context.allowedRoots, context.records);
      if (bindsForeign(node.poolPath(poolUuid, 'models/llama'), target)) naive++;
    }
    const flips = await attacker.end();
    t.diagnostic(
      `seed ${seed}: ${cycles} publishes against ${flips} mounts; ${ends}; by path: ${naive} wrong`,
    );
    assert.deepEqual(faults, []);
    ends.assertBothSidesHaveWon();
  });
});

/** Binds by path for a moment; whether that was something else than the pool's directory. */
function bindsForeign(source: string, target: string): boolean {
  mkdirSync(target);
  try {
    mountFileSystem({ source, target, type: 'none', flags: mountFlags.bind });
  } catch {
    rmdirSync(target);
    return false;
  }
  const mounts = readMountTable().filter(({ mountPoint }) => mountPoint === target);
  // What was mounted over the source meanwhile can have come along, on top.
  endAll(target);
  return mounts.some(({ root }) => root !== '/models/llama');
}

/** Unmounts whatever stands at a directory and removes it; one unmount can take several with it, by propagation. */
function endAll(target: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      unmount(target, { detach: true });
    } catch {
      // Nothing stands there any more.
    }
    try {
      rmdirSync(target);
      return;
    } catch (error) {
      if (attempt === 20) throw error;
    }
  }
}

/** How calls ended, counted. */
class Ends {
  readonly #counts = new Map<string, number>();

  /** What `work` gives, or undefined when it is refused. */
  async note<T>(what: 'bind' | 'unbind', work: () => T | Promise<T>): Promise<T | undefined> {
    let end = 'done';
    try {
      return await work();
    } catch (error) {
      end = error instanceof DriverError ? error.reason : String(error);
      if (end === 'internal') end = String(error);
      return undefined;
    } finally {
      const key = `${what} ${end}`;
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    }
  }

  /** Neither did the attack stop everything, nor did it stop nothing; and what it stopped was told in its own words. */
  assertBothSidesHaveWon(): void {
    const told = ['target-unusable', 'target-busy', 'operation-pending', 'path-not-visible'];
    const ends = [...this.#counts.keys()].filter((end) => end !== 'bind done' && end !== 'unbind done');
    assert.deepEqual(
      ends.filter((end) => !told.some((reason) => end.endsWith(` ${reason}`))),
      [],
    );
    assert.ok(this.#counts.has('bind done') && ends.some((end) => end.startsWith('bind ')), String(this));
  }

  toString(): string {
    return [...this.#counts].map(([end, count]) => `${end}: ${count}`).join(', ');
  }
}
