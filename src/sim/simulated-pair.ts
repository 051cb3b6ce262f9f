// Two simulated nodes on one simulated device, with the names of the recorded calls: what the records call
// /dev/dax0.0, /mnt and /tmp lies in a temporary directory here, and the texts are translated. Judges nothing.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../linux/child-process.ts';
import { startDetached } from '../linux/detached-process.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { mountFileSystem, unmount } from '../linux/mounts.ts';
import { processState } from '../linux/processes.ts';
import { createDevice, type SimulatedDevice } from './device.ts';
import { isDeviceHeld } from './device-holder.ts';
import { runFamfs, runMkfs } from './famfs-command.ts';
import { createNode, type SimulatedNode } from './node.ts';
import { shareCompileCache, wholeProgram } from './simulated-rig.ts';

export type NodeName = 'master' | 'client';

/** The size of the device on which the calls were recorded. */
const recordedDeviceBytes = 5_366_611_968n;

/** How one call ended, with the recorded names in its texts. */
export interface PairOutcome {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a call differs from a plain one of root with umask 0. */
export interface CallOptions {
  readonly umask?: number;
  /** Start NODE/bin/… as a process of its own instead of running the command in this one. */
  readonly asProcess?: boolean;
}

/** The pair, from its making to `dispose`. Needs a mount namespace of its own and root. */
export class SimulatedPair {
  readonly base: string;
  readonly device: SimulatedDevice;
  readonly nodes: Readonly<Record<NodeName, SimulatedNode>>;
  readonly mode: 'fuse' | 'v1';
  readonly #environment: Readonly<Record<string, string>>;

  constructor(mode: 'fuse' | 'v1') {
    this.mode = mode;
    // Short: the superblock's field for the path of the device holds 63 bytes.
    this.base = mkdtempSync(path.join(os.tmpdir(), 'fs-'));
    chmodSync(this.base, 0o755);
    mountFileSystem({ source: 'none', target: this.base, type: 'tmpfs', data: 'mode=755' });
    for (const folder of ['m', 'c', 'tmp']) mkdirSync(path.join(this.base, folder));
    mountFileSystem({ source: 'none', target: this.real('master', '/tmp'), type: 'tmpfs' });
    mkdirSync(this.real('master', '/tmp/w'));
    this.device = createDevice(path.join(this.base, 'memory'), recordedDeviceBytes);
    this.nodes = { master: this.#makeNode('master'), client: this.#makeNode('client') };
    this.#environment = {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      LC_ALL: 'C',
      FAMFS_SIM_TMP: this.real('master', '/tmp'),
      FAMFS_SIM_PATIENCE: '0.05',
    };
  }

  /** A text with recorded names, with the names of this pair. */
  real(node: NodeName, text: string): string {
    const home = path.join(this.base, node === 'master' ? 'm' : 'c');
    // In one pass, since what is put in has /tmp in it, too.
    return text.replaceAll(/\/dev\/(?=dax)|\/mnt\/|\/tmp(?=\/|$)/g, (name) =>
      name === '/tmp' ? `${this.base}/tmp` : `${home}${name}`,
    );
  }

  /** A text with the names of this pair, with the recorded ones. */
  shown(text: string): string {
    return text
      .replaceAll(`${this.base}/m/`, '/')
      .replaceAll(`${this.base}/c/`, '/')
      .replaceAll(`${this.base}/tmp`, '/tmp');
  }

