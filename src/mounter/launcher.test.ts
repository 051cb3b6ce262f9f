// Where a famfs daemon lives, so that it outlives the mounter: each launcher with a real mounter and a real daemon.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { removeEndedCgroup } from '../../test/cgroup-removal.ts';
import type { ClusterNode } from '../../test/cluster-node.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import type { RunningMounter } from '../../test/running-mounter.ts';
import { makeSamples, sampleText } from '../../test/sample-data.ts';
import { SimulatedCluster } from '../../test/simulated-cluster.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { cgroupsOf, processesInCgroup, removeCgroup } from '../linux/cgroups.ts';
import { runCommand } from '../linux/child-process.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { mountFileSystem, setPropagation, unmount } from '../linux/mounts.ts';
import { commandLine, listProcesses, mountNamespaceOf, processState } from '../linux/processes.ts';
import { SyscallError } from '../linux/syscall-error.ts';
import { cgroupLauncher, chooseLauncher, writableHierarchies } from './launcher.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const image = { kind: 'image' } as const;
/** This test's own process stands for the host's first: that one may be out of reach. */
const hostPid = process.pid;
const hierarchies = writableHierarchies(hostPid);
const noCgroups = hierarchies.length === 0 && 'no control groups can be made here';
const noSystemd = !existsSync('/run/systemd/system') && 'systemd does not run here';

test('systemd is preferred, then a control group, and what is asked for wins', () => {
  const someHierarchy = [{ version: 2, controllers: [], directory: '/sys/fs/cgroup' }] as const;
  const choices = [
    ['auto', true, someHierarchy, 'systemd'],
    ['auto', false, someHierarchy, 'cgroup'],
    ['auto', false, [], 'in-place'],
    ['in-place', true, someHierarchy, 'in-place'],
    ['cgroup', true, someHierarchy, 'cgroup'],
    ['systemd', false, [], 'systemd'],
  ] as const;
  for (const [wanted, runsSystemd, found, expected] of choices) {
    assert.equal(chooseLauncher(wanted, image, runsSystemd, found).name, expected);
  }
});

test('what a command has forked before it could be moved to a control group follows it there', {
  skip: skip || noCgroups,
}, async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'launcher-'));
  const file = path.join(folder, 'forked');
  const hasForked = (): boolean => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n');
  // Nothing is moved before the command has forked.
  const late = hierarchies.map(({ directory, ...rest }) => ({
    ...rest,
    get directory() {
      while (!hasForked());
      return directory;
    },
  }));
  const unit = `family-${process.pid}`;
  const script = 'sleep 1000 & echo $! > "$1"; wait';
  const argv = ['sh', '-c', script, 'sh', file] as const;
  const ended = cgroupLauncher(late).run({ argv, argvInside: argv }, unit, {});
  const forked = Number(readFileSync(file, 'utf8'));
  assert.ok(processesInCgroup(hierarchies, `famfs-csi/${unit}`).includes(forked));
  process.kill(forked, 'SIGKILL');
  await ended;
  await removeEndedCgroup(hierarchies, `famfs-csi/${unit}`);
  rmSync(folder, { recursive: true });
});

/** False while a worker that has not noticed the end of its mounter has something of it open. */
function hasUnmounted(mountPath: string): boolean {
  try {
    unmount(mountPath);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'EBUSY') return false;
    throw error;
  }
}

