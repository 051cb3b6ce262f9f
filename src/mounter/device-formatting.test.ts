// Formatting devices through the mounter: what is made, and everything that keeps it from being made.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { acquireFileLock } from '../linux/file-lock.ts';
import { unmount } from '../linux/mounts.ts';
import { poolRole } from './client.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const anyUuid = '00000000-1111-4222-8333-444444444444';
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

for (const mode of ['fuse', 'standalone'] as const) {
  describe(`formatting an empty device in ${mode} mode`, { skip }, () => {
    let cluster: SimulatedCluster;
    let node: ClusterNode;
    let mounter: RunningMounter;

    before(async () => {
      cluster = new SimulatedCluster();
      await Promise.all([cluster.addMemory('one'), cluster.addMemory('two')]);
      node = await cluster.addNode('a', { mode, devices: { 'dax0.0': 'one', 'dax1.0': 'two' } });
      mounter = cluster.startMounter(node, { 'allow-format': 'once' });
      await mounter.until('all have been looked at', (state) => state.settled);
    });
    after(() => cluster.close());

    it('makes a pool that this node is master of, mounts it, and leaves nothing behind', async () => {
      const { poolUuid } = await mounter.calls.formatDevice({ device: 'dax0.0' });
      assert.match(poolUuid, uuidPattern);
      await mounter.ready(poolUuid);
      const pool = mounter.pool(poolUuid);
      assert.equal(pool?.device, 'dax0.0');
      assert.equal(pool?.role, poolRole.ROLE_MASTER);
      assert.equal(pool?.logEntriesTotal, 15_420n);
      assert.equal(pool?.held, false);
      await waitUntil('nothing is left in /tmp', () => readdirSync(node.places.tmp).length === 0);
    });

    // Of the simulated modes only one is needed to see who comes first.
    if (mode === 'fuse') {
      it('makes the log as long as was asked, once, however many ask', async () => {
        const tries = await Promise.allSettled(
          [1, 2].map(() => mounter.calls.formatDevice({ device: 'dax1.0', logSizeBytes: 16n << 20n })),
        );
        const made = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value.poolUuid] : []));
        assert.equal(made.length, 1);
        for (const each of tries) {
          if (each.status === 'fulfilled') continue;
          assert.equal(each.reason.reason, 'device-not-empty');
          assert.match(each.reason.message, new RegExp(`${made[0]} of this node, with 0 log entries`));
        }
        await mounter.ready(made[0] ?? '');
        assert.equal(mounter.pool(made[0] ?? '')?.logEntriesTotal, 30_840n);
      });
    }

    it('is refused while the device is mounted, with the pool that it serves', async () => {
      const poolUuid = mounter.state?.pools.find(({ device }) => device === 'dax0.0')?.uuid;
      await assert.rejects(mounter.calls.formatDevice({ device: 'dax0.0' }), {
        reason: 'pool-in-use',
        message: new RegExp(`dax0\\.0 serves the pool ${poolUuid}, which is mounted on this node`),
      });
    });
  });
}

