// Sees how long the pods and claims of a scenario take that it waits for, as multiples of what a pod without a volume takes. Must
// not know any scenario.
import { isReady } from './conditions.ts';
import type { Fields, KubeApi, KubeObject } from './kube-api.ts';
import { type Ratios, ratiosOf, Stopwatch } from './stopwatch.ts';

const driver = 'csi.famfs.io';

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
  readonly #api: KubeApi;
  readonly #withoutMs: number;
  readonly #pods: Stopwatch;
  readonly #claims: Stopwatch;
  readonly #claimsWithoutPod = new Set<string>();

  /** @param withoutMs from the creation of a pod without a volume until it is ready */
  constructor(api: KubeApi, withoutMs: number) {
    this.#api = api;
    this.#withoutMs = withoutMs;
    // Before that no pod can have been ready unseen.
    this.#pods = new Stopwatch(withoutMs);
    this.#claims = new Stopwatch(withoutMs);
  }

  /** A claim for which the driver makes a volume, just made. @param atMs when that was asked for */
  async claimMade({ metadata, spec }: KubeObject, atMs: number): Promise<void> {
    const storageClass = await this.#api.get({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: spec.storageClassName },
    });
    if (storageClass?.volumeBindingMode === 'Immediate') this.#claims.begin(metadata.name, atMs);
    else this.#claimsWithoutPod.add(metadata.name);
  }

  /** A pod, just made. @param atMs when that was asked for */
  podMade(pod: KubeObject, atMs: number): void {
    for (const claim of claimsOf(pod))
      if (this.#claimsWithoutPod.delete(claim)) this.#claims.begin(claim, atMs);
    if (hasFamfs(pod)) this.#pods.begin(pod.metadata.name, atMs);
  }

  /** Somebody waits for the pod, and with it for its claims, and has just seen it so. */
  async podSeen(pod: KubeObject): Promise<void> {
    const { name, namespace } = pod.metadata;
    if (isReady(pod)) this.#pods.there(name, performance.now());
    else this.#pods.notYet(name, performance.now());
    for (const claim of claimsOf(pod)) {
      if (!this.#claims.isRunning(claim)) continue;
      const metadata = { name: claim, namespace };
      const seen = await this.#api.get({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata });
      if (seen !== undefined) this.claimSeen(seen);
    }
  }

  /** Somebody waits for the claim, and has just seen it so. */
  claimSeen({ metadata, status }: KubeObject): void {
    if (status?.phase === 'Bound') this.#claims.there(metadata.name, performance.now());
    else this.#claims.notYet(metadata.name, performance.now());
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
