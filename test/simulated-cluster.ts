// A cluster on one machine: shared memory made by the simulator, nodes that see it, and the real processes of the driver
// on them. For tests, the benchmark and the demo; must run in a private mount namespace (test/private-mounts.ts).
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runCommand } from '../src/linux/child-process.ts';
import { acquireFileLock } from '../src/linux/file-lock.ts';
import { readMountTable } from '../src/linux/mount-table.ts';
import { mountFileSystem, setPropagation, unmount } from '../src/linux/mounts.ts';
import { commandLine, listProcesses, mountNamespaceOf } from '../src/linux/processes.ts';
import { ClusterNode, type NodeMode } from './cluster-node.ts';
import { compileCache, DriverProcess, simulatorProgram, sourceProgram } from './driver-process.ts';
import { type MounterFlags, RunningMounter } from './running-mounter.ts';
import { waitUntil } from './wait-until.ts';

/** For how long a command that hangs may keep a lock at the end. */
const lockPatienceMs = 120_000;

export interface ClusterOptions {
  /** How the driver is started; from its sources unless given. */
  readonly program?: readonly string[];
  /** How the simulator is started; from its sources unless given. */
  readonly simulatorProgram?: readonly string[];
}

export interface NodeOptions {
  /** Which memory the node sees, by the names of devices on the node: `{ 'dax0.0': 'memory' }`, the default. */
  readonly devices?: Readonly<Record<string, string>>;
  readonly mode?: NodeMode;
}

export class SimulatedCluster {
  /** A tmpfs of its own. Its path holds "famfs", which famfs wants to see in the path of a mount. */
  readonly directory: string;
  readonly #program: readonly string[];
  readonly #simulatorProgram: readonly string[];
  readonly #nodes: ClusterNode[] = [];
  readonly #mounters: RunningMounter[] = [];
  readonly #plugins: DriverProcess[] = [];

  constructor(options: ClusterOptions = {}) {
    this.#program = options.program ?? sourceProgram;
    this.#simulatorProgram = options.simulatorProgram ?? simulatorProgram;
    this.directory = mkdtempSync(path.join(os.tmpdir(), 'famfs-'));
    mountFileSystem({
      source: 'famfs-simulator',
      target: this.directory,
      type: 'tmpfs',
      data: 'mode=755,size=90%',
    });
    setPropagation(this.directory, 'shared');
  }

  /** Memory that nodes can see. famfs takes 4 GiB or more; only what is written is really used. */
  async addMemory(name = 'memory', size = '8GiB'): Promise<void> {
    await this.#simulate('create-device', this.memory(name), '--size', size);
  }

  /** The folder of a memory: superblock, log and files as docs/simulator.md tells. */
  memory(name = 'memory'): string {
    return path.join(this.directory, name);
  }

  /** A node. The first one that formats a memory is its master. */
  async addNode(name: string, options: NodeOptions = {}): Promise<ClusterNode> {
    const { devices = { 'dax0.0': 'memory' }, mode = 'fuse' } = options;
    const root = path.join(this.directory, name);
    const shown = Object.entries(devices).flatMap(([device, memory]) => [
      '--device',
      `${this.memory(memory)}=${device}`,
    ]);
    await this.#simulate('create-node', root, ...shown);
    symlinkSync(compileCache(), path.join(root, 'run/compile-cache'));
    const node = new ClusterNode(name, root, mode);
    this.#nodes.push(node);
    return node;
  }

