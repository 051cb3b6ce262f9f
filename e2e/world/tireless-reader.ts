// A pod that reads a file of a volume without a pause, and tells of every read and every open that failed, while a scenario does
// something to the cluster. Must not know what that is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { nodes } from '../cluster/cluster-shape.ts';
import { fill } from './file-content.ts';
import type { World } from './world.ts';

const sizeBytes = 2 ** 21;
const letter = 'x';
const volumesOfPods = '/var/lib/kubelet/pods';
const program = readFileSync(path.join(import.meta.dirname, 'tireless-reader-main.ts'), 'utf8');

interface Report {
  /** In each the file is read through a mapping, through an open descriptor, and after opening it anew. */
  readonly rounds: number;
  readonly failures: number;
  readonly first: readonly string[];
}

/** A claim whose volume holds what readers expect. @returns the claim's name */
export async function filledClaim(
  world: World,
  storageClassName: string,
  node: string,
  name = 'data',
): Promise<string> {
  await world.claim(name, storageClassName, String(sizeBytes));
  const writer = `writer-of-${name}`;
  await world.pod({ name: writer, node, volumes: [{ claim: name }] });
  await fill(world, writer, '/data/data', sizeBytes, letter);
  await world.endPod(writer);
  return name;
}

/** Readers of one volume on all nodes. @param claim one of {@link filledClaim} */
export async function readersOnAllNodes(world: World, claim: string): Promise<TirelessReader[]> {
  return Promise.all(nodes.map(({ name }) => TirelessReader.start(world, `reader-${name}`, name, claim)));
}

/** Proves of each what {@link TirelessReader.neverNoticed} says. */
export async function noneNoticed(readers: readonly TirelessReader[]): Promise<void> {
  for (const reader of readers) await reader.neverNoticed();
}

export class TirelessReader {
  readonly name: string;
  readonly node: string;
  readonly uid: string;
  readonly #world: World;

  private constructor(world: World, name: string, node: string, uid: string) {
    this.#world = world;
    this.name = name;
    this.node = node;
    this.uid = uid;
  }

  /** @param claim one of {@link filledClaim} */
  static async start(world: World, name: string, node: string, claim: string): Promise<TirelessReader> {
    const { metadata } = await world.pod({
      name,
      node,
      image: 'mapping',
      volumes: [
        { claim, readOnly: true },
        { claim: { emptyDir: {} }, at: '/report' },
      ],
      env: { FILE: '/data/data', LETTER: letter, REPORT: '/report/report' },
      command: ['/opt/famfs-csi/bin/node', '--input-type=module-typescript', '--eval', program],
    });
    const reader = new TirelessReader(world, name, node, metadata.uid);
    await reader.readsOn();
    return reader;
  }

  /** What it has seen so far; works without an API server where the scenario has the console of the node. */
  async report(): Promise<Report> {
    const text =
      this.#world.ground.cluster === undefined
        ? await this.#world.inPod(this.name, 'cat', '/report/report')
        : this.#world.console.on(
            this.node,
            'cat',
            `${volumesOfPods}/${this.uid}/volumes/kubernetes.io~empty-dir/v1/report`,
          );
    return JSON.parse(text);
  }

  /** Waits until it has gone through whole rounds that begin now. */
  async readsOn(rounds = 5): Promise<void> {
    let before: number | undefined;
    await this.#world.until(`pod ${this.name} goes on reading`, async () => {
      const now = (await this.report()).rounds;
      before ??= now;
      return now >= before + rounds;
    });
  }

  /** Proves that nothing it has tried since it began has failed, and that it goes on. @returns its rounds */
  async hasNeverFailed(): Promise<number> {
    await this.readsOn();
    const { rounds, failures, first } = await this.report();
    assert.deepEqual({ failures, first }, { failures: 0, first: [] }, `${this.name} on ${this.node}`);
    return rounds;
  }

  /** The same, and that it was never started anew: a process that a signal ends forgets what it has seen. */
  async neverNoticed(): Promise<number> {
    const { status } = await this.#world.read('v1', 'Pod', this.name, this.#world.namespace);
    assert.deepEqual(
      status.containerStatuses.map((container: { readonly restartCount: number }) => container.restartCount),
      [0],
      `${this.name} on ${this.node} was started again`,
    );
    return this.hasNeverFailed();
  }
}
