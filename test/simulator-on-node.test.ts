// The simulator installed onto a node by a container, and the mounter of another container that works on the host with it:
// what is mounted where, who sees it, and what outlives which container.
import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type CgroupHierarchy, removeCgroup } from '../src/linux/cgroups.ts';
import { type CommandResult, runCommand } from '../src/linux/child-process.ts';
import { mountFileSystem, unmount } from '../src/linux/mounts.ts';
import { listProcesses, mountNamespaceOf } from '../src/linux/processes.ts';
import { MounterClient, type NodeState, type Pool, poolPhase } from '../src/mounter/client.ts';
import { writableHierarchies } from '../src/mounter/launcher.ts';
import { silentLogger } from '../src/observe/logger.ts';
import { sourceProgram } from './driver-process.ts';
import { assertNothingLeaked, enterPrivateMounts } from './private-mounts.ts';
import { type ContainerVolumes, type HostContainer, SimulatedHost } from './simulated-host.ts';
import { waitUntil } from './wait-until.ts';

const { skipUnlessRoot } = enterPrivateMounts();
after(assertNothingLeaked);

const hierarchies = writableHierarchies(process.pid);
const skip = skipUnlessRoot || (hierarchies.length === 0 && 'no control groups can be made here');
const noCgroup2 =
  !hierarchies.some(({ version }) => version === 2) && 'control groups of version 2 are not mounted here';
const noBusybox = !existsSync('/bin/busybox') && 'needs busybox-static in /bin/busybox';
const projectRoot = path.dirname(import.meta.dirname);
const simulatorDirectory = '/var/lib/famfs-csi/sim';

let directory: string;
let memoryMount: string;

function simulatorBundle(folder: string): string {
  return path.join(folder, 'dist/sim.cjs');
}

/** A folder as the image has it: dist/sim.cjs, and koffi in node_modules. */
async function makeImage(folder: string): Promise<void> {
  mkdirSync(path.join(folder, 'dist'), { recursive: true });
  // Not in this process: esbuild leaves one of its own beside it.
  const tool = path.join(projectRoot, 'tools/bundle.ts');
  const script = `const { bundles, makeBundle } = await import(${JSON.stringify(tool)});
    await makeBundle(bundles.find(({ name }) => name === 'sim'), ${JSON.stringify(path.join(folder, 'dist'))});`;
  const { exitCode, stderr } = await runCommand(process.execPath, ['--input-type=module', '--eval', script]);
  assert.equal(exitCode, 0, stderr);
  symlinkSync(path.join(projectRoot, 'node_modules'), path.join(folder, 'node_modules'));
}

function nodePath(name: string, relative: string): string {
  return `${simulatorDirectory}/nodes/${name}/${relative}`;
}

/** Runs the init container of a mounter's pod. */
function install(host: SimulatedHost, name: string, ...flags: string[]): Promise<CommandResult> {
  const image = path.join(directory, 'image');
  return host.runInContainer(
    { plain: [directory] },
    ...[process.execPath, simulatorBundle(image), 'install', `--node-name=${name}`, ...flags],
  );
}

async function installed(host: SimulatedHost, name: string, ...flags: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await install(host, name, ...flags);
  assert.equal(exitCode, 0, stdout + stderr);
  return stdout;
}

/** What preflight prints with --json. */
interface Report {
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly state: string; readonly found: string }[];
}

/** What the chart gives the mounter's container. */
function mounterVolumes(): ContainerVolumes {
  return {
    plain: [directory, '/run/famfs-csi', '/var/lib/famfs-csi/sim'],
    bidirectional: ['/run/famfs', '/var/lib/kubelet'],
  };
}

function mounterFlags(name: string): Readonly<Record<string, string>> {
  return {
    'famfs-location': 'host',
    'famfs-bin-dir': nodePath(name, 'bin'),
    'dev-root': nodePath(name, 'dev'),
    'sysfs-root': nodePath(name, 'sys'),
    'system-uuid-path': nodePath(name, 'opt/famfs/system_uuid'),
    'famfs-tmp-dir': '/run/famfs/tmp',
  };
}

function flagWords(flags: Readonly<Record<string, string>>): string[] {
  return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
}

/** The mounter's own container: with the volumes and flags that the chart gives it. */
class ContainedMounter {
  readonly client: MounterClient;
  readonly container: HostContainer;

