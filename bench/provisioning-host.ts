// A simulated node with the whole driver on it (the role all-in-one), for figures of creating volumes: calls of its Controller
// service, and famfs's own commands on the same pool, each in turn with the driver's.
import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ControllerService } from '../src/csi/protocol.ts';
import { accessModes, controllerService } from '../src/csi/protocol.ts';
import { acquireFileLock } from '../src/linux/file-lock.ts';
import { createClient, type RpcClient } from '../src/rpc/client.ts';
import { recordsHeader } from '../src/volumes/file-records.ts';
import { BackgroundProcess } from '../tools/background-process.ts';
import { bundles, makeBundle } from '../tools/bundle.ts';
import { projectRoot } from '../tools/run-tool.ts';
import type { Bench } from './figure.ts';
import { createSimulatedNode, type SimulatedNode } from './simulated-node.ts';

const execute = promisify(execFile);
const patienceMs = 120_000;
const capability = {
  mount: { mountFlags: [] },
  accessMode: { mode: accessModes.MULTI_NODE_MULTI_WRITER },
};

export class ProvisioningHost {
  readonly #process: BackgroundProcess;
  readonly #client: RpcClient<ControllerService>;
  readonly #famfs: string;
  readonly #lock: string;
  readonly node: SimulatedNode;
  /** Where the pool is mounted. */
  readonly poolPath: string;
  #number = 0;

  /** Starts the driver in a new folder below the run's; so many volumes are recorded already. The caller stops it. */
  static async start(bench: Bench, name: string, recordCount = 0): Promise<ProvisioningHost> {
    const folder = path.join(bench.places.folder, name);
    const node = createSimulatedNode(path.join(folder, 'simulated'));
    const records = path.join(folder, 'volumes.json');
    if (recordCount > 0) writeFileSync(records, recordsText(node.pool, recordCount));
    const host = new ProvisioningHost(folder, node, await startAllInOne(folder, node, records));
    try {
      await host.#process.waitForSocket(path.join(folder, 'csi/csi.sock'));
      // Whose pool is not mounted yet refuses, and is asked again.
      await host.createVolume();
      return host;
    } catch (error) {
      await host.stop();
      throw error;
    }
  }

  private constructor(folder: string, node: SimulatedNode, process: BackgroundProcess) {
    this.node = node;
    this.#process = process;
    this.poolPath = path.join(folder, 'pools', node.pool);
    this.#famfs = path.join(node.mounterFlags['famfs-bin-dir'] ?? '', 'famfs');
    this.#lock = path.join(node.mounterFlags['lock-dir'] ?? '', `pool-${node.pool}`);
    this.#client = createClient(controllerService, path.join(folder, 'csi/csi.sock'), {
      name: 'the controller',
      unavailableReason: 'mounter-unavailable',
    });
  }

  /** Creates a volume of one file, as a provisioner does that asks again; how many milliseconds until it was answered. */
  async createVolume(sizeBytes = 2n << 20n): Promise<number> {
    const beganAtMs = performance.now();
    const request = {
      name: `bench-${this.#number++}`,
      capacityRange: { requiredBytes: sizeBytes, limitBytes: 0n },
      volumeCapabilities: [capability],
    };
    for (;;) {
      try {
        await this.#client.calls.createVolume(request, { timeoutMs: patienceMs });
        return performance.now() - beganAtMs;
      } catch (error) {
        if (performance.now() - beganAtMs > patienceMs) throw error;
        await delay(20);
      }
    }
  }

  /** Makes a file as a volume's is made, by famfs's commands alone; how many milliseconds they took. */
  async makeByCommands(sizeBytes = 2n << 20n): Promise<{ readonly ms: number; readonly file: string }> {
    const directory = path.join(this.poolPath, `commands-${this.#number++}`);
    const file = path.join(directory, 'data');
    const lock = await acquireFileLock(this.#lock, { timeoutMs: patienceMs });
    try {
      const beganAtMs = performance.now();
      await execute(this.#famfs, ['mkdir', directory]);
      await execute(this.#famfs, ['creat', '-s', `${sizeBytes}`, file]);
      await execute(this.#famfs, ['flush', file]);
      return { ms: performance.now() - beganAtMs, file };
    } finally {
      lock.release();
    }
  }

  async stop(): Promise<void> {
    this.#client.close();
    await this.#process.stop();
  }
}

/** The flags of a mounter in a folder, on the host that the benchmark's own namespaces are. */
export function mounterFlagsIn(folder: string, node: SimulatedNode): Readonly<Record<string, string>> {
  for (const name of ['mounter', 'csi']) mkdirSync(path.join(folder, name), { recursive: true, mode: 0o700 });
  mkdirSync(path.join(folder, 'kubelet'), { recursive: true });
  return {
    ...{ socket: path.join(folder, 'mounter/mounter.sock'), 'kubelet-dir': path.join(folder, 'kubelet') },
    ...{ 'pool-dir': path.join(folder, 'pools'), 'shadow-dir': path.join(folder, 'shadow') },
    ...{ 'state-dir': path.join(folder, 'binds'), 'famfs-location': 'image', launcher: 'in-place' },
    ...{ 'log-level': 'warn', 'allow-writes': 'unsafe', ...node.mounterFlags },
  };
}

export function asArguments(flags: Readonly<Record<string, string>>): string[] {
  return Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
}

async function startAllInOne(
  folder: string,
  node: SimulatedNode,
  records: string,
): Promise<BackgroundProcess> {
  const bundle = bundles.find(({ name }) => name === 'famfs-csi');
  if (bundle === undefined) throw new Error('tools/bundle.ts makes no bundle of the whole driver');
  writeFileSync(path.join(folder, 'package.json'), '{"type":"commonjs"}\n');
  symlinkSync(path.join(projectRoot, 'node_modules'), path.join(folder, 'node_modules'));
  const { file } = await makeBundle(bundle, folder);
  const flags = {
    ...mounterFlagsIn(folder, node),
    ...{ 'node-id': 'bench', 'csi-socket': path.join(folder, 'csi/csi.sock'), 'records-file': records },
  };
  return new BackgroundProcess('all in one', process.execPath, [file, 'all-in-one', ...asArguments(flags)]);
}

/** The file of records of a host that has made so many volumes (src/volumes/file-records.ts). */
function recordsText(pool: string, count: number): string {
  const lines = Array.from({ length: count }, (_, index) => {
    const name = `earlier-${index}`;
    const size = { $bytes: `${2 << 20}` };
    const slot = index.toString(36).padStart(16, 'a');
    const layout = { kind: 'file', fileCount: 1, fileSizeBytes: size, fileMode: 0o666 };
    const range = { requiredBytes: size, limitBytes: { $bytes: '0' } };
    const spec = {
      volumeId: `${pool}.${slot}`,
      poolName: pool,
      poolUuid: pool,
      slot,
      node: 'bench',
      layout,
      range,
      access: 'rw',
    };
    const status = { phase: 'Ready', filesMade: 1, bytesZeroed: size, logEntries: index + 2 };
    const record = { name, version: `${index + 1}`, deleting: false, spec, status };
    return JSON.stringify({ kind: 'volumes', key: name, revision: index + 1, record });
  });
  return `${[recordsHeader, ...lines].join('\n')}\n`;
}
