// The agent of a simulated node: a real process that talks to a real API server by the token of a node.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ClusterNode } from './cluster-node.ts';
import { DriverProcess, sourceProgram } from './driver-process.ts';

export interface AgentOptions {
  /** The text of a kubeconfig: where the API server is, and who the agent is there. */
  readonly kubeconfig: string;
  /** What tells its files from those of another agent on the same node. */
  readonly name?: string;
  /** How the driver is started; from its sources unless given. */
  readonly program?: readonly string[];
}

export class RunningAgent {
  readonly #argv: readonly string[];
  readonly #logPath: string;
  #process: DriverProcess;

  constructor(node: ClusterNode, { kubeconfig, name = 'agent', program = sourceProgram }: AgentOptions) {
    const { root, mounterSocket } = node.places;
    const folder = path.join(root, name);
    mkdirSync(folder, { mode: 0o700 });
    const file = path.join(folder, 'kubeconfig');
    writeFileSync(file, kubeconfig, { mode: 0o600 });
    const flags = {
      'node-id': node.name,
      'mounter-socket': mounterSocket,
      kubeconfig: file,
      'log-format': 'text',
      'log-level': 'debug',
      // Tests wait for two reports of idle nodes.
      'report-interval': '5s',
    };
    this.#argv = [...program, 'agent', ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)];
    this.#logPath = path.join(folder, 'log');
    this.#process = this.#spawn();
  }

  get pid(): number {
    return this.#process.pid;
  }

  get isRunning(): boolean {
    return this.#process.isRunning;
  }

  /** Everything that it and its former lives have written. */
  get log(): string {
    return this.#process.log;
  }

  /** Starts it again after `kill` or `stop`. */
  restart(): void {
    this.#process = this.#spawn();
  }

  /** Ends it by SIGKILL: nothing of its own is done any more. */
  kill(): Promise<void> {
    return this.#process.kill();
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  #spawn(): DriverProcess {
    return new DriverProcess({ argv: this.#argv, logPath: this.#logPath });
  }
}
