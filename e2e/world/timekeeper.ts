// Sees how long the pods and claims of a scenario take that it waits for, as multiples of what a pod without a volume takes. Must
// not know any scenario.
import { isReady } from './conditions.ts';
import type { Fields, KubeApi, KubeObject } from './kube-api.ts';
import { type Ratios, ratiosOf, Stopwatch } from './stopwatch.ts';

const driver = 'csi.famfs.io';

type Objects = Pick<KubeApi, 'get' | 'create'>;

export interface KeptTimes {
  /** What a pod without a volume took from its creation until it was ready: what a ratio of 1 stands for. */
  readonly withoutMs: number;
  readonly pods: Ratios & LeftOut;
  readonly claims: Ratios & LeftOut;
}

interface LeftOut {
  /** They came, but the scenario had done something else before it waited for them. */
  readonly leftOut: number;
}

/**
 * Counts pods that have volumes of famfs and claims that the driver makes volumes for, as far as somebody waits for them from the
 * beginning on. The beginning is their creation; that of a claim whose class waits for a pod is the creation of the first pod that
 * uses it, before which nobody does anything for it.
 */
export class Timekeeper {
  readonly #api: Objects;
  readonly #now: () => number;
  readonly #withoutMs: number;
  readonly #pods: Stopwatch;
  readonly #claims: Stopwatch;
  /** Of classes that wait for a pod. */
  readonly #claimsWithoutPod = new Set<string>();
  readonly #claimsOfPods = new Map<string, readonly string[]>();

  /** @param withoutMs from the creation of a pod without a volume until it is ready */
  constructor(api: Objects, withoutMs: number, now: () => number = () => performance.now()) {
    this.#api = api;
    this.#now = now;
    this.#withoutMs = withoutMs;
    // Before that no pod can have been ready unseen; a claim can.
    this.#pods = new Stopwatch(withoutMs);
    this.#claims = new Stopwatch(withoutMs / 4);
  }

  /** Makes a claim for which the driver makes a volume. */
  async claim(claim: KubeObject): Promise<KubeObject> {
    const metadata = { name: claim.spec.storageClassName };
    const storageClass = await this.#api.get({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata,
    });
    const { name } = claim.metadata;
    if (storageClass?.volumeBindingMode === 'Immediate') this.#claims.begin(name, this.#now());
    else this.#claimsWithoutPod.add(name);
    return this.#api.create(claim);
  }

  /** Makes a pod. */
  pod(pod: KubeObject): Promise<KubeObject> {
    const { name } = pod.metadata;
    const claims = claimsOf(pod);
    const atMs = this.#now();
    this.#claimsOfPods.set(name, claims);
    for (const claim of claims) if (this.#claimsWithoutPod.delete(claim)) this.#claims.begin(claim, atMs);
    if (hasFamfs(pod)) this.#pods.begin(name, atMs);
    return this.#api.create(pod);
  }

  /** Somebody begins to wait for a pod, and with it for its claims. */
  podAwaited(name: string): void {
    this.#pods.awaited(name, this.#now());
    for (const claim of this.#claimsOfPods.get(name) ?? []) this.claimAwaited(claim);
  }

  /** Who waits for a pod sees it so. */
  async podSeen(pod: KubeObject): Promise<void> {
    const { name, namespace } = pod.metadata;
    if (isReady(pod)) this.#pods.there(name, this.#now());
    for (const claim of claimsOf(pod)) {
      if (!this.#claims.isRunning(claim)) continue;
      const metadata = { name: claim, namespace };
      const seen = await this.#api.get({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata });
      if (seen !== undefined) this.claimSeen(seen);
    }
  }

  /** Somebody begins to wait for a claim. */
  claimAwaited(name: string): void {
    this.#claims.awaited(name, this.#now());
  }

  /** Who waits for a claim sees it so. */
  claimSeen({ metadata, status }: KubeObject): void {
    if (status?.phase === 'Bound') this.#claims.there(metadata.name, this.#now());
  }

  get times(): KeptTimes {
    const of = (stopwatch: Stopwatch): Ratios & LeftOut => ({
      ...ratiosOf(stopwatch.laps, this.#withoutMs),
      leftOut: stopwatch.leftOut,
    });
    return { withoutMs: this.#withoutMs, pods: of(this.#pods), claims: of(this.#claims) };
  }
}

function volumesOf({ spec }: KubeObject): readonly Fields[] {
  return spec.volumes ?? [];
}

function claimsOf(pod: KubeObject): string[] {
  return volumesOf(pod).flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? []);
}

/** All claims of scenarios are for famfs. */
function hasFamfs(pod: KubeObject): boolean {
  return volumesOf(pod).some(
    ({ persistentVolumeClaim, csi }) => persistentVolumeClaim !== undefined || csi?.driver === driver,
  );
}
