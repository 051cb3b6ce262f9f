// A node whose processes are killed while they work: takes the steps of a node's life one by one, starts again what has
// died, repeats what it was doing until that succeeds, and compares what is there with an undisturbed life.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { accessModes } from '../../src/csi/protocol.ts';
import { MounterClient, poolPhase } from '../../src/mounter/client.ts';
import { silentLogger } from '../../src/observe/logger.ts';
import type { ClusterNode } from '../cluster-node.ts';
import type { SimulatedCluster } from '../simulated-cluster.ts';
import { waitUntil } from '../wait-until.ts';
import { EffectFolder } from './effect-folder.ts';
import { killIfThere, processLine, unmountIfThere } from './passing-things.ts';
import { madeText, type PoolMaker } from './pool-maker.ts';
import { type CsiClient, RestartedDriver } from './restarted-driver.ts';
import { isAtRest, stockLines } from './stock-lines.ts';

/** The steps of a node's life, in their order. */
export const steps = [
  'start',
  'publish',
  'publish again',
  'publish writable',
  'unpublish',
  'recover',
] as const;
export type Step = (typeof steps)[number];

interface Volume {
  readonly volumeId: string;
  readonly directory: string;
  readonly target: string;
  readonly writable: boolean;
}

/** A machine that is several times too busy takes minutes to mount. */
const patienceMs = 400_000;
const callMs = 20_000;
/** How long what processes do by themselves, now and again, may let wait. */
const ownPaceMs = 5_000;
const retryMs = 50;
/** How long what is on its way may take; looking is dear, so it is not done all the time. */
const stockPatienceMs = 60_000;
const stockPauseMs = 150;

export class KilledNode {
  readonly node: ClusterNode;
  readonly points: EffectFolder;
  readonly #cluster: SimulatedCluster;
  readonly #maker: PoolMaker;
  readonly #volumes: Readonly<Record<'publish' | 'publish again' | 'publish writable', Volume>>;
  readonly #published = new Set<Volume>();
  /** What an undisturbed life had after each step. */
  readonly #undisturbed = new Map<Step, string[]>();
  readonly #driver: RestartedDriver;
  readonly #mounterClient: MounterClient;
  #filesMade = 0;

