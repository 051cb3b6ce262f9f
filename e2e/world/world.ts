// What a scenario acts in: a namespace of its own, and everything it makes, which is gone when it has ended. Must not know any
// scenario.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isReady } from './conditions.ts';
import { Console, type Ground, scenarioLabel } from './ground.ts';
import { type CommandOutcome, type Fields, KubeApi, type KubeObject, type ObjectName } from './kube-api.ts';
import { MappedFile } from './mapped-file.ts';
import { type Images, type PodWish, podObject, programsOfPods } from './pod-shapes.ts';
import type { Timekeeper } from './timekeeper.ts';
import { troubles } from './troubles.ts';

const pollMs = 100;
const patienceMs = 120_000;

interface Deed {
  readonly what: string;
  undo(): Promise<void>;
}

export class World {
  readonly namespace: string;
  readonly ground: Ground;
  readonly api: KubeApi;
  /** Makes pods and claims, and is told who waits for them; only where times are wanted. */
  timekeeper: Timekeeper | undefined;
  readonly #console: Console | undefined;
  /** The driver's own, as it is installed: it has a Node that can map files. */
  readonly #driverImage: string;
  readonly #deeds: Deed[] = [];
  /** Of the clock; times of events are whole seconds. */
  readonly #beganAtMs = Math.floor(Date.now() / 1000) * 1000;
  /** Outside of the namespace. */
  readonly #objects: ObjectName[] = [];

  private constructor(namespace: string, ground: Ground, api: KubeApi, driverImage: string) {
    this.namespace = namespace;
    this.ground = ground;
    this.api = api;
    this.#driverImage = driverImage;
    this.#console = ground.cluster === undefined ? undefined : new Console(ground.cluster);
  }