  /** Starts the mounter of a node. Wait for what you need of its state: `await mounter.ready(uuid)`. */
  startMounter(node: ClusterNode, flags: MounterFlags = {}): RunningMounter {
    const mounter = new RunningMounter(node, this.#program, flags);
    this.#mounters.push(mounter);
    return mounter;
  }

  /** Starts the CSI plugin of a node; it serves at `node.places.csiSocket` once its log says so. */
  async startPlugin(node: ClusterNode, flags: Readonly<Record<string, string>> = {}): Promise<DriverProcess> {
    const { places } = node;
    const all = {
      'node-id': node.name,
      'kubelet-dir': places.kubelet,
      'csi-socket': places.csiSocket,
      'mounter-socket': places.mounterSocket,
      'skip-registration': 'true',
      ...flags,
    };
    const logPath = path.join(places.root, 'plugin.log');
    // What a former plugin said must not be taken for this one's.
    rmSync(logPath, { force: true });
    const plugin = new DriverProcess({
      argv: [...this.#program, 'node', ...Object.entries(all).map(([flag, value]) => `--${flag}=${value}`)],
      logPath,
    });
    this.#plugins.push(plugin);
    await waitUntil('the node plugin serves CSI', () => {
      if (!plugin.isRunning) throw new Error(`the node plugin has ended: ${plugin.log}`);
      return plugin.log.includes('node plugin started');
    });
    return plugin;
  }

  /**
   * Ends every process by its id, unmounts everything and removes it.
   * @throws Error that names what the driver should have cleaned and did not, or what does not end
   */
  async close(): Promise<void> {
    const left = (await Promise.all(this.#nodes.map(leftoversOf))).flat();
    const ends = [...this.#plugins.map((each) => each.stop()), ...this.#mounters.map((each) => each.close())];
    const failures = (await Promise.allSettled(ends)).flatMap((end) =>
      end.status === 'rejected' ? [String(end.reason)] : [],
    );
    this.#unmountAll();
    await waitUntil('all daemons have ended', () => this.processes().length === 0).catch((error: unknown) => {
      failures.push(`${String(error)}: ${this.processes().join('; ')}`);
      for (const line of this.processes()) process.kill(Number.parseInt(line, 10), 'SIGKILL');
    });
    failures.push(...left);
    unmount(this.directory, { detach: true });
    rmSync(this.directory, { recursive: true });
    if (failures.length > 0) throw new Error(`the cluster did not end in order:\n${failures.join('\n')}`);
  }

  /** Processes of this mount namespace that name the cluster in their command line, as `PID words…`: daemons, workers. */
  processes(): string[] {
    const namespace = mountNamespaceOf('self');
    return listProcesses().flatMap(({ pid, state }) => {
      if (pid === process.pid || state === 'Z' || state === 'X') return [];
      // Others are not ours, and the command line of one that is stuck in the kernel would stick us.
      if (mountNamespaceOf(pid) !== namespace) return [];
      const words = (commandLine(pid) ?? []).join(' ');
      return words.includes(`${this.directory}/`) ? [`${pid} ${words}`] : [];
    });
  }

  /** The process id of the famfs daemon of a pool on a node (fuse mode), undefined while there is none. */
  daemonOf(node: ClusterNode, uuid: string): number | undefined {
    const line = this.processes().find((each) => {
      return each.includes(' daxdev=') && each.trimEnd().endsWith(` ${node.poolPath(uuid)}`);
    });
    return line === undefined ? undefined : Number.parseInt(line, 10);
  }

  /** Where mounts stand below the cluster's directory, in the order they were made. */
  mountPoints(): string[] {
    return readMountTable()
      .map((entry) => entry.mountPoint)
      .filter((place) => place.startsWith(`${this.directory}/`));
  }

  #unmountAll(): void {
    for (const place of this.mountPoints().reverse()) unmount(place, { detach: true });
  }

  async #simulate(...words: string[]): Promise<void> {
    const [file = '', ...args] = [...this.#simulatorProgram, ...words];
    const env = { NODE_COMPILE_CACHE: compileCache() };
    const { exitCode, stderr } = await runCommand(file, args, { env });
    if (exitCode !== 0) throw new Error(`the simulator refused ${words.join(' ')}: ${stderr}`);
  }
}

/**
 * What famfs leaves in /tmp and whoever runs it has to remove. Looked at under the machine's lock, while no mounter looks
 * at a device: one that is stopped over that leaves the rest of it to the next.
 */
async function leftoversOf(node: ClusterNode): Promise<string[]> {
  const options = { timeoutMs: lockPatienceMs };
  const lock = await acquireFileLock(node.lockFile('machine'), options).catch(() => undefined);
  try {
    return readdirSync(node.places.tmp).map((name) => `left behind: ${path.join(node.places.tmp, name)}`);
  } finally {
    lock?.release();
  }
}
