// What the scenarios stand on: the cluster that they were started for, as told by their runner. Must not know the scenarios.
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { holdProgram, onNode, releaseProgram, type StoppableProgram } from '../cluster/cluster-commands.ts';
import { ClusterFolder } from '../cluster/cluster-folder.ts';

/** Names the ground: JSON. */
export const groundVariable = 'FAMFS_CSI_E2E';

/** Of the namespaces of scenarios. By it a person finds what scenarios left that were killed. */
export const scenarioLabel = 'famfs-csi.test/scenario';

export interface Ground {
  readonly kubeconfig: string;
  /** Of the cluster on this machine; undefined when it is another. */
  readonly cluster?: string;
  /** With a shell and the usual small programs. */
  readonly smallImage: string;
  readonly driverNamespace: string;
  /** Where scenarios add what their pods and claims take, see scenario-times.ts; undefined when nobody wants to know. */
  readonly timesFile?: string;
}

/** @throws Error when the file was not started by `npm run e2e` */
export function readGround(): Ground {
  const text = process.env[groundVariable];
  if (text === undefined)
    throw new Error('Scenarios run in a cluster: npm run e2e -- cluster, or npm run e2e -- FILE.scenario.ts');
  return JSON.parse(text);
}

/** The console of a cluster that is on this machine: its nodes, and the programs it is made of. */
export class Console {
  readonly #folder: ClusterFolder;

  constructor(cluster: string) {
    this.#folder = new ClusterFolder(cluster);
  }

  /**
   * Runs a command on a node, as root there.
   * @returns what it writes
   * @throws Error with what it writes when it fails
   */
  on(node: string, ...command: readonly string[]): string {
    return this.#run(onNode(this.#folder, node, command));
  }

  /** Ends a program of the cluster at once, and keeps it from coming back. A node: as if its plug was pulled. */
  async stop(program: StoppableProgram): Promise<void> {
    const kill = holdProgram(this.#folder, program);
    if (kill !== undefined) this.#run(kill);
    await delay(0);
  }

  /** Lets a stopped program, or node, come back. */
  start(program: StoppableProgram): void {
    releaseProgram(this.#folder, program);
  }

  /** Ends a program of the cluster, which comes back by itself. */
  async restart(program: StoppableProgram): Promise<void> {
    await this.stop(program);
    this.start(program);
  }

  #run([file = '', ...args]: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', maxBuffer: 64 * 2 ** 20 });
    if (status !== 0) throw new Error(`${args.join(' ')}: exit status ${status}\n${stdout}${stderr}`);
    return stdout;
  }
}
