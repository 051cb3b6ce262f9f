// One simulated node of the demo: a mount namespace of its own with the driver's real mounter and node processes in it.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ControllerService,
  controllerService,
  type NodeService,
  nodeService,
} from '../src/csi/protocol.ts';
import { mountNamespaceOf } from '../src/linux/processes.ts';
import { type MounterCalls, MounterClient, type Pool, poolPhase } from '../src/mounter/client.ts';
import { silentLogger } from '../src/observe/logger.ts';
import { type Calls, createClient, type RpcClient } from '../src/rpc/client.ts';
import { BackgroundProcess } from '../tools/background-process.ts';
import { projectRoot } from '../tools/run-tool.ts';

/** How a TypeScript file of the project is started. */
export const nodeProgram: readonly string[] = [process.execPath, '--disable-warning=ExperimentalWarning'];
const program = [...nodeProgram, path.join(projectRoot, 'src/main.ts')];
const readyTimeoutMs = 30_000;

export interface HostPlaces {
  /** The simulated node's directory (programs, device, sysfs, identity). */
  readonly simulatedNode: string;
  /** What stands for /tmp there, where famfs leaves directories behind. */
  readonly tmpDir: string;
  readonly kubeletDir: string;
  readonly runDir: string;
}

export interface HostOptions {
  readonly mode: 'fuse' | 'standalone';
  /** Volumes are made on demand, by this node or by another; undefined: none are, and nothing is published writable. */
  readonly provisions: 'here' | 'elsewhere' | undefined;
}

export class SimulatedHost {
  readonly name: string;
  readonly places: HostPlaces;
  readonly #holder: ChildProcess;
  /** In the order in which they start; they stop the other way round. */
  readonly #processes: readonly BackgroundProcess[];
  readonly #mounter: MounterClient;
  readonly #csi: RpcClient<NodeService>;
  readonly #controller: RpcClient<ControllerService>;

  /** Makes the node's mount namespace and starts its processes; `ready` waits until they serve. */
  static async start(name: string, places: HostPlaces, options: HostOptions): Promise<SimulatedHost> {
    return new SimulatedHost(name, places, options, await holdMountNamespace());
  }

