// A further cluster of this machine for the time of a run, with the driver as in the first: disruptive scenarios run there one by
// one while others run elsewhere. Must not know any scenario.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestFiles } from '../tools/test-files.ts';
import { removeCluster } from './cluster/cluster.ts';
import type { ClusterFolder } from './cluster/cluster-folder.ts';
import { runCommand } from './run-command.ts';
import { clusterPlace, runWaitingFiles } from './scenario-place.ts';
import type { WaitingFiles } from './waiting-files.ts';

export interface BesideRun {
  readonly waiting: WaitingFiles;
  /** How each of them is run. */
  readonly tests: Omit<TestFiles, 'files'>;
  /** Options of `npm run e2e` by which the first cluster was made. */
  readonly options: readonly string[];
}

export class BesideCluster {
  readonly #folder: ClusterFolder;
  readonly #place = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-e2e-beside-'));
  readonly #outcome: Promise<number>;

  private constructor(folder: ClusterFolder, run: BesideRun) {
    this.#folder = folder;
    this.#outcome = this.#run(run).catch((error: unknown) => {
      console.error(error);
      return 1;
    });
  }

  /** Begins to make the cluster, and then to take files. What each of them prints is shown when it has ended. */
  static begin(folder: ClusterFolder, run: BesideRun): BesideCluster {
    return new BesideCluster(folder, run);
  }

  /** Waits until no file is left, and removes the cluster. @returns an exit status */
  async end(): Promise<number> {
    try {
      return await this.#outcome;
    } finally {
      await removeCluster(this.#folder);
      rmSync(this.#place, { recursive: true });
    }
  }

  async #run({ waiting, tests, options }: BesideRun): Promise<number> {
    const { name } = this.#folder;
    console.log(`making the cluster ${name} beside this one, for disruptive scenarios …`);
    const status = await this.#install(options);
    if (status !== 0) {
      this.#show(`the cluster ${name} could not be made, or the driver not be installed there`);
      return status;
    }
    this.#begin();
    return runWaitingFiles(clusterPlace(this.#folder), waiting, {
      ...{ tests, outputFile: this.#output },
      onEnd: (file) => this.#show(`in the cluster ${name}: ${path.basename(file)}`),
    });
  }

  /** By a process of its own: it takes most of a minute, in which this one has others to serve. */
  #install(options: readonly string[]): Promise<number> {
    this.#begin();
    const command = ['tools/bootstrap.mjs', 'e2e/e2e.ts', 'install', '--cluster', this.#folder.name];
    return runCommand([process.execPath, ...command, ...options], { outputFile: this.#output });
  }

  #begin(): void {
    writeFileSync(this.#output, '');
  }

  #show(title: string): void {
    console.log(`▶ ${title}\n${readFileSync(this.#output, 'utf8')}`);
    this.#begin();
  }

  get #output(): string {
    return path.join(this.#place, 'output');
  }
}
