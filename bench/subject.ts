// The servers that are measured, each with what a client must know to have it publish: our driver (mounter and node
// as processes over a simulated pool) and the reference peer, which publishes the very same directory.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { BackgroundProcess } from '../tools/background-process.ts';
import { buildGoProgram } from '../tools/go-program.ts';
import { projectRoot } from '../tools/run-tool.ts';

/** A CSI node server that listens, and what publishes the measured directory there. */
export interface Subject {
  readonly name: string;
  readonly socket: string;
  readonly volumeContext: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Where everything of a run lies: a tmpfs of its own, with "famfs" in its path as the mounter wants it. */
export interface Places {
  readonly folder: string;
  /** Below it every target lies. */
  readonly kubeletDir: string;
}

const directoryInPool = 'bench';

/** Starts the reference peer; it publishes `source`. */
export async function startPeer(places: Places, name: string, source: string): Promise<Subject> {
  const socket = path.join(places.folder, `${name.replaceAll(' ', '-')}.sock`);
  const server = new BackgroundProcess(name, buildGoProgram({ module: 'bench', package: 'peer' }), [
    '-socket',
    socket,
  ]);
  await server.waitForSocket(socket);
  return { name, socket, volumeContext: { source }, stop: () => server.stop() };
}

/** The peer writes no line a call, so neither does the driver. */
const quiet = { 'log-level': 'warn' };

/** Our driver, and the directory of its pool's mount that it publishes. */
export interface DriverSubject extends Subject {
  readonly poolDirectory: string;
}

/** Makes a simulated pool, starts mounter and node on it, and puts the file `data` into it. */
export async function startDriver(places: Places, data: string): Promise<DriverSubject> {
  const node = createSimulatedNode(places.folder);
  const poolDir = path.join(places.folder, 'pools');
  const mounterSocket = path.join(places.folder, 'mounter/mounter.sock');
  const socket = path.join(places.folder, 'csi/csi.sock');
  for (const folder of [path.dirname(mounterSocket), path.dirname(socket)])
    mkdirSync(folder, { mode: 0o700 });
  const mounter = startRole('mounter', {
    ...{ socket: mounterSocket, 'kubelet-dir': places.kubeletDir, 'pool-dir': poolDir },
    ...{ 'shadow-dir': path.join(places.folder, 'shadow'), 'lock-dir': path.join(places.folder, 'locks') },
    ...{ 'state-dir': path.join(places.folder, 'binds'), 'famfs-bin-dir': path.join(node, 'bin') },
    ...{ 'sysfs-root': path.join(node, 'sys'), 'dev-root': path.join(node, 'dev') },
    ...{ 'system-uuid-path': path.join(node, 'opt/famfs/system_uuid'), launcher: 'in-place', mode: 'fuse' },
    ...quiet,
  });
  await mounter.waitForSocket(mounterSocket);
  await mounter.waitUntil('the pool is mounted', () => mountedPool(poolDir) !== undefined);
  const pool = mountedPool(poolDir) ?? '';
  const famfs = path.join(node, 'bin/famfs');
  const poolDirectory = path.join(poolDir, pool, directoryInPool);
  execFileSync(famfs, ['mkdir', poolDirectory], { stdio: 'pipe' });
  execFileSync(famfs, ['cp', data, path.join(poolDirectory, 'data')], { stdio: 'pipe' });
  const server = startRole('node', {
    ...{ 'node-id': 'bench', 'kubelet-dir': places.kubeletDir, 'csi-socket': socket },
    'mounter-socket': mounterSocket,
    'skip-registration': undefined,
    ...quiet,
  });
  await server.waitForSocket(socket);
  return {
    name: 'famfs-csi',
    socket,
    volumeContext: { pool, path: directoryInPool },
    poolDirectory,
    async stop() {
      await server.stop();
      await mounter.stop();
    },
  };
}

/** A node with one formatted device of 8 GiB; returns the node's folder. */
function createSimulatedNode(folder: string): string {
  const [device, node] = [path.join(folder, 'device'), path.join(folder, 'node')];
  const simulator = ['--disable-warning=ExperimentalWarning', path.join(projectRoot, 'src/sim/main.ts')];
  const simulate = (...args: string[]) =>
    execFileSync(process.execPath, [...simulator, ...args], { stdio: 'pipe' });
  simulate('create-device', device, '--size', '8GiB');
  simulate('create-node', node, '--device', `${device}=dax0.0`);
  execFileSync(path.join(node, 'bin/mkfs.famfs'), [path.join(node, 'dev/dax0.0')], { stdio: 'pipe' });
  return node;
}

function mountedPool(poolDir: string): string | undefined {
  const pools = existsSync(poolDir) ? readdirSync(poolDir) : [];
  return pools.find((uuid) => existsSync(path.join(poolDir, uuid, '.meta/.log')));
}

function startRole(role: string, flags: Readonly<Record<string, string | undefined>>): BackgroundProcess {
  const words = Object.entries(flags).flatMap(([flag, value]) =>
    value === undefined ? [`--${flag}`] : [`--${flag}`, value],
  );
  const main = ['--disable-warning=ExperimentalWarning', path.join(projectRoot, 'src/main.ts')];
  return new BackgroundProcess(role, process.execPath, [...main, role, ...words]);
}