describe('the daemon of a pool', { skip }, () => {
  let cluster: SimulatedCluster;
  let node: ClusterNode;
  let poolUuid: string;

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    node = await cluster.addNode('a');
    poolUuid = await node.format('dax0.0');
  });
  after(async () => {
    await cluster.close();
    await removeEndedCgroup(hierarchies, `famfs-csi/famfs-${poolUuid}`);
    try {
      removeCgroup(hierarchies, 'famfs-csi');
    } catch {
      // Another mounter of this machine has groups in it.
    }
  });

  /** Ends a mounter's work on this node, so that the next one begins from nothing. */
  async function takeDown(mounter: RunningMounter, daemon: number): Promise<void> {
    await mounter.close();
    await waitUntil('nobody has the pool open any more', () => hasUnmounted(node.poolPath(poolUuid)));
    await waitUntil('the daemon has ended', () =>
      ['Z', 'X', undefined].includes(processState(daemon)?.state),
    );
  }

  function ownDaemon(): number {
    return cluster.daemonOf(node, poolUuid) ?? assert.fail('the pool has no daemon');
  }

  it('lives in a control group of its own, which no end of the mounter touches', {
    skip: noCgroups,
  }, async () => {
    const mounter = cluster.startMounter(node, { launcher: 'cgroup', 'host-pid': String(hostPid) });
    await mounter.ready(poolUuid);
    assert.equal(mounter.state?.launcher, 'cgroup');
    const daemon = ownDaemon();
    const group = `/famfs-csi/famfs-${poolUuid}`;
    const writable = new Set(
      hierarchies.map(({ version, controllers }) => `${version} ${controllers.join(',')}`),
    );
    const groupsOf = (pid: number) =>
      cgroupsOf(pid).filter(({ version, controllers }) =>
        writable.has(`${version} ${controllers.join(',')}`),
      );
    assert.ok(groupsOf(daemon).length > 0);
    for (const membership of groupsOf(daemon)) assert.ok(membership.path.endsWith(group), membership.path);
    for (const membership of groupsOf(mounter.pid)) assert.ok(!membership.path.includes('famfs-csi'));
    await mounter.kill();
    assert.equal(processState(daemon)?.comm, 'famfs_fused');
    assert.ok(existsSync(node.poolPath(poolUuid, '.meta/.superblock')), 'it serves on');
    await mounter.restart();
    await mounter.ready(poolUuid);
    assert.equal(ownDaemon(), daemon);
    await takeDown(mounter, daemon);
  });

  it('is started through systemd in a scope named after the pool, without a shell', async () => {
    const calls = path.join(cluster.directory, 'systemd-run-calls');
    const folder = '/usr/local/sbin';
    mountFileSystem({ source: 'none', target: folder, type: 'tmpfs' });
    try {
      const script = `#!/bin/sh\nfor word in "$@"; do printf '%s\\n' "$word"; done >> ${calls}\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n`;
      writeFileSync(`${folder}/systemd-run`, script);
      chmodSync(`${folder}/systemd-run`, 0o755);
      const mounter = cluster.startMounter(node, { launcher: 'systemd' });
      await mounter.ready(poolUuid);
      assert.equal(mounter.state?.launcher, 'systemd');
      const words = readFileSync(calls, 'utf8').split('\n');
      const separator = words.indexOf('--');
      assert.deepEqual(words.slice(0, separator), [
        '--scope',
        '--quiet',
        '--collect',
        `--unit=famfs-${poolUuid}`,
        '--description=famfs pool mounted by famfs-csi',
      ]);
      assert.deepEqual(words.slice(separator + 1, separator + 4), [
        path.join(node.places.programs, 'famfs'),
        'mount',
        '--fuse',
      ]);
      await takeDown(mounter, ownDaemon());
    } finally {
      unmount(folder);
    }
  });

  it('lives in a scope of the real systemd', { skip: noSystemd }, async () => {
    const mounter = cluster.startMounter(node, { launcher: 'systemd' });
    await mounter.ready(poolUuid);
    const daemon = ownDaemon();
    assert.ok(cgroupsOf(daemon).some((group) => group.path.endsWith(`/famfs-${poolUuid}.scope`)));
    await mounter.kill();
    assert.equal(processState(daemon)?.comm, 'famfs_fused');
    await mounter.restart();
    await takeDown(mounter, daemon);
  });

  it("lives in the host's namespaces when famfs is the host's, and mounts reach both sides", async () => {
    // A folder for famfs's dummies that host and mounter do not share, as /tmp is not.
    mountFileSystem({ source: 'none', target: node.places.tmp, type: 'tmpfs' });
    setPropagation(node.places.tmp, 'private');
    const host = spawn(
      'unshare',
      ['--mount', '--propagation', 'unchanged', 'sh', '-c', 'echo ready; read -r _'],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    await once(host.stdout, 'data');
    const holderPid = host.pid ?? assert.fail('there is no host');
    const hostNamespace = mountNamespaceOf(holderPid);
    const hostDaemon = (): number | undefined =>
      listProcesses().find(({ pid, comm }) => {
        if (comm !== 'famfs_fused' || mountNamespaceOf(pid) !== hostNamespace) return false;
        return commandLine(pid)?.join(' ').includes(node.poolPath(poolUuid)) === true;
      })?.pid;
    try {
      const mounter = cluster.startMounter(node, { 'famfs-location': 'host', 'host-pid': String(holderPid) });
      await mounter.ready(poolUuid);
      assert.equal(mounter.state?.famfsLocation, 'host');
      const daemon = hostDaemon() ?? assert.fail('no daemon lives on the host');
      const showsPool = (pid: number | 'self') =>
        readMountTable(pid).some(({ mountPoint }) => mountPoint === node.poolPath(poolUuid));
      assert.deepEqual([showsPool('self'), showsPool(holderPid)], [true, true]);
      const { stdout } = await runCommand('nsenter', ['-t', `${holderPid}`, '-m', 'ls', node.places.tmp]);
      assert.equal(stdout, '', "famfs's dummies are cleaned up on the host");

      const samples = makeSamples(path.join(cluster.directory, 'samples'), { set: ['data'] });
      await node.cp(path.join(samples, 'set'), poolUuid, 'set');
      const target = node.target('host-pod');
      await mounter.calls.bind({ poolUuid, path: 'set', target, volumeId: 'v' });
      const seen = readFileSync(`/proc/${holderPid}/root${target}/data`, 'utf8');
      assert.equal(seen, sampleText('set/data'), 'kubelet and pods on the host see the bind');
      await mounter.calls.unbind({ target });
      assert.equal(
        readMountTable(holderPid).some(({ mountPoint }) => mountPoint === target),
        false,
      );

      process.kill(daemon, 'SIGKILL');
      await waitUntil('the pool is mounted anew on the host', () => {
        const now = hostDaemon();
        return now !== undefined && now !== daemon;
      });
      await mounter.ready(poolUuid);
      await mounter.close();
      await runCommand('nsenter', ['-t', `${holderPid}`, '-m', 'umount', node.poolPath(poolUuid)]);
      assert.equal(showsPool('self'), false, 'an unmount on the host is one here');
      await waitUntil('its daemon has ended', () => hostDaemon() === undefined);
    } finally {
      const ended = once(host, 'exit');
      host.stdin.end('\n');
      await ended;
      unmount(node.places.tmp);
      mkdirSync(node.places.tmp, { recursive: true });
    }
  });
});