describe('what keeps a device from being formatted', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let other: ClusterNode;
  let mounter: RunningMounter;
  const processes = new Set<ChildProcess>();

  before(async () => {
    cluster = new SimulatedCluster();
    await Promise.all([
      ...['memory', 'system', 'blank', 'devdax'].map((name) => cluster.addMemory(name)),
      cluster.addMemory('small', '1GiB'),
    ]);
    const devices = {
      ...{ 'dax0.0': 'memory', 'dax1.0': 'small', 'dax2.0': 'system', 'dax3.0': 'devdax', 'dax4.0': 'blank' },
    };
    [node, other] = await Promise.all([cluster.addNode('a', { devices }), cluster.addNode('b')]);
    bindDriver('dax2.0', 'kmem');
    bindDriver('dax3.0', 'device_dax');
    mounter = cluster.startMounter(node, { 'allow-format': 'reset', pools: anyUuid });
    await mounter.until('all have been looked at', (state) => state.settled);
  });
  after(async () => {
    for (const child of processes) child.kill('SIGKILL');
    // One that is stopped over a look at a device leaves the rest of it to the next mounter.
    await alone(async () => {
      assert.deepEqual(readdirSync(node.places.tmp), []);
      await mounter.kill();
    });
    await cluster.close();
  });

  const superblockFile = (memory: string): string => path.join(cluster.memory(memory), 'superblock');
  const refused = (
    order: { device: string; logSizeBytes?: bigint; replaceUuid?: string },
    reason: string,
    message = /./,
  ) => assert.rejects(mounter.calls.formatDevice(order), { reason, message });

  function bindDriver(device: string, driver: string): void {
    const link = path.join(node.places.root, 'sys/devices/simulated', device, 'driver');
    rmSync(link);
    symlinkSync(`../../../bus/dax/drivers/${driver}`, link);
  }

  /** As whoever runs famfs beside a mounter, which looks at devices now and again. */
  async function alone<T>(work: () => Promise<T>): Promise<T> {
    const lock = await acquireFileLock(node.lockFile('machine'), { timeoutMs: 30_000 });
    try {
      return await work();
    } finally {
      lock.release();
    }
  }

  it('is the setting of the node', async () => {
    for (const [name, flags, order, message] of [
      ['never', {}, {}, /--allow-format=never/],
      ['once', { 'allow-format': 'once' }, { replaceUuid: anyUuid }, /--allow-format=once/],
    ] as const) {
      const careful = cluster.startMounter(await cluster.addNode(name), flags);
      const { allowFormat } = await careful.until('all have been looked at', (state) => state.settled);
      assert.equal(allowFormat, name);
      await assert.rejects(careful.calls.formatDevice({ device: 'dax0.0', ...order }), {
        reason: 'format-refused',
        message,
      });
      await careful.close();
    }
  });

  it('is an order that makes no sense', async () => {
    for (const device of ['', '../dax0.0', '/dev/dax0.0', 'dax0.0 -f', '-f', 'dax0.0\0'])
      await refused({ device }, 'invalid-argument');
    for (const replaceUuid of ['all', anyUuid.replace('8', 'X'), `${anyUuid} `])
      await refused({ device: 'dax0.0', replaceUuid }, 'invalid-argument');
    for (const logSizeBytes of [1n, 4n << 20n, 9n << 20n, 8n << 30n, 1n << 63n])
      await refused({ device: 'dax0.0', logSizeBytes }, 'invalid-argument');
  });

  it('is a device that is not there, or not of use', async () => {
    await refused({ device: 'dax9.0' }, 'device-not-found', /no device dax9\.0; it has dax0\.0, dax1\.0/);
    await refused({ device: 'dax1.0' }, 'device-unsuitable', /4 GiB/);
    await refused({ device: 'dax2.0' }, 'device-unsuitable', /kmem/);
    await refused({ device: 'dax3.0' }, 'device-unsuitable', /--allow-driver-switch/);
    assert.deepEqual(readFileSync(superblockFile('devdax')).subarray(0, 8), Buffer.alloc(8));
  });

  it('is a process that has it open', async () => {
    const device = openSync(node.device('dax0.0'), 'r');
    const child = spawn('/bin/sh', ['-c', 'echo open; exec sleep 600'], {
      stdio: ['ignore', 'pipe', 'inherit', device],
    });
    closeSync(device);
    processes.add(child);
    await once(child.stdout ?? assert.fail(), 'data');
    await refused({ device: 'dax0.0' }, 'device-in-use', new RegExp(`pid ${child.pid}`));
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    processes.delete(child);
  });

  it('is a mount of it anywhere on the machine', async () => {
    const place = path.join(cluster.directory, 'famfs-elsewhere');
    mkdirSync(place);
    const uuid = await alone(async () => {
      const made = await node.format('dax0.0');
      await node.do('famfs', 'mount', node.modeFlag, node.device('dax0.0'), place);
      return made;
    });
    await refused({ device: 'dax0.0', replaceUuid: uuid }, 'pool-held-elsewhere', /famfs-elsewhere/);
    // Copied into a namespace of its own, and gone from here.
    const holder = spawn(
      'unshare',
      ['-m', '--propagation', 'private', 'sh', '-c', 'echo copied; exec sleep 600'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    processes.add(holder);
    await once(holder.stdout ?? assert.fail(), 'data');
    unmount(place);
    await refused(
      { device: 'dax0.0', replaceUuid: uuid },
      'pool-held-elsewhere',
      new RegExp(`pid ${holder.pid}`),
    );
    const ended = once(holder, 'exit');
    holder.kill('SIGKILL');
    await ended;
    processes.delete(holder);
    await waitUntil('its daemon has gone', () => !cluster.processes().some((line) => line.includes(place)));
    rmSync(place, { recursive: true });
  });

  it('is another file system than was thought, or one of another node', async () => {
    const foreign = await other.format('dax0.0', { force: true });
    await refused({ device: 'dax0.0' }, 'device-not-empty', new RegExp(`${foreign} of another node`));
    await refused({ device: 'dax0.0', replaceUuid: anyUuid }, 'pool-reformatted', new RegExp(foreign));
    await refused({ device: 'dax0.0', replaceUuid: foreign }, 'not-master');
    await refused({ device: 'dax4.0', replaceUuid: anyUuid }, 'superblock-refused', /carries no famfs/);
  });

  it('is a superblock that is damaged or of another version', async () => {
    const good = readFileSync(superblockFile('memory'));
    for (const [offset, value, replaceUuid] of [
      [50, (good[50] ?? 0) ^ 1, ''],
      [8, 47, anyUuid],
    ] as const) {
      const bad = Buffer.from(good);
      bad[offset] = value;
      writeFileSync(superblockFile('memory'), bad);
      await refused({ device: 'dax0.0', replaceUuid }, 'superblock-refused');
      assert.deepEqual(readFileSync(superblockFile('memory')), bad);
    }
    writeFileSync(superblockFile('memory'), good);
  });

  it('is famfs itself, whose words are told', async () => {
    node.spoil('case "$0" in *mkfs.famfs) echo "unsupported memory device size (<4GiB)" >&2; exit 2 ;; esac');
    await refused({ device: 'dax4.0' }, 'device-unsuitable', /4 GiB/);
    node.mend();
    node.spoil('case "$0" in *mkfs.famfs) exit 0 ;; esac');
    await refused({ device: 'dax4.0' }, 'command-failed');
    node.mend();
  });

  it('is nothing of all that: what famfs did counts, whatever it said', async () => {
    node.spoil('case "$0" in *mkfs.famfs) "$REAL" "$@" > /dev/null; echo went wrong >&2; exit 2 ;; esac');
    const { poolUuid } = await mounter.calls.formatDevice({ device: 'dax4.0' });
    node.mend();
    await refused({ device: 'dax4.0' }, 'device-not-empty', new RegExp(poolUuid));
    const again = await mounter.calls.formatDevice({ device: 'dax4.0', replaceUuid: poolUuid });
    assert.notEqual(again.poolUuid, poolUuid);
    await refused(
      { device: 'dax4.0', replaceUuid: poolUuid },
      'pool-reformatted',
      new RegExp(`${again.poolUuid} of this node`),
    );
  });

  it('goes on when the mounter is killed, and can be told from nothing done', async () => {
    const file = superblockFile('memory');
    writeFileSync(file, Buffer.alloc(readFileSync(file).length));
    node.spoil(
      'case "$0" in *mkfs.famfs) echo begun >> $NOTES; while [ -f $NOTES ]; do sleep 0.01; done ;; esac',
    );
    const lost = mounter.calls.formatDevice({ device: 'dax0.0' });
    lost.catch(() => undefined);
    await waitUntil('mkfs has begun', () => node.notes().length > 0);
    await mounter.kill();
    await assert.rejects(lost, { reason: 'mounter-unavailable' });
    const restarted = mounter.restart();
    node.mend();
    node.clearNotes();
    await restarted;
    await assert.rejects(mounter.calls.formatDevice({ device: 'dax0.0' }), (error: unknown) => {
      assert.ok(error instanceof Error);
      assert.match(
        error.message,
        /^Device dax0\.0 carries the famfs file system [0-9a-f-]{36} of this node, with 0/,
      );
      return 'reason' in error && error.reason === 'device-not-empty';
    });
  });
});
