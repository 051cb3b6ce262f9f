// The control groups of a cluster's nodes, on either version of the kernel's hierarchy. Must not know what runs in them.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = '/sys/fs/cgroup';

/** Groups that programs of a node make beside the node's own: containerd's, and those of famfs daemons. */
const groupsMadeBeside = ['k8s.io', 'famfs-csi'];

/**
 * How much processor time the cluster gets where others want it too, against what one other group or session of the machine
 * gets. A cluster is many machines' worth of programs.
 */
const weights: Readonly<Record<string, string>> = { 'cpu.shares': '16384', 'cpu.weight': '1600' };

/** Makes the group, such as `famfs-csi-e2e-default/node-a`, where a kubelet can have its pods below it. */
export function makeControlGroup(name: string): void {
  for (const hierarchy of hierarchies()) {
    const steps = name.split('/').map((_, index, all) => all.slice(0, index + 1).join('/'));
    for (const step of steps) {
      delegateControllers(path.join(hierarchy, path.dirname(step)));
      mkdirSync(path.join(hierarchy, step), { recursive: true });
      inheritCpuset(path.join(hierarchy, step));
    }
    delegateControllers(path.join(hierarchy, name));
    for (const [file, weight] of Object.entries(weights)) {
      const place = path.join(hierarchy, steps[0] ?? name, file);
      if (existsSync(place)) writeFileSync(place, weight);
    }
  }
}

/** Removes a group and all below it; those with processes in them stay. */
export function removeControlGroup(name: string): void {
  for (const hierarchy of hierarchies()) removeTree(path.join(hierarchy, name));
}

/** What `groupsMadeBeside` has at this moment, for `removeGroupsMadeSince`. */
export function groupsBeside(): string[] {
  return hierarchies().flatMap((hierarchy) =>
    groupsMadeBeside.flatMap((name) => {
      const group = path.join(hierarchy, name);
      return [group, ...childrenOf(group)].filter((place) => existsSync(place));
    }),
  );
}

/** Removes what was made since, where no process is in it. */
export function removeGroupsMadeSince(before: readonly string[]): void {
  for (const group of groupsBeside().reverse()) if (!before.includes(group)) removeTree(group);
}

/** One for each controller in version 1, the only one in version 2. */
function hierarchies(): string[] {
  if (existsSync(path.join(root, 'cgroup.controllers'))) return [root];
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'unified')
    .map((entry) => path.join(root, entry.name))
    .filter((hierarchy) => existsSync(path.join(hierarchy, 'cgroup.procs')));
}

/** Version 2: what is below a group has only the controllers that the group passes on. */
function delegateControllers(group: string): void {
  const control = path.join(group, 'cgroup.subtree_control');
  if (!existsSync(control)) return;
  for (const controller of readFileSync(path.join(group, 'cgroup.controllers'), 'utf8').trim().split(/\s+/)) {
    try {
      writeFileSync(control, `+${controller}`);
    } catch {
      // One that cannot be passed on here is none that a kubelet insists on, or it says so itself.
    }
  }
}

/** Version 1: a new group of processors is empty, and takes no process, until it is told otherwise. */
function inheritCpuset(group: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = path.join(group, file);
    if (existsSync(path.join(group, 'cgroup.subtree_control')) || !existsSync(own)) continue;
    writeFileSync(own, readFileSync(path.join(path.dirname(group), file), 'utf8'));
  }
}

function removeTree(group: string): void {
  for (const child of childrenOf(group)) removeTree(child);
  try {
    rmdirSync(group);
  } catch {
    // Not there, or somebody runs in it.
  }
}

function childrenOf(group: string): string[] {
  if (!existsSync(group)) return [];
  return readdirSync(group, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(group, entry.name));
}
