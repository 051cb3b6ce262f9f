// Everything a node has at rest that its driver could leave behind: processes, their descriptors, mounts, bind records,
// folders. Two stocks are equal when nothing was left. Knows no driver.
import { readdirSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';
import type { DrivenNode } from './driven-node.ts';

export interface NodeStock {
  /** How many of each kind a process has open, such as `mounter: socket` or `plugin: /dev/null`. */
  readonly descriptors: Readonly<Record<string, number>>;
  readonly processes: readonly string[];
  readonly mounts: readonly string[];
  readonly records: number;
  /** All folders and files that are not what the simulator keeps for itself. */
  readonly entries: readonly string[];
}

/** The process ids of a node's driver and daemons, by what they are. Workers and daemons carry their pool's number. */
export function processesOf({ cluster, node, mounter, pluginPid }: DrivenNode): Record<string, number> {
  const found: Record<string, number> = { plugin: pluginPid, mounter: mounter.pid };
  for (const [number, uuid] of poolsOf(mounter.node.places.pools).entries()) {
    const lines = cluster.processes().filter((line) => line.includes(`${node.places.pools}/${uuid}`));
    const pidOf = (isIt: (line: string) => boolean): number => Number.parseInt(lines.find(isIt) ?? '', 10);
    found[`worker ${number}`] = pidOf((line) => line.includes(' mounter-worker '));
    found[`daemon ${number}`] = pidOf((line) => line.includes(' daxdev='));
  }
  const missing = Object.entries(found).find(([, pid]) => Number.isNaN(pid));
  if (missing !== undefined) throw new Error(`there is no ${missing[0]}`);
  return found;
}

function poolsOf(folder: string): string[] {
  return readdirSync(folder).sort();
}

/** Takes stock of a node. Meant for a moment of rest: what a running call has is counted as well. */
export function takeStock(driven: DrivenNode): NodeStock {
  const { cluster, node } = driven;
  return {
    descriptors: Object.fromEntries(
      Object.entries(processesOf(driven)).flatMap(([name, pid]) => descriptorsOf(name, pid)),
    ),
    processes: processKinds(cluster),
    mounts: cluster.mountPoints().sort(),
    records: readdirSync(node.places.binds).length,
    entries: [node.places.kubelet, node.places.tmp, node.places.shadow, node.places.locks, node.places.binds]
      .flatMap((folder) => entriesBelow(folder, 7))
      .map(withoutNumbers)
      .sort(),
  };
}

/** The stock of a node at which nothing is going on: no famfs command runs, no lock is held, three looks see the same. */
export async function restingStock(driven: DrivenNode): Promise<NodeStock> {
  let equalLooks = 0;
  let stock = takeStock(driven);
  await waitUntil('the node is at rest', () => {
    const now = takeStock(driven);
    const isBusy = Object.keys(now.descriptors).some((name) => name.includes(driven.node.places.locks));
    equalLooks = !isBusy && isDeepStrictEqual(now, stock) ? equalLooks + 1 : 0;
    stock = now;
    return equalLooks === 3;
  });
  return stock;
}

function descriptorsOf(name: string, pid: number): [string, number][] {
  const counts = new Map<string, number>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const key = `${name}: ${kindOf(`/proc/${pid}/fd/${fd}`)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a.localeCompare(b));
}

function kindOf(link: string): string {
  try {
    return readlinkSync(link).replace(/:\[\d+\]$/, '');
  } catch {
    return 'closed meanwhile';
  }
}

/** Processes by what they run, without what differs between two that are the same. */
function processKinds(cluster: SimulatedCluster): string[] {
  return cluster
    .processes()
    .map((line) => withoutNumbers(line.replace(/^\d+ /, '')))
    .sort();
}

/** Shadow folders of a pool and bind records have names that differ from life to life. */
function withoutNumbers(text: string): string {
  return text
    .replaceAll(/(-[0-9a-f]{12})-[A-Za-z0-9]{6}\b/g, '$1-SHADOW')
    .replace(/\/binds\/\d+$/, '/binds/ID');
}

function entriesBelow(folder: string, depth: number): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const own = path.join(folder, entry.name);
    // What lies inside a bind is the pool's.
    const isBind = entry.name === 'mount';
    return entry.isDirectory() && depth > 0 && !isBind ? [own, ...entriesBelow(own, depth - 1)] : [own];
  });
}
