// Another host of a simulated cluster, by hand: formats a memory that others have mounted, puts files into the new file
// system and lets go of the device. Knows no driver.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { unmount } from '../src/linux/mounts.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import { waitUntil } from './wait-until.ts';

export interface NewFileSystem {
  /** Contents of the files, by their paths: `{ 'set/data': 'abc' }`. Each lies in one directory of the root. */
  readonly files: Readonly<Record<string, string>>;
  /** Told when the memory has the new file system, before a file is made in it. */
  readonly onFormatted?: (uuid: string) => void;
  /** Told when all names are about to be made. */
  readonly onWriting?: () => void;
}

/** Makes a file system with these files on a device of the node, whatever was on it. Returns its UUID. */
export async function writeFileSystem(
  cluster: SimulatedCluster,
  node: ClusterNode,
  device: string,
  { files, onFormatted, onWriting }: NewFileSystem,
): Promise<string> {
  const folder = mkdtempSync(path.join(cluster.directory, 'famfs-writer-'));
  const [samples, place] = [path.join(folder, 'samples'), path.join(folder, 'mount')];
  for (const [file, contents] of Object.entries(files)) {
    mkdirSync(path.join(samples, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(samples, file), contents);
  }
  mkdirSync(place);
  const uuid = await node.format(device, { force: true });
  onFormatted?.(uuid);
  await node.do('famfs', 'mount', '--fuse', node.device(device), place);
  onWriting?.();
  const names = new Set(Object.keys(files).map((file) => path.dirname(file)));
  for (const name of names)
    await node.do('famfs', 'cp', '-r', path.join(samples, name), path.join(place, name));
  unmount(place);
  await waitUntil('the daemon has gone', () => !cluster.processes().some((line) => line.includes(place)));
  rmSync(folder, { recursive: true });
  return uuid;
}
