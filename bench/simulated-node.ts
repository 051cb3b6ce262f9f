// A node of the simulator with one formatted device, for the driver to be pointed at. Reached as commands.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../tools/run-tool.ts';

export interface SimulatedNode {
  /** What a mounter must be told to find this node's devices and programs. */
  readonly mounterFlags: Readonly<Record<string, string>>;
  /** UUID of the file system on its device. */
  readonly pool: string;
  /** The folder that stands for the memory (docs/simulator.md). */
  readonly deviceFolder: string;
}

/** Makes a node with one formatted device in a new folder; of its memory only what is written is really used. */
export function createSimulatedNode(folder: string): SimulatedNode {
  mkdirSync(folder, { recursive: true });
  const [deviceFolder, node] = [path.join(folder, 'device'), path.join(folder, 'node')];
  const simulator = ['--disable-warning=ExperimentalWarning', path.join(projectRoot, 'src/sim/main.ts')];
  const simulate = (...args: string[]) =>
    execFileSync(process.execPath, [...simulator, ...args], { stdio: 'pipe' });
  simulate('create-device', deviceFolder, '--size', '32GiB');
  simulate('create-node', node, '--device', `${deviceFolder}=dax0.0`);
  const mkfs = path.join(node, 'bin/mkfs.famfs');
  const said = execFileSync(mkfs, ['--fuse', path.join(node, 'dev/dax0.0')], {
    stdio: 'pipe',
    encoding: 'utf8',
  });
  const pool = /Filesystem UUID:\s+([0-9a-f-]{36})/.exec(said)?.[1];
  if (pool === undefined) throw new Error(`mkfs.famfs named no file system: ${said}`);
  return {
    ...{ pool, deviceFolder },
    mounterFlags: {
      'famfs-bin-dir': path.join(node, 'bin'),
      'sysfs-root': path.join(node, 'sys'),
      'dev-root': path.join(node, 'dev'),
      'system-uuid-path': path.join(node, 'opt/famfs/system_uuid'),
      'lock-dir': path.join(folder, 'locks'),
      mode: 'fuse',
      // Its daemon has the processors only when what is measured leaves them, and is sound all the same.
      'probe-timeout': '10s',
    },
  };
}