  /** Makes a namespace. */
  static async begin(ground: Ground): Promise<World> {
    const api = new KubeApi(ground.kubeconfig);
    const metadata = { name: 'famfs-csi-node', namespace: ground.driverNamespace };
    const driver = await api.get({ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata });
    if (driver === undefined)
      throw new Error('The driver is not installed in this cluster: npm run e2e -- install');
    const { image } = driver.spec.template.spec.containers[0];
    const world = new World(`e2e-${randomBytes(4).toString('hex')}`, ground, api, image);
    await api.create(namespaceObject(world.namespace));
    const program = 'mapped-file-main.ts';
    await api.create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: programsOfPods, namespace: world.namespace },
      data: { [program]: readFileSync(path.join(import.meta.dirname, program), 'utf8') },
    });
    return world;
  }

  /**
   * Undoes all that the scenario did, and waits until it is: first what it has done to the cluster, last done first; then its pods,
   * claims and volumes; then other objects of the cluster. The empty namespace is not waited for: Kubernetes lets each wait for
   * seconds. That all are gone in the end is seen to by who runs the scenarios.
   */
  async end(): Promise<void> {
    const failures: unknown[] = [];
    const attempt = async ({ what, undo }: Deed): Promise<void> => {
      try {
        await undo();
      } catch (error) {
        failures.push(new Error(`${what} could not be undone`, { cause: error }));
      }
    };
    for (const deed of this.#deeds.splice(0).reverse()) await attempt(deed);
    await attempt({ what: 'the pods', undo: () => this.#removeAll('Pod') });
    await attempt({ what: 'the claims', undo: () => this.#removeAll('PersistentVolumeClaim') });
    await attempt({ what: 'the namespace', undo: () => this.api.remove(namespaceObject(this.namespace)) });
    await attempt({ what: 'the making of volumes', undo: () => this.#removeVolumes() });
    for (const object of this.#objects.splice(0).reverse())
      await attempt({ what: `${object.kind} ${object.metadata.name}`, undo: () => this.removed(object) });
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, 'The scenario leaves things behind.');
  }

  /** Those included that somebody else makes meanwhile, such as a Deployment that was removed just before. */
  async #removeAll(kind: 'Pod' | 'PersistentVolumeClaim'): Promise<void> {
    await this.until(`there is no ${kind}`, async () => {
      const objects = await this.api.list('v1', kind, this.namespace);
      for (const object of objects)
        if (object.metadata.deletionTimestamp === undefined) await this.api.remove(object);
      return objects.length === 0;
    });
  }

  /** Of claims of the namespace. Those that are not to be kept are removed by who made them. */
  async #removeVolumes(): Promise<void> {
    const own = async (): Promise<KubeObject[]> =>
      (await this.api.list('v1', 'PersistentVolume')).filter(
        ({ spec }) => spec.claimRef?.namespace === this.namespace,
      );
    for (const volume of await own())
      if (volume.spec.persistentVolumeReclaimPolicy === 'Retain') await this.api.remove(volume);
    await this.until('the volumes of its claims are gone', async () => (await own()).length === 0);
  }

  /** The nodes and programs of a cluster on this machine; only for scenarios that say they need it. */
  get console(): Console {
    if (this.#console === undefined) throw new Error('This scenario needs the console of the nodes.');
    return this.#console;
  }

  get images(): Images {
    return { smallImage: this.ground.smallImage, driverImage: this.#driverImage };
  }

  /**
   * Has something undone when the scenario ends, however it ends.
   * @returns undoes it now, and then it is not undone again
   */
  undoAtEnd(what: string, undo: () => Promise<void> | void): () => Promise<void> {
    let isUndone = false;
    const undoOnce = async (): Promise<void> => {
      if (isUndone) return;
      await undo();
      isUndone = true;
    };
    this.#deeds.push({ what, undo: undoOnce });
    return undoOnce;
  }

  /** Makes or changes an object of any kind, which is removed at the end; in the scenario's namespace where it names it. */
  async apply(object: KubeObject): Promise<KubeObject> {
    const made = await this.api.apply(object);
    if (object.metadata.namespace !== this.namespace) this.#objects.push(object);
    return made;
  }

  /** Removes an object and waits until it is gone. */
  async removed(name: ObjectName, timeoutMs = patienceMs): Promise<void> {
    await this.api.remove(name);
    const gone = async (): Promise<boolean> => (await this.api.get(name)) === undefined;
    await this.until(`${name.kind} ${name.metadata.name} is gone`, gone, timeoutMs);
  }

  /**
   * Waits until something holds.
   * @param see tells it; anything but false and undefined is the answer. An error counts as "not yet"
   * @throws Error that names it, and the last error, when it never does
   */
  async until<T>(
    what: string,
    see: () => Promise<T | false | undefined> | T | false | undefined,
    timeoutMs = patienceMs,
  ): Promise<T> {
    const giveUpAtMs = performance.now() + timeoutMs;
    for (;;) {
      let cause: unknown;
      try {
        const seen = await see();
        if (seen !== false && seen !== undefined) return seen;
      } catch (error) {
        cause = error;
      }
      if (performance.now() > giveUpAtMs)
        throw new Error(`Waited ${timeoutMs / 1000} s in vain until ${what}.`, { cause });
      await delay(pollMs);
    }
  }

  /** An object as it is now. @throws Error when there is none */
  async read(apiVersion: string, kind: string, name: string, namespace?: string): Promise<KubeObject> {
    const object = await this.api.get({
      apiVersion,
      kind,
      metadata: { name, ...(namespace && { namespace }) },
    });
    if (object === undefined) throw new Error(`There is no ${kind} ${name}.`);
    return object;
  }

  /** A claim for a volume of a class, as pods' authors write them. Extra fields go into its spec. */
  async claim(name: string, storageClassName: string, size: string, spec: Fields = {}): Promise<KubeObject> {
    const object = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace: this.namespace },
      spec: {
        accessModes: ['ReadWriteMany'],
        storageClassName,
        resources: { requests: { storage: size } },
        ...spec,
      },
    };
    return this.timekeeper?.claim(object) ?? this.api.create(object);
  }

  /** Makes a pod, without waiting for anything. */
  async startPod(wish: PodWish): Promise<KubeObject> {
    const pod = podObject(wish, this.namespace, this.images);
    return this.timekeeper?.pod(pod) ?? this.api.create(pod);
  }

  /** Makes a pod and waits until it is ready. @throws Error with its warnings when it does not come to that */
  async pod(wish: PodWish, timeoutMs = patienceMs): Promise<KubeObject> {
    await this.startPod(wish);
    return this.podReady(wish.name, timeoutMs);
  }

  async podReady(name: string, timeoutMs = patienceMs): Promise<KubeObject> {
    this.timekeeper?.podAwaited(name);
    const ready = async (): Promise<KubeObject | false> => {
      const pod = await this.read('v1', 'Pod', name, this.namespace);
      await this.timekeeper?.podSeen(pod);
      return isReady(pod) && pod;
    };
    return this.until(`pod ${name} is ready`, ready, timeoutMs);
  }

  /** Deletes a pod and waits until it is gone from its node. */
  async endPod(name: string): Promise<void> {
    await this.removed({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: this.namespace } });
  }

  /** Runs a command in a pod. @throws Error with what it wrote when it fails */
  async inPod(pod: string, ...command: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.tryInPod(pod, ...command);
    if (status !== 0)
      throw new Error(`${command.join(' ')} in ${pod}: exit status ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Runs a command in a pod, which may fail. */
  tryInPod(pod: string, ...command: readonly string[]): Promise<CommandOutcome> {
    return this.api.run(this.namespace, pod, 'main', command);
  }

  /** Maps a file in a pod of the image `mapping`. */
  async mapped(pod: string, file: string, access: 'r' | 'rw' = 'r'): Promise<MappedFile> {
    return MappedFile.open(this.api, this.namespace, pod, file, access);
  }

  /** Waits for an event on an object of the scenario, or since it began on one of the cluster, whose message matches; returns the message. */
  event(kind: string, name: string, message: RegExp, timeoutMs = patienceMs): Promise<string> {
    return this.until(
      `there is an event on ${kind} ${name} like ${message}`,
      async () => {
        const ofCluster = await this.api.list('v1', 'Event', 'default');
        const recent = ofCluster.filter(({ lastTimestamp }) => Date.parse(lastTimestamp) >= this.#beganAtMs);
        const events = await this.api.list('v1', 'Event', this.namespace);
        return [...events, ...recent].find(
          ({ involvedObject: on, message: text }) =>
            on.kind === kind && on.name === name && message.test(text ?? ''),
        )?.message;
      },
      timeoutMs,
    );
  }

  /** For whoever has to find out why the scenario failed. */
  troubles(): Promise<string> {
    return troubles(this.api, this.namespace, this.ground.driverNamespace);
  }
}

function namespaceObject(name: string): KubeObject {
  const labels = { [scenarioLabel]: 'true' };
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}
