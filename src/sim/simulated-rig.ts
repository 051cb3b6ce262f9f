// For the tests of the simulator: devices and nodes in a tmpfs of their own, mounted and taken down again. Must be
// used in a private mount namespace (test/private-mounts.ts).
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../linux/child-process.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { mountFileSystem, unmount } from '../linux/mounts.ts';
import { processState } from '../linux/processes.ts';
import { createDevice, ensureExtent, type SimulatedDevice, superblockAreaBytes } from './device.ts';
import { passthroughProblem } from './fuse-connection.ts';
import { compileCacheDirectory, createNode, type PresentationChoice, type SimulatedNode } from './node.ts';
import { addDirectory, addFile, createShadow } from './shadow.ts';
import type { SimulatedMount } from './simulated-mount.ts';
import { type SpawnDaemonOptions, spawnDaemon } from './spawn-daemon.ts';

const gibibyte = 1024n ** 3n;
export const logBytes = 0x800000n;

/** Starts nothing but the daemon, so that these tests need no command of the other half. */
const daemonProgram: readonly string[] = [
  process.execPath,
  '--input-type=module',
  '--eval',
  `const [, , root, , ...rest] = process.argv;
   const { runDaemon } = await import(${JSON.stringify(path.join(import.meta.dirname, 'daemon.ts'))});
   await runDaemon(root, rest);`,
  '--',
];

/** Compiled sources for all daemons of a run of tests, or of a file, which start several times faster with them. */
let sharedCompileCache = process.env.NODE_COMPILE_CACHE;