  private constructor(name: string, places: HostPlaces, options: HostOptions, holder: ChildProcess) {
    this.name = name;
    this.places = places;
    this.#holder = holder;
    const { simulatedNode, tmpDir, kubeletDir, runDir } = places;
    for (const folder of [path.join(kubeletDir, 'pods'), runDir]) mkdirSync(folder, { recursive: true });
    const mounterSocket = path.join(runDir, 'mounter/mounter.sock');
    const csiSocket = path.join(runDir, 'csi/csi.sock');
    const mounterFlags = {
      socket: mounterSocket,
      'kubelet-dir': kubeletDir,
      'famfs-location': 'image',
      'famfs-bin-dir': path.join(simulatedNode, 'bin'),
      'famfs-tmp-dir': tmpDir,
      mode: options.mode,
      'allow-writes': options.provisions === undefined ? 'never' : 'unsafe',
      launcher: 'in-place',
      'pool-dir': path.join(runDir, 'famfs'),
      'shadow-dir': path.join(runDir, 'shadow'),
      'lock-dir': path.join(runDir, 'locks'),
      'state-dir': path.join(runDir, 'binds'),
      'sysfs-root': path.join(simulatedNode, 'sys'),
      'dev-root': path.join(simulatedNode, 'dev'),
      'system-uuid-path': path.join(simulatedNode, 'opt/famfs/system_uuid'),
      // The simulator's daemon has the processors only when pods and loading leave them, and is sound all the same.
      'probe-timeout': '10s',
      'log-format': 'text',
    };
    const nodeFlags = {
      'node-id': name,
      'kubelet-dir': kubeletDir,
      'csi-socket': csiSocket,
      'mounter-socket': mounterSocket,
      'log-format': 'text',
    };
    const volumeFlags = {
      'node-id': name,
      'csi-socket': csiSocket,
      'records-file': path.join(runDir, 'volumes.json'),
      'deleted-volumes': 'reuse',
    };
    this.#processes =
      options.provisions === 'here'
        ? [this.#start(name, ['all-in-one', ...flags({ ...mounterFlags, ...volumeFlags })])]
        : [
            this.#start(`mounter of ${name}`, ['mounter', ...flags(mounterFlags)]),
            this.#start(`node plugin of ${name}`, ['node', '--skip-registration', ...flags(nodeFlags)]),
          ];
    this.#mounter = new MounterClient({ address: mounterSocket, logger: silentLogger });
    const client = { name: 'the node plugin', unavailableReason: 'internal' } as const;
    this.#csi = createClient(nodeService, csiSocket, client);
    this.#controller = createClient(controllerService, csiSocket, client);
  }

  get csi(): Calls<NodeService> {
    return this.#csi.calls;
  }

  /** Serves only where volumes are provisioned. */
  get controller(): Calls<ControllerService> {
    return this.#controller.calls;
  }

  get mounter(): MounterCalls {
    return this.#mounter.calls;
  }

  /** What the driver's processes of this node have logged. */
  get log(): string {
    return this.#processes.map(({ output }) => output).join('\n');
  }

  /** argv that runs a command in this node's mount namespace. */
  inside(command: readonly string[]): string[] {
    return ['nsenter', '--target', String(this.#holder.pid), '--mount', '--', ...command];
  }

  /** Waits until the pool is mounted here and the CSI socket answers. */
  async ready(): Promise<Pool> {
    const sockets = ['mounter/mounter.sock', 'csi/csi.sock'].map((name) =>
      path.join(this.places.runDir, name),
    );
    for (const socket of sockets) await this.#processes.at(-1)?.waitForSocket(socket);
    for (const endsAt = Date.now() + readyTimeoutMs; ; ) {
      const { pools, problems } = await this.#mounter.calls.getState({});
      const pool = pools.find(({ phase }) => phase === poolPhase.POOL_PHASE_READY);
      if (pool !== undefined) return pool;
      const trouble = problems[0] ?? pools[0]?.problem;
      if (Date.now() > endsAt || problems.length > 0) {
        throw new Error(
          `${this.name} did not mount the pool: ${trouble?.message ?? 'it found none'}\n${this.log}`,
        );
      }
      await sleep(50);
    }
  }

  /** Waits until its processes have logged a text. */
  async untilLogged(text: string): Promise<void> {
    await this.#processes[0]?.waitUntil(`logging ${JSON.stringify(text)}`, () => this.log.includes(text));
  }

  /** Ends the processes in order. The mounts go with the namespace. */
  async stop(): Promise<void> {
    this.#csi.close();
    this.#controller.close();
    await this.#mounter.close();
    for (const process of this.#processes.toReversed()) await process.stop();
    this.#holder.kill('SIGKILL');
  }

  #start(name: string, args: readonly string[]): BackgroundProcess {
    const [file = '', ...rest] = this.inside([...program, ...args]);
    return new BackgroundProcess(name, file, rest);
  }
}

/** A process that does nothing but keep a mount namespace; entering it before it has one would enter ours. */
async function holdMountNamespace(): Promise<ChildProcess> {
  const argv = ['--mount', '--propagation', 'private', '--', 'sleep', 'infinity'];
  const holder = spawn('unshare', argv, { stdio: 'ignore' });
  const ours = mountNamespaceOf('self');
  for (const endsAt = Date.now() + readyTimeoutMs; ; await sleep(5)) {
    const its = mountNamespaceOf(holder.pid ?? 0);
    if (its !== undefined && its !== ours) return holder;
    if (Date.now() > endsAt) throw new Error('no mount namespace could be made for a node');
  }
}

function flags(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}
