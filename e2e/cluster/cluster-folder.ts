// Where a cluster on this machine keeps what it has: one folder in .cache, of which everything else is named. Must not know
// what runs in it.
import path from 'node:path';
import { projectRoot } from '../../tools/run-tool.ts';

/** Binaries and images that every cluster of this checkout uses. */
export const sharedCache = path.join(projectRoot, '.cache/e2e');

export class ClusterFolder {
  readonly name: string;
  readonly path: string;

  /**
   * @param name of the cluster: letters, digits and dashes; several of different names run side by side. One that a run makes beside
   *   its first is numbered after that: `gate+2`
   * @param folder where it is; elsewhere inside a node
   */
  constructor(name: string, folder = path.join(sharedCache, 'clusters', name)) {
    if (!/^[a-z0-9-]{1,20}(\+[2-9])?$/.test(name))
      throw new Error(`${JSON.stringify(name)} names no cluster: give at most 20 of a-z, 0-9 and dashes.`);
    this.name = name;
    this.path = folder;
  }

  /** Held while somebody makes or removes the cluster; beside the folder, because it outlives it. */
  get lock(): string {
    return `${this.path}.lock`;
  }

  /** What tells the cluster's first process, see ClusterRecord. */
  get record(): string {
    return path.join(this.path, 'record.json');
  }

  /** What the cluster has come to, a line each while it starts. */
  get progress(): string {
    return path.join(this.path, 'progress');
  }

  get programs(): string {
    return path.join(this.path, 'bin');
  }

  get certificates(): string {
    return path.join(this.path, 'certificates');
  }

  get logs(): string {
    return path.join(this.path, 'log');
  }

  get images(): string {
    return path.join(this.path, 'images');
  }

  /** Of the administrator, whom nothing is forbidden; or of a user such as `kube-scheduler` or a node. */
  kubeconfig(user = 'admin'): string {
    return path.join(this.path, `${user}.kubeconfig`);
  }

  log(program: string): string {
    return path.join(this.logs, `${program}.log`);
  }

  /** Holds the number of the program's process in its own PID namespace, while it runs. */
  pidFile(program: string): string {
    return path.join(this.path, 'pids', program);
  }

  /** While it is there, the program is kept from running. */
  holdFile(program: string): string {
    return path.join(this.path, 'held', program);
  }

  /** What a node has of its own: its `var` and `opt`, and where its `run` and `tmp` come from. */
  node(node: string): string {
    return path.join(this.path, 'nodes', node);
  }

  /** Above the control groups of all nodes, in each hierarchy. */
  get cgroup(): string {
    return `famfs-csi-e2e-${this.name}`;
  }
}