function compileCache(): string {
  if (sharedCompileCache !== undefined) return sharedCompileCache;
  const directory = mkdtempSync(path.join(os.tmpdir(), 'famfs-sim-cache-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  sharedCompileCache = directory;
  return directory;
}

/** Gives a node's programs what others have compiled. */
export function shareCompileCache(node: SimulatedNode): void {
  symlinkSync(compileCache(), compileCacheDirectory(node));
}

/** Where `npm test` has put a bundle of the simulator (tools/test-programs.ts), which starts sooner. */
const bundles = process.env.FAMFS_CSI_TEST_PROGRAMS;

/** The simulator whole, as its users start it. */
export const wholeProgram: readonly string[] = [
  process.execPath,
  bundles === undefined ? path.join(import.meta.dirname, 'main.ts') : path.join(bundles, 'sim.cjs'),
];

/** For the `skip` of tests that need FUSE passthrough: why it is not possible here, or false when it is. */
export function passthroughMissing(): string | false {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'famfs-sim-probe-'));
  try {
    const problem = passthroughProblem(directory, import.meta.filename);
    return problem === undefined ? false : `needs FUSE passthrough (Linux 6.9): ${problem}`;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** One machine with one device that any number of nodes see. */
export class SimulatedRig {
  readonly directory: string;
  readonly device: SimulatedDevice;
  readonly nodes: SimulatedNode[] = [];
  readonly #mounts: SimulatedMount[] = [];
  readonly #apartPids: number[] = [];
  #apart = false;
  #next = 0;

  constructor() {
    this.directory = mkdtempSync(path.join(os.tmpdir(), 'famfs-sim-test-'));
    mountFileSystem({ source: 'famfs-simulator', target: this.directory, type: 'tmpfs' });
    this.device = createDevice(path.join(this.directory, 'memory'), 8n * gibibyte);
  }

  /** A node that sees the device, as `dax0.0` unless named otherwise. */
  node({
    name = 'dax0.0',
    presentation = 'auto' as PresentationChoice,
    program = daemonProgram,
  } = {}): SimulatedNode {
    const root = path.join(this.directory, `node${this.#next++}`);
    const node = createNode({
      root,
      devices: [{ name, devicePath: this.device.directory }],
      program,
      presentation,
    });
    shareCompileCache(node);
    this.nodes.push(node);
    return node;
  }

  /** An empty directory. */
  folder(): string {
    const folder = path.join(this.directory, `famfs${this.#next++}`);
    mkdirSync(folder);
    return folder;
  }

  /** Mounts the device as `famfs mount` does, `.meta` included, without replaying anything. */
  async mount(
    node: SimulatedNode,
    mode: 'fuse' | 'standalone',
    options: Partial<SpawnDaemonOptions> = {},
  ): Promise<SimulatedMount> {
    const shadow = this.folder();
    createShadow(shadow);
    const mount = await (this.#apart ? spawnApart : spawnDaemon)({
      node,
      source: path.join(node.devDirectory, 'dax0.0'),
      mountPoint: this.folder(),
      mode,
      ...(mode === 'fuse' ? { shadow } : {}),
      ...options,
    });
    this.#mounts.push(mount);
    addMeta(mount);
    return mount;
  }

  /** As `mount`, in a mount namespace that only the daemon lives in. Its files are below /proc/PID/root. */
  async mountApart(node: SimulatedNode, mode: 'fuse' | 'standalone'): Promise<SimulatedMount> {
    this.#apart = true;
    try {
      const mount = await this.mount(node, mode);
      this.#apartPids.push(mount.pid);
      return mount;
    } finally {
      this.#apart = false;
    }
  }

  /** Unmounts and waits until the daemon has gone. */
  async unmount(mount: SimulatedMount): Promise<void> {
    unmount(mount.mountPoint);
    await ended(mount.pid);
  }

  /** Takes everything down. */
  async dispose(): Promise<void> {
    const places = readMountTable().map(({ mountPoint }) => mountPoint);
    const ours = places.filter((place) => place.startsWith(`${this.directory}/`));
    for (const place of ours.reverse()) unmount(place, { detach: true });
    for (const pid of this.#apartPids) if (processState(pid) !== undefined) process.kill(pid, 'SIGTERM');
    await Promise.all(this.#mounts.map(({ pid }) => ended(pid)));
    unmount(this.directory);
    rmSync(this.directory, { recursive: true });
  }
}

/** spawnDaemon in a child that has a mount namespace of its own. */
async function spawnApart(options: SpawnDaemonOptions): Promise<SimulatedMount> {
  const spawnModule = JSON.stringify(path.join(import.meta.dirname, 'spawn-daemon.ts'));
  const code = `const { spawnDaemon } = await import(${spawnModule});
    console.log(JSON.stringify(await spawnDaemon(JSON.parse(process.argv[1]))));`;
  const node = [process.execPath, '--input-type=module', '--eval', code, JSON.stringify(options)];
  const result = await runCommand('unshare', ['--mount', '--propagation', 'private', ...node]);
  assert.equal(result.exitCode, 0, result.stderr);
  return JSON.parse(result.stdout);
}

/** Gives a mount its `.meta` files, as the first steps of `famfs mount` do. */
export function addMeta(mount: SimulatedMount): void {
  const owner = { uid: 0, gid: 0 };
  addDirectory(mount, '.meta', { mode: 0o755, ...owner });
  const superblock = [{ offsetBytes: 0n, lengthBytes: superblockAreaBytes }];
  addFile(mount, '.meta/.superblock', {
    sizeBytes: superblockAreaBytes,
    mode: 0o644,
    ...owner,
    extents: superblock,
  });
  const log = [{ offsetBytes: superblockAreaBytes, lengthBytes: logBytes }];
  addFile(mount, '.meta/.log', { sizeBytes: logBytes, mode: 0o644, ...owner, extents: log });
}

/** Makes a file's memory and its name on these mounts, as creat on a master and logplay elsewhere do. */
export function makeFile(
  device: SimulatedDevice,
  mounts: readonly SimulatedMount[],
  relativePath: string,
  { offsetBytes = 0xa00000n, sizeBytes = 5_000_000n, mode = 0o644, uid = 0, gid = 0 } = {},
): void {
  ensureExtent(device, offsetBytes, sizeBytes);
  const lengthBytes = (sizeBytes + 0x1fffffn) & ~0x1fffffn;
  for (const mount of mounts) {
    addFile(mount, relativePath, { sizeBytes, mode, uid, gid, extents: [{ offsetBytes, lengthBytes }] });
  }
}

/** Waits until a process has gone with all of its threads; a zombie that has none left holds nothing any more. */
export async function ended(pid: number): Promise<void> {
  const patience = performance.now() + 10_000;
  for (;;) {
    const state = processState(pid)?.state;
    if (state === undefined || state === 'X' || (state === 'Z' && threadCount(pid) <= 1)) return;
    assert.ok(performance.now() < patience, `process ${pid} is still there, in state ${state}`);
    await sleep(5);
  }
}

function threadCount(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0;
  }
}

/** The error code that an action fails with; fails the test when it succeeds. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
  assert.fail('it succeeded');
}