  constructor(cluster: SimulatedCluster, node: ClusterNode, maker: PoolMaker) {
    this.node = node;
    this.#cluster = cluster;
    this.#maker = maker;
    this.points = new EffectFolder(path.join(cluster.directory, `effects-${node.name}`));
    this.#driver = new RestartedDriver(node, this.points);
    this.#mounterClient = new MounterClient({ address: node.places.mounterSocket, logger: silentLogger });
    const volume = (volumeId: string, directory: string, writable = false): Volume => ({
      volumeId,
      directory: `${node.name}/${directory}`,
      target: node.target(volumeId),
      writable,
    });
    this.#volumes = {
      publish: volume('first', 'read'),
      'publish again': volume('second', 'also'),
      'publish writable': volume('third', 'write', true),
    };
  }

  /** How often a process was started again after its death. */
  get restarts(): number {
    return this.#driver.restarts;
  }

  /** Makes what this node's volumes hold. */
  async prepare(): Promise<void> {
    await this.#maker.directory(this.node.name);
    for (const { directory } of Object.values(this.#volumes)) {
      await this.#maker.directory(directory);
      await this.#maker.file(`${directory}/one`);
      await this.#maker.file(`${directory}/two`);
    }
  }

  /** A life in which nobody dies: what later ones are compared with. Returns the points passed in each step. */
  async liveUndisturbed(): Promise<Map<Step, string[]>> {
    const passed = new Map<Step, string[]>();
    for (const step of steps) {
      await this.#before(step);
      const mark = this.points.mark;
      await this.#take(step);
      await this.#settled();
      this.#undisturbed.set(step, await this.#stillStock());
      passed.set(step, this.points.passedSince(mark));
      await this.#checkVolumes();
    }
    return passed;
  }

  /**
   * Takes a step, in which whoever is the n-th to pass a point dies there, and checks that all is as if nobody had.
   * Returns whether somebody died.
   */
  async takeKilled(step: Step, point: string, nth: number): Promise<boolean> {
    await this.#before(step, point);
    this.points.arm(point, nth);
    try {
      await this.#take(step);
      // What mounter and daemon do by themselves happens now and again.
      await waitUntil('a process has died', () => this.points.killedAt !== undefined, ownPaceMs).catch(
        () => {},
      );
      if (this.points.killedAt === undefined) return false;
      await this.#settled();
      if (point.startsWith('daemon:')) await this.#restartPods();
      return true;
    } finally {
      this.points.disarm();
      await this.#settled();
      await this.check(step);
    }
  }

  /** Takes a step in which nobody dies. */
  async take(step: Step): Promise<void> {
    await this.#before(step);
    await this.#take(step);
    await this.#settled();
    await this.check(step);
  }

  /** All is there as after this step of the undisturbed life, and volumes hold what was made. */
  async check(step: Step, { patienceMs: stockMs = stockPatienceMs } = {}): Promise<void> {
    const expected = this.#undisturbed.get(step);
    if (expected === undefined) throw new Error(`there was no undisturbed ${step}`);
    const giveUpAt = Date.now() + stockMs;
    let stock = await this.#stockAtRest();
    while (stock.join('\n') !== expected.join('\n') && Date.now() < giveUpAt) {
      await sleep(stockPauseMs);
      stock = await this.#stockAtRest();
    }
    assert.deepEqual(stock, expected, `after ${step}`);
    await this.#checkVolumes();
  }

  /** Ends all processes, mounts and files of the driver on this node, as a reboot does; the plugin only when asked to. */
  async reboot({ withPlugin = true } = {}): Promise<void> {
    const { places } = this.node;
    this.points.disarm();
    await this.#driver.kill({ withPlugin });
    if (withPlugin) rmSync(path.dirname(places.csiSocket), { recursive: true, force: true });
    await waitUntil('nothing runs or is mounted any more', async () => {
      // A command may be waiting for what will never come now, or mount and unmount to its end.
      const left = this.#processes();
      for (const pid of left) killIfThere(pid);
      const mounts = this.#mounts();
      for (const place of mounts.reverse()) unmountIfThere(place);
      if (left.length === 0 && mounts.length === 0) return true;
      await sleep(stockPauseMs);
      return false;
    });
    for (const folder of [places.pools, places.shadow, places.locks, places.binds])
      rmSync(folder, { recursive: true, force: true });
    rmSync(places.mounterSocket, { force: true });
    for (const name of readdirSync(places.tmp)) rmSync(path.join(places.tmp, name), { recursive: true });
    rmSync(places.kubelet, { recursive: true, force: true });
    this.#published.clear();
    for (const { volumeId } of Object.values(this.#volumes)) this.node.target(volumeId);
  }

  /** Ends everything for good; a step that is still being taken fails. */
  async close(): Promise<void> {
    try {
      await this.#driver.close();
      await this.reboot();
    } finally {
      await this.#mounterClient.close();
    }
  }

  async #before(step: Step, point = ''): Promise<void> {
    if (step === 'start') await this.reboot({ withPlugin: !point.startsWith('mounter') });
    if (step === 'publish') await this.#makeFile();
  }

  async #take(step: Step): Promise<void> {
    switch (step) {
      case 'start':
        return this.#untilOk('the pool is ready', () => this.#requireReady());
      case 'publish':
      case 'publish again':
      case 'publish writable': {
        const volume = this.#volumes[step];
        this.#published.add(volume);
        return this.#publish(volume);
      }
      case 'unpublish':
        for (const volume of Object.values(this.#volumes)) await this.#unpublish(volume);
        return;
      case 'recover':
        return this.#loseDaemon();
    }
  }

  /** A file that the node has not replayed when it publishes the directory. */
  async #makeFile(): Promise<void> {
    await this.#maker.file(`${this.#volumes.publish.directory}/file-${this.#filesMade++}`);
  }

  async #publish({ volumeId, directory, target, writable }: Volume): Promise<void> {
    const mode = writable ? accessModes.MULTI_NODE_MULTI_WRITER : accessModes.MULTI_NODE_READER_ONLY;
    await this.#untilOk(`${volumeId} is published`, (csi) =>
      csi.calls.nodePublishVolume(
        {
          volumeId,
          targetPath: target,
          readonly: !writable,
          volumeCapability: { mount: {}, accessMode: { mode } },
          volumeContext: {
            pool: this.#maker.poolUuid,
            path: directory,
            ...(writable ? { access: 'rw' } : {}),
          },
        },
        { timeoutMs: callMs },
      ),
    );
  }

  async #unpublish(volume: Volume): Promise<void> {
    const { volumeId, target: targetPath } = volume;
    await this.#untilOk(`${volumeId} is unpublished`, (csi) =>
      csi.calls.nodeUnpublishVolume({ volumeId, targetPath }, { timeoutMs: callMs }),
    );
    this.#published.delete(volume);
  }

  /** The daemon dies while nothing is published: the mounter takes the mount down and makes it anew. */
  async #loseDaemon(): Promise<void> {
    const lost = this.#cluster.daemonOf(this.node, this.#maker.poolUuid);
    if (lost === undefined) throw new Error('the pool has no daemon');
    process.kill(lost, 'SIGKILL');
    await this.#untilOk('the pool has a daemon again', async () => {
      const daemon = this.#cluster.daemonOf(this.node, this.#maker.poolUuid);
      if (daemon === undefined || daemon === lost) throw new Error('it has none yet');
      await this.#requireReady();
    });
  }

  /** What documentation asks for when a daemon has died under pods: all of them are ended and started again. */
  async #restartPods(): Promise<void> {
    const volumes = [...this.#published];
    for (const volume of volumes) await this.#unpublish(volume);
    // From here on nothing stands on the dead mount, and what is published again is not to be cleared away with it.
    this.points.disarm();
    await this.#settled();
    for (const volume of volumes) {
      this.#published.add(volume);
      await this.#publish(volume);
    }
  }

  /** Whatever has died is there again, and the pool serves. */
  #settled(): Promise<void> {
    return this.#untilOk('the pool is ready', () => this.#requireReady());
  }

  async #requireReady(): Promise<void> {
    const state = await this.#mounterClient.calls.getState({}, { timeoutMs: callMs });
    const pool = state.pools.find(({ uuid }) => uuid === this.#maker.poolUuid);
    if (pool?.phase === poolPhase.POOL_PHASE_READY && pool.problem == null) return;
    const problems = [pool?.problem, ...state.devices.map((device) => device.problem)];
    throw new Error(`it is not: ${JSON.stringify(problems)}`);
  }

  /** The same call again and again until it succeeds; what has died meanwhile is started again first. */
  async #untilOk(what: string, call: (csi: CsiClient) => Promise<unknown>): Promise<void> {
    const giveUpAt = Date.now() + patienceMs;
    let last: unknown;
    while (Date.now() < giveUpAt) {
      if (this.#driver.isClosed) throw new Error(`the node was closed before ${what}`);
      try {
        await call(await this.#driver.revive());
        return;
      } catch (error) {
        last = error;
      }
      if (this.points.killedAt?.startsWith('daemon:') === true && this.#published.size > 0) {
        await this.#clearDeadPods();
      }
      await sleep(retryMs);
    }
    const running = this.#processes().map(processLine);
    const death = this.points.killedAt ?? 'nobody';
    throw new Error(
      `waited in vain until ${what}: ${String(last)}\ndied last: ${death}\n${running.join('\n')}\n${this.#driver.log}`,
    );
  }

  /** Pods on a dead mount keep the pool from coming back; `takeKilled` publishes their volumes again. */
  async #clearDeadPods(): Promise<void> {
    const csi = await this.#driver.revive();
    for (const { volumeId, target: targetPath } of this.#published) {
      await csi.calls
        .nodeUnpublishVolume({ volumeId, targetPath }, { timeoutMs: callMs })
        .catch(() => undefined);
    }
  }

  #mounts(): string[] {
    return this.#cluster.mountPoints().filter((place) => place.startsWith(`${this.node.places.root}/`));
  }

  #processes(): number[] {
    return this.#cluster.processes().flatMap((line) => {
      const pid = Number.parseInt(line, 10);
      return line.includes(`${this.node.places.root}/`) && pid !== this.#driver.pluginPid ? [pid] : [];
    });
  }

  /** The stock once it stands still. @throws Error when it never does, or a command never ends */
  async #stillStock(): Promise<string[]> {
    let stock: string[] = [];
    await waitUntil(
      'the node stands still',
      async () => {
        const before = stock;
        stock = stockLines(this.#cluster, this.node);
        if (isAtRest(stock) && stock.join('\n') === before.join('\n')) return true;
        await sleep(300);
        return false;
      },
      stockPatienceMs,
    );
    return stock;
  }

  /** The stock at a moment in which no command runs, or after a while with the command that does not end. */
  async #stockAtRest(): Promise<string[]> {
    const giveUpAt = Date.now() + stockPatienceMs;
    let stock = stockLines(this.#cluster, this.node);
    while (!isAtRest(stock) && Date.now() < giveUpAt) {
      await sleep(stockPauseMs);
      stock = stockLines(this.#cluster, this.node);
    }
    return stock;
  }

  /** The mounter knows exactly what is published, and each target shows exactly what was made, with its bytes. */
  async #checkVolumes(): Promise<void> {
    const { binds } = await this.#mounterClient.calls.listBinds({ volumeId: '' });
    const known = binds.map((bind) => [bind.volumeId, bind.target, bind.path, bind.writable]);
    const wanted = [...this.#published].map((volume) => [
      volume.volumeId,
      volume.target,
      volume.directory,
      volume.writable,
    ]);
    assert.deepEqual(known.sort(), wanted.sort(), 'binds that the mounter knows');
    for (const { target, directory, writable } of this.#published) {
      const names = readdirSync(target).sort();
      assert.deepEqual(names, this.#maker.namesIn(directory), `files in ${target}`);
      for (const name of names) {
        const file = `${directory}/${name}`;
        const text = madeText(file);
        assert.equal(readFileSync(path.join(target, name), 'utf8').slice(0, text.length), text);
        if (writable) writeFileSync(path.join(target, name), text, { flag: 'r+' });
      }
    }
  }
}
