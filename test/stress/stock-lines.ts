// Everything that the driver has on a node, as lines of text that do not change from life to life: mounts, folders and
// files, processes. Two stocks that are equal mean that nothing was lost, doubled or left over in between.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { readMountTable } from '../../src/linux/mount-table.ts';
import type { ClusterNode } from '../cluster-node.ts';
import type { SimulatedCluster } from '../simulated-cluster.ts';

/** What the simulator keeps below the node's `run/` for itself, whatever the driver does. */
const ownOfSimulator: ReadonlySet<string> = new Set([
  'compile-cache',
  'daemon.log',
  'holders',
  'mounts',
  'tmp',
]);

/** Mounter, workers, plugin and daemons; whatever else runs is a command, or a process about to become one. */
const lasting =
  /^process (?:\S+ (?:--\S+ )*\S+\.(?:ts|cjs) (?:mounter|mounter-worker|node) |NODE\/dev\/\S+ -o daxdev=)/;

/** Whether no command runs: one is on its way to change what else is in the stock, however long it takes. */
export function isAtRest(stock: readonly string[]): boolean {
  const processes = stock.filter((line) => line.startsWith('process '));
  // A process that was just forked goes by the name of its parent.
  return processes.every((line) => lasting.test(line)) && new Set(processes).size === processes.length;
}

/** The node's stock now, sorted. Asks no file system that a daemon serves. */
export function stockLines(cluster: SimulatedCluster, node: ClusterNode): string[] {
  const { root } = node.places;
  const mounts = readMountTable().filter(({ mountPoint }) => mountPoint.startsWith(`${root}/`));
  const mountPoints = new Set(mounts.map(({ mountPoint }) => mountPoint));
  const lines = [
    ...mounts.map(
      ({ mountPoint, root: shown, mountOptions, fileSystemType, source }) =>
        `mount ${mountPoint} shows ${shown} of ${source}, ${fileSystemType} ${mountOptions}`,
    ),
    ...foldersOf(node).flatMap((folder) => entriesBelow(folder, mountPoints)),
    ...readdirSync(path.join(root, 'run')).flatMap((name) =>
      ownOfSimulator.has(name) ? [] : [`${root}/run/${name.replace(/-.*/, '')}`],
    ),
    ...recordsOf(node),
    ...cluster.processes().flatMap((line) => {
      return line.includes(`${root}/`) ? [`process ${line.replace(/^\d+ /, '').trim()}`] : [];
    }),
  ];
  return lines.map((line) => withoutChance(line, root)).sort();
}

function foldersOf({ places }: ClusterNode): string[] {
  return [places.kubelet, places.pools, places.locks, places.tmp, path.dirname(places.csiSocket)];
}

/** Leaves out what mkdtemp(3) puts after a dash or an underscore, and where the node lies. */
function withoutChance(line: string, root: string): string {
  return line
    .replaceAll(root, 'NODE')
    .replaceAll(/(famfs_(?:dummy|shadow)_|[0-9a-f]{12}-)[A-Za-z0-9]{6}\b/g, '$1XXXXXX');
}

/** All files and folders below a folder; of one that is mounted on, only its name. */
function entriesBelow(folder: string, mountPoints: ReadonlySet<string>): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const place = path.join(folder, entry.name);
    const isOpen = entry.isDirectory() && !mountPoints.has(place);
    return [place, ...(isOpen ? entriesBelow(place, mountPoints) : [])];
  });
}

/** Shadow trees by name, and binds by what their records say: the mount ids that name them are new each time. */
function recordsOf({ places }: ClusterNode): string[] {
  const shadows = existsSync(places.shadow) ? readdirSync(places.shadow) : [];
  const binds = existsSync(places.binds) ? readdirSync(places.binds) : [];
  return [
    ...shadows.map((name) => `shadow ${name}`),
    ...binds.map((name) => {
      const kind = /^\d+$/.test(name) ? 'record' : `file ${name.replace(/^\d+/, 'ID')}`;
      return `bind ${kind} ${readOrGone(path.join(places.binds, name))}`;
    }),
  ];
}

function readOrGone(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return 'that has just gone';
  }
}