  /** Runs a recorded argument vector on a node. Programs of the system run as they are. */
  async call(node: NodeName, argv: readonly string[], options: CallOptions = {}): Promise<PairOutcome> {
    const [program = '', ...words] = argv.map((word) => this.real(node, word));
    const isOurs = program === 'famfs' || program === 'mkfs.famfs';
    const before = process.umask(options.umask ?? 0);
    try {
      if (!isOurs || options.asProcess === true) return await this.#spawnCall(node, [program, ...words]);
      const run = program === 'famfs' ? runFamfs : runMkfs;
      const { root } = this.nodes[node];
      const outcome = await run(words, { nodeRoot: root, environment: this.#environment });
      return { exit: outcome.exit, stdout: this.shown(outcome.stdout), stderr: this.shown(outcome.stderr) };
    } finally {
      process.umask(before);
    }
  }

  /** Runs `famfs fsck` on a device that famfs takes for one of an old kernel (setarch --uname-2.6). */
  async callOnOldKernel(node: NodeName, words: readonly string[]): Promise<PairOutcome> {
    const outcome = await runFamfs(
      words.map((word) => this.real(node, word)),
      { nodeRoot: this.nodes[node].root, environment: this.#environment, kernelRelease: '2.6.78' },
    );
    return { exit: outcome.exit, stdout: this.shown(outcome.stdout), stderr: this.shown(outcome.stderr) };
  }

  /** Mounts the pool on a node at the usual place; throws when famfs does not say 0. */
  async mount(node: NodeName): Promise<void> {
    await this.do(node, 'famfs', 'mount', this.#modeFlag, '/dev/dax0.0', '/mnt/famfs');
  }

  /** Runs a command that has to succeed. */
  async do(node: NodeName, ...argv: string[]): Promise<void> {
    const { exit, stdout, stderr } = await this.call(node, argv);
    if (exit !== 0) throw new Error(`${argv.join(' ')} ended with ${exit}: ${stdout}${stderr}`);
  }

  /** Takes every mount of the device away, on both nodes, and waits for the daemons to let go of it. */
  async unmountAll(...nodes: NodeName[]): Promise<void> {
    for (const node of nodes.length === 0 ? (['master', 'client'] as const) : nodes) {
      for (let entry = this.#lastMountOf(node); entry !== undefined; entry = this.#lastMountOf(node)) {
        unmount(entry, { detach: true });
      }
      await this.#untilFree(node);
    }
  }

  /** A new file system, mounted nowhere. */
  async format(): Promise<void> {
    await this.unmountAll();
    await this.do('master', 'mkfs.famfs', this.#modeFlag, '-f', '/dev/dax0.0');
  }

  /** Which kernel modules both nodes lack. */
  setMissingModules(...modules: ('fuse' | 'famfs')[]): void {
    for (const { root } of Object.values(this.nodes)) {
      writeFileSync(path.join(root, 'missing-modules'), modules.join('\n'));
    }
  }

  /** Mounts the pool in a mount namespace that nothing else is in. Returns what ends it. */
  async holdInOtherNamespace(node: NodeName): Promise<() => Promise<void>> {
    const famfs = path.join(this.nodes[node].binDirectory, 'famfs');
    const words = ['mount', this.#modeFlag, '/dev/dax0.0', '/mnt/famfs'].map((word) => this.real(node, word));
    const place = this.real(node, '/mnt/famfs');
    // The daemon of the mount would hold the namespace for ever; the mount has to be taken away within it.
    const script = `"$@" && echo held >&3 && { sleep 3600 & trap 'kill $!; umount "$0"; exit' TERM; wait; }`;
    const holder = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, place, famfs, ...words];
    const end = await this.startHolder(holder);
    return async () => {
      await end();
      await this.#untilFree(node);
    };
  }

  /** Starts a process that says on descriptor 3 that it is ready, and returns what ends it. */
  async startHolder(argv: readonly string[]): Promise<() => Promise<void>> {
    const { pid, line } = await startDetached({
      argv: ['/usr/bin/env', ...argv],
      env: this.#environment,
      logPath: path.join(this.base, 'holders.log'),
      isReady: (said) => said === 'held',
    });
    if (line !== 'held') throw new Error(`${argv.join(' ')} ended before it was ready`);
    return async () => {
      if (processState(pid) !== undefined) process.kill(pid, 'SIGTERM');
      while (processState(pid) !== undefined) await sleep(5);
    };
  }

  /** Names of what lies in the temporary directory of both nodes, with the random part left out. */
  temporaryNames(): string[] {
    return readdirSync(this.real('master', '/tmp')).filter((name) => name !== 'w');
  }

  /** How many lines of the mount table show the device on a node. */
  mountCount(node: NodeName): number {
    return this.#mountsOf(node).length;
  }

  async dispose(): Promise<void> {
    await this.unmountAll();
    unmount(this.real('master', '/tmp'), { detach: true });
    unmount(this.base, { detach: true });
    rmdirSync(this.base);
  }

  get #modeFlag(): string {
    return this.mode === 'fuse' ? '--fuse' : '--nofuse';
  }

  #makeNode(name: NodeName): SimulatedNode {
    const root = path.join(this.base, name === 'master' ? 'm' : 'c');
    const node = createNode({
      root,
      devices: [{ name: 'dax0.0', devicePath: this.device.directory }],
      program: wholeProgram,
      presentation: 'fuse',
    });
    shareCompileCache(node);
    for (const place of ['famfs', 'famfs-second'])
      mkdirSync(path.join(root, 'mnt', place), { recursive: true });
    return node;
  }

  #mountsOf(node: NodeName): string[] {
    const source = this.real(node, '/dev/dax0.0');
    return readMountTable()
      .filter((entry) => entry.source === source)
      .map((entry) => entry.mountPoint);
  }

  #lastMountOf(node: NodeName): string | undefined {
    return this.#mountsOf(node).at(-1);
  }

  async #spawnCall(node: NodeName, argv: readonly string[]): Promise<PairOutcome> {
    const bin = this.nodes[node].binDirectory;
    const [program = '', ...words] = argv.map((word) =>
      word === 'famfs' || word === 'mkfs.famfs' ? path.join(bin, word) : word,
    );
    const child = await runCommand(program, words, { env: this.#environment, umask: process.umask() });
    const signal = child.signal as NodeJS.Signals | null;
    const exit = child.exitCode ?? 128 + (signal === null ? 0 : os.constants.signals[signal]);
    return { exit, stdout: this.shown(child.stdout), stderr: this.shown(child.stderr) };
  }

  async #untilFree(node: NodeName): Promise<void> {
    while (isDeviceHeld(this.nodes[node], 'dax0.0')) await sleep(5);
  }
}