  constructor(host: SimulatedHost, name: string, groups: readonly CgroupHierarchy[]) {
    const flags = { ...mounterFlags(name), 'scan-interval': '250ms', 'log-format': 'text' };
    const argv = [...sourceProgram, 'mounter', ...flagWords(flags)];
    const log = path.join(directory, `mounter-${name}.log`);
    this.container = host.startContainer(`famfs-csi-test/${name}`, mounterVolumes(), groups, log, argv);
    this.client = new MounterClient({
      address: host.path('/run/famfs-csi/mounter.sock'),
      logger: silentLogger,
    });
    this.client.start();
  }

  async until(what: string, passes: (state: NodeState) => boolean): Promise<NodeState> {
    let last: NodeState | undefined;
    await waitUntil(what, () => {
      const { state, problem } = this.client.view;
      last = problem === undefined ? state : undefined;
      return last !== undefined && passes(last);
    }).catch((error: unknown) => {
      const shown = JSON.stringify(this.client.view, (_, value) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      assert.fail(`${String(error)}\n${shown}\n${this.container.log.slice(-4000)}`);
    });
    return last ?? assert.fail('no state');
  }

  async readyPool(): Promise<Pool> {
    const isReady = (pool: Pool): boolean =>
      pool.phase === poolPhase.POOL_PHASE_READY && pool.problem == null;
    const state = await this.until('the pool is ready', ({ pools }) => pools.some(isReady));
    return state.pools.find(isReady) ?? assert.fail('no pool');
  }

  async kill(): Promise<void> {
    await this.container.kill();
    await this.client.close();
  }
}

/** The launcher's groups stay, for who comes next; other tests of this machine may have theirs beside ours. */
function removeQuietly(group: string): void {
  try {
    removeCgroup(hierarchies, group);
  } catch {
    // Not empty.
  }
}

function daemonsOf(host: SimulatedHost): number[] {
  const namespace = mountNamespaceOf(host.pid);
  return listProcesses().flatMap(({ pid, comm, state }) => {
    return comm === 'famfs_fused' && state !== 'Z' && mountNamespaceOf(pid) === namespace ? [pid] : [];
  });
}

function runtimesOf(host: SimulatedHost): string[] {
  return readdirSync(host.path(simulatorDirectory)).filter((name) => name.startsWith('runtime-'));
}

describe('the simulator on a node', { skip }, () => {
  const hosts: SimulatedHost[] = [];
  const mounters: ContainedMounter[] = [];
  let first: SimulatedHost;
  let poolUuid: string;
  const target = '/var/lib/kubelet/pods/p/volumes/kubernetes.io~csi/pv/mount';

  async function startHost(kind?: 'cgroup2' | 'bare'): Promise<SimulatedHost> {
    const host = await SimulatedHost.start(memoryMount, kind);
    hosts.push(host);
    return host;
  }

  function startMounter(host: SimulatedHost, name: string, groups = hierarchies): ContainedMounter {
    const mounter = new ContainedMounter(host, name, groups);
    mounters.push(mounter);
    return mounter;
  }

  before(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'famfs-on-node-'));
    memoryMount = path.join(directory, 'memory');
    mkdirSync(memoryMount);
    mountFileSystem({ source: 'memory', target: memoryMount, type: 'tmpfs', data: 'mode=1777' });
    await makeImage(path.join(directory, 'image'));
    first = await startHost();
  });
  after(async () => {
    for (const mounter of mounters) await mounter.kill();
    for (const host of hosts) await host.close();
    removeCgroup(hierarchies, 'famfs-csi-test');
    for (const group of [`famfs-csi/famfs-${poolUuid}`, 'famfs-csi']) removeQuietly(group);
    unmount(memoryMount);
    rmSync(directory, { recursive: true });
  });

  it('is put there by a container that sees nothing of the host but its processes', async () => {
    const said = await installed(first, 'one', '--format=first', '--samples');
    assert.match(said, /is now in \/var\/lib\/famfs-csi\/sim\/runtime-/);
    assert.match(said, /dax0\.0 carries a new pool, whose master is this node/);
    const identity = readFileSync(first.path(nodePath('one', 'opt/famfs/system_uuid')), 'utf8');
    assert.ok(said.includes(identity));
    assert.equal(daemonsOf(first).length, 0);
    const again = await installed(first, 'one', '--format=first', '--samples');
    assert.match(again, /was already in/);
    assert.match(again, /dax0\.0 carries a pool/);
    assert.equal(readFileSync(first.path(nodePath('one', 'opt/famfs/system_uuid')), 'utf8'), identity);
    const { exitCode, stdout } = await first.run(nodePath('one', 'bin/famfs'), '--help');
    assert.equal(exitCode, 0);
    assert.match(stdout, /logplay/);
  });

  it('is what preflight finds in the place of the mounter, and what is missing elsewhere', async () => {
    const { 'famfs-tmp-dir': _, ...flags } = mounterFlags('one');
    const look = async (volumes: ContainerVolumes) => {
      const argv = [...sourceProgram, 'preflight', '--json', ...flagWords(flags)];
      const { exitCode, stdout, stderr } = await first.runInContainer(volumes, ...argv);
      assert.equal(stderr, '');
      const report: Report = JSON.parse(stdout);
      const missing = report.checks.filter(({ state }) => state === 'missing');
      return { exitCode, missing: missing.map(({ name }) => name), stdout };
    };
    const right = await look(mounterVolumes());
    assert.deepEqual(right.missing, [], right.stdout);
    assert.equal(right.exitCode, 0);
    assert.match(right.stdout, /famfs .*nodes\/one\/bin of the host runs and has the commands/);
    assert.match(right.stdout, /control groups of their own on the host/);
    const { plain = [], bidirectional = [] } = mounterVolumes();
    const wrong = await look({ plain: [...plain, ...bidirectional] });
    assert.deepEqual(wrong.missing, ['propagation /var/lib/kubelet', 'propagation /run/famfs']);
    assert.equal(wrong.exitCode, 1);
  });

  it('serves a mounter in a container, whose mounts and binds the host sees', async () => {
    const mounter = startMounter(first, 'one');
    const pool = await mounter.readyPool();
    poolUuid = pool.uuid;
    assert.ok(pool.simulated);
    assert.equal(mounter.client.view.state?.launcher, 'cgroup');
    mkdirSync(path.dirname(first.path(target)), { recursive: true });
    await mounter.client.calls.bind({ poolUuid, path: 'samples', target, volumeId: 'volume' });
    const { stdout } = await first.run('cat', `${target}/hello.txt`);
    assert.match(stdout, /^Hello from simulated shared memory/);
  });

  it('keeps its daemon, and what pods read, when the container of the mounter ends', async () => {
    const [daemon, ...others] = daemonsOf(first);
    assert.ok(daemon !== undefined && others.length === 0);
    await mounters[0]?.kill();
    assert.deepEqual(daemonsOf(first), [daemon]);
    const { stdout } = await first.run('cat', `${target}/hello.txt`);
    assert.match(stdout, /^Hello/);
    await installed(first, 'one', '--format=first', '--samples');
    const mounter = startMounter(first, 'one');
    const pool = await mounter.readyPool();
    assert.equal(pool.uuid, poolUuid);
    assert.equal(pool.binds, 1, 'what the former mounter bound is known to this one');
    assert.deepEqual(daemonsOf(first), [daemon]);
    await mounter.client.calls.unbind({ target, volumeId: 'volume' });
    assert.equal((await first.run('mountpoint', '-q', target)).exitCode, 1);
  });

  it('replaces its programs under a running daemon, which keeps its own until it ends', async () => {
    const [old] = runtimesOf(first);
    assert.ok(old !== undefined);
    appendFileSync(simulatorBundle(path.join(directory, 'image')), '\n// another version\n');
    await installed(first, 'one');
    assert.equal(runtimesOf(first).length, 2, 'the daemon runs from the old one');
    assert.match(
      readFileSync(first.path(nodePath('one', 'bin/famfs')), 'utf8'),
      new RegExp(`(?!${old})runtime-`),
    );
    await mounters[1]?.client.calls.releasePool({ poolUuid, hold: true });
    await waitUntil('the daemon has ended', () => daemonsOf(first).length === 0);
    await installed(first, 'one');
    assert.equal(runtimesOf(first).length, 1);
    assert.ok(!existsSync(first.path(`${simulatorDirectory}/${old}`)));
    await mounters[1]?.client.calls.releasePool({ poolUuid, hold: false });
    await mounters[1]?.readyPool();
  });

  it('shares its memory with a second host that sees the same directory, and formats it once', async () => {
    const second = await startHost();
    const said = await installed(second, 'two', '--format=first', '--samples');
    assert.ok(said.includes(`dax0.0 carries a pool: ${poolUuid}.`), said);
    const mounter = startMounter(second, 'two');
    const pool = await mounter.readyPool();
    assert.equal(pool.uuid, poolUuid);
    const place = (host: SimulatedHost): string =>
      host.path(`/run/famfs/pools/${poolUuid}/samples/hello.txt`);
    assert.equal(readFileSync(place(second), 'utf8'), readFileSync(place(first), 'utf8'));
  });

  it('is set up by several hosts at once, of which one formats', async () => {
    const both = await Promise.all(
      [hosts[0], hosts[1]].map((host, index) =>
        installed(
          host ?? assert.fail(),
          ['one', 'two'][index] ?? '',
          '--device=dax0.0=8GiB',
          '--device=dax1.0=4GiB',
          '--format=first',
        ),
      ),
    );
    const makers = both.filter((said) => said.includes('dax1.0 carries a new pool'));
    assert.equal(makers.length, 1);
  });

  it('lets a device of a node disappear and come back', async () => {
    const entries = (folder: string): string[] => readdirSync(first.path(nodePath('one', folder))).sort();
    // The kernel takes the device's node along.
    const devices = (): string[] => {
      assert.deepEqual(entries('dev'), entries('sys/bus/dax/devices'));
      return entries('dev');
    };
    const simulator = nodePath('one', 'bin/simulator');
    assert.equal((await first.run(simulator, 'unplug', 'dax1.0')).exitCode, 0);
    assert.deepEqual(devices(), ['dax0.0']);
    const { exitCode, stderr } = await first.run(simulator, 'unplug', 'dax1.0');
    assert.equal(exitCode, 1);
    assert.match(stderr, /shows no device dax1\.0/);
    assert.equal((await first.run(simulator, 'plug', 'dax1.0')).exitCode, 0);
    assert.deepEqual(devices(), ['dax0.0', 'dax1.0']);
  });

  it('refuses in a sentence what cannot work', async () => {
    const ramfs = 'mkdir /var/lib/ram && mount -t ramfs ram /var/lib/ram';
    assert.equal((await first.run('sh', '-c', ramfs)).exitCode, 0);
    const refusals: readonly [readonly string[], RegExp][] = [
      [['--device=dax0.0=1GiB'], /famfs takes no less than 4GiB/],
      [['--memory=/var/lib/ram/memory'], /is not on tmpfs, so what is written there would not be memory/],
      [['--directory=/proc/sim'], /The host's \/proc is mounted noexec, so the simulator cannot be put into/],
      [['--host-pid=4194304'], /needs the host's process ids/],
    ];
    for (const [flags, sentence] of refusals) {
      const { exitCode, stderr } = await install(first, 'one', ...flags);
      assert.notEqual(exitCode, 0);
      assert.match(stderr, sentence);
    }
  });

  it('refuses a node whose kernel cannot pass FUSE through to memory', async () => {
    assert.equal((await first.run('mount', '--bind', '/dev/null', '/dev/fuse')).exitCode, 0);
    const { exitCode, stderr } = await install(first, 'one');
    assert.equal(exitCode, 1);
    assert.match(stderr, /cannot show simulated memory: the simulator needs FUSE passthrough, of Linux 6\.9/);
    assert.equal((await first.run('umount', '/dev/fuse')).exitCode, 0);
    await installed(first, 'one');
  });

  it('keeps its daemon on a host with control groups of version 2 alone', { skip: noCgroup2 }, async () => {
    const host = await startHost('cgroup2');
    await installed(host, 'three');
    const mounter = startMounter(
      host,
      'three',
      hierarchies.filter(({ version }) => version === 2),
    );
    assert.equal((await mounter.readyPool()).uuid, poolUuid);
    assert.equal(mounter.client.view.state?.launcher, 'cgroup');
    const [daemon] = daemonsOf(host);
    assert.ok(daemon !== undefined);
    await mounter.kill();
    assert.deepEqual(daemonsOf(host), [daemon]);
    const { stdout } = await host.run('cat', `/run/famfs/pools/${poolUuid}/samples/hello.txt`);
    assert.match(stdout, /^Hello/);
  });

  it('runs on a host without a C library', { skip: noBusybox }, async () => {
    const host = await startHost('bare');
    const bundle = simulatorBundle(path.join(directory, 'image'));
    const argv = [process.execPath, bundle, 'install', '--node-name=bare'];
    const { exitCode, stdout, stderr } = await host.runInForeignContainer(...argv);
    assert.equal(exitCode, 0, stdout + stderr);
    const script = `set -e; mkdir /run/famfs/pool
      ${nodePath('bare', 'bin/famfs')} mount --fuse ${nodePath('bare', 'dev/dax0.0')} /run/famfs/pool >/dev/null
      cat /run/famfs/pool/samples/hello.txt; umount /run/famfs/pool`;
    const read = await host.run('/bin/busybox', 'sh', '-c', script);
    assert.match(read.stdout, /^Hello/, read.stderr);
  });
});
