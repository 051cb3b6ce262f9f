// A simulated node with many pools and a driver on it, for figures of what one pool costs another: each pool has a
// directory `set` with a small file, and can be made ill and well again.
import { execFile, execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { commandLine, listProcesses } from '../src/linux/processes.ts';
import { projectRoot } from '../tools/run-tool.ts';
import { Driver } from './driver.ts';
import type { Bench } from './figure.ts';
import { PoolData } from './pool-data.ts';

const execute = promisify(execFile);
const dataBytes = 4096;

/** One pool of the crowd. */
export interface CrowdedPool {
  readonly uuid: string;
  /** Where it is mounted. */
  readonly poolPath: string;
  /** The folder of its simulated memory, and its device as the node shows it. */
  readonly memory: string;
  readonly device: string;
  /** The program of its node. */
  readonly famfs: string;
  /** Publishes its directory. */
  readonly volumeContext: Readonly<Record<string, string>>;
  /** Process id of its daemon, which is another one after the pool was mounted anew. */
  daemon(): number;
  /** Makes its memory fail for new reads, or work again. */
  poison(isPoisoned: boolean): void;
}

export interface PoolCrowd {
  readonly driver: Driver;
  readonly sound: CrowdedPool;
  readonly others: readonly CrowdedPool[];
}

/** Makes a node in a new folder below the run's and starts a driver that serves all its pools. The caller stops it. */
export async function startCrowd({ places, programs }: Bench, count: number): Promise<PoolCrowd> {
  const folder = path.join(places.folder, `crowd-${count}`);
  const node = path.join(folder, 'node');
  const uuids = await formatDevices(folder, node, count + 1);
  const mounterFlags = {
    'famfs-bin-dir': path.join(node, 'bin'),
    'sysfs-root': path.join(node, 'sys'),
    'dev-root': path.join(node, 'dev'),
    'system-uuid-path': path.join(node, 'opt/famfs/system_uuid'),
    'lock-dir': path.join(folder, 'locks'),
    ...{ mode: 'fuse', pools: 'all' },
  };
  const [soundUuid = '', ...otherUuids] = uuids;
  const kubeletDir = path.join(folder, 'kubelet');
  const driver = await Driver.start({ programs, folder, kubeletDir, mounterFlags, pool: soundUuid });
  try {
    const pools: CrowdedPool[] = [];
    for (const [number, uuid] of uuids.entries()) {
      const memory = path.join(folder, `memory-${number}`);
      const device = path.join(node, 'dev', deviceName(number));
      const famfs = path.join(node, 'bin/famfs');
      pools.push(await openPool(driver, { uuid, memory, device, famfs }, mounterFlags['lock-dir']));
    }
    const [sound] = pools;
    if (sound === undefined) throw new Error('there is no pool');
    return { driver, sound, others: pools.slice(1, 1 + otherUuids.length) };
  } catch (error) {
    await driver.stop();
    throw error;
  }
}

/** Makes the memories and the node that sees them all; resolves with the UUIDs of their file systems, in order. */
async function formatDevices(folder: string, node: string, count: number): Promise<readonly string[]> {
  const numbers = Array.from({ length: count }, (_, number) => number);
  for (const number of numbers)
    simulate('create-device', path.join(folder, `memory-${number}`), '--size', '8GiB');
  const shown = numbers.flatMap((number) => [
    '--device',
    `${path.join(folder, `memory-${number}`)}=${deviceName(number)}`,
  ]);
  simulate('create-node', node, ...shown);
  const uuids: string[] = [];
  for (const number of numbers) uuids.push(await formatDevice(node, deviceName(number)));
  return uuids;
}

/** Makes a file system on a device of a simulated node, whatever is there. @returns its UUID */
export async function formatDevice(node: string, device: string): Promise<string> {
  const words = ['--fuse', '--force', path.join(node, 'dev', device)];
  const { stdout } = await execute(path.join(node, 'bin/mkfs.famfs'), words);
  const uuid = /Filesystem UUID:\s+([0-9a-f-]{36})/.exec(stdout)?.[1];
  if (uuid === undefined) throw new Error(`mkfs.famfs named no file system: ${stdout}`);
  return uuid;
}

/** Runs a command of the simulator, such as `create-node`. */
export function simulate(...words: readonly string[]): void {
  const simulator = ['--disable-warning=ExperimentalWarning', path.join(projectRoot, 'src/sim/main.ts')];
  execFileSync(process.execPath, [...simulator, ...words], { stdio: 'pipe' });
}

function deviceName(number: number): string {
  return `dax${number}.0`;
}

async function openPool(
  driver: Driver,
  given: Pick<CrowdedPool, 'uuid' | 'memory' | 'device' | 'famfs'>,
  lockDir: string,
): Promise<CrowdedPool> {
  const { uuid, memory, famfs } = given;
  const poolPath = path.join(driver.folder, 'pools', uuid);
  await driver.mounter.waitUntil(`pool ${uuid} is mounted`, () => daemonOf(poolPath) !== undefined);
  const data = new PoolData({ pool: uuid, poolPath, base: 'bench', mayCreate: true, famfs, lockDir });
  const { volumeContext } = await data.directory('set', dataBytes);
  const poison = path.join(memory, 'poisoned');
  return {
    ...given,
    ...{ poolPath, volumeContext },
    daemon() {
      const pid = daemonOf(poolPath);
      if (pid === undefined) throw new Error(`pool ${uuid} has no daemon`);
      return pid;
    },
    poison(isPoisoned) {
      if (isPoisoned) writeFileSync(poison, '');
      else rmSync(poison);
    },
  };
}

/** The daemon names its mount point as its last word. Only daemons are asked: others could be stuck and stick us. */
function daemonOf(poolPath: string): number | undefined {
  return listProcesses().find(({ pid, comm, state }) => {
    if (comm !== 'famfs_fused' || state === 'Z') return false;
    return (commandLine(pid) ?? []).join(' ').trimEnd().endsWith(` ${poolPath}`);
  })?.pid;
}
