// The driver's own workloads in the cluster, and how an administrator replaces them. Must not know any scenario.
import { isReady } from './conditions.ts';
import type { KubeObject } from './kube-api.ts';
import type { World } from './world.ts';

const rolloutMs = 240_000;

export interface DriverWorkload {
  readonly kind: 'DaemonSet' | 'Deployment';
  readonly name: string;
}

export const nodePlugins: DriverWorkload = { kind: 'DaemonSet', name: 'famfs-csi-node' };
export const controllers: DriverWorkload = { kind: 'Deployment', name: 'famfs-csi-controller' };
export const mounters: DriverWorkload = { kind: 'DaemonSet', name: 'famfs-csi-mounter' };

/** What `kubectl rollout restart` does: all pods are replaced, as the workload's update strategy says. Waits until they are. */
export async function rollOut(world: World, workload: DriverWorkload): Promise<void> {
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
  const { kind, name } = workload;
  const metadata = { name, namespace: world.ground.driverNamespace };
  const spec = { template: { metadata: { annotations } } };
  await world.api.merge({ apiVersion: 'apps/v1', kind, metadata, spec });
  await rolledOut(world, workload);
}

/** Waits until all pods of a workload are of its newest template, and ready. */
export async function rolledOut(world: World, { kind, name }: DriverWorkload): Promise<void> {
  const isDone = async (): Promise<boolean> => {
    const { metadata, spec, status } = await world.read('apps/v1', kind, name, world.ground.driverNamespace);
    if (status.observedGeneration !== metadata.generation) return false;
    return kind === 'DaemonSet'
      ? status.updatedNumberScheduled === status.desiredNumberScheduled &&
          status.numberReady === status.desiredNumberScheduled
      : status.updatedReplicas === spec.replicas &&
          status.readyReplicas === spec.replicas &&
          status.replicas === spec.replicas;
  };
  await world.until(`${kind} ${name} is rolled out`, isDone, rolloutMs);
}

/** The pods of a workload, those included that are about to go. */
export function driverPods(world: World, { name }: DriverWorkload, node?: string): Promise<KubeObject[]> {
  const component = name.replace('famfs-csi-', '');
  return world.api
    .list('v1', 'Pod', world.ground.driverNamespace, `app.kubernetes.io/component=${component}`)
    .then((pods) => pods.filter(({ spec }) => node === undefined || spec.nodeName === node));
}

/** The pod of a DaemonSet on a node. @throws Error when there is none, or another one that is about to go */
export async function driverPod(world: World, workload: DriverWorkload, node: string): Promise<KubeObject> {
  const [pod, ...others] = await driverPods(world, workload, node);
  if (pod === undefined || others.length > 0)
    throw new Error(`${workload.name} has ${others.length === 0 ? 'no pod' : 'several pods'} on ${node}.`);
  return pod;
}

/** Deletes the pod of a DaemonSet on a node, and waits until another one is ready there. */
export async function replacePod(world: World, workload: DriverWorkload, node: string): Promise<void> {
  const old = await driverPods(world, workload, node);
  for (const pod of old) await world.removed(pod, rolloutMs);
  await world.until(
    `there is a new pod of ${workload.name} on ${node}, ready`,
    async () => {
      const pods = await driverPods(world, workload, node);
      const isNew = ({ metadata }: KubeObject): boolean =>
        old.every((pod) => pod.metadata.uid !== metadata.uid);
      return pods.some((pod) => isNew(pod) && isReady(pod));
    },
    rolloutMs,
  );
}

/** The famfs daemons of a node: the processes' ids, by the UUID of their pool. */
export function famfsDaemons(world: World, node: string): ReadonlyMap<string, number> {
  const listed = world.console.on(node, 'pgrep', '--list-full', '--full', 'shadow=/run/famfs/shadow/');
  const daemons = new Map<string, number>();
  for (const line of listed.split('\n')) {
    const [, pid, uuid] = /^(\d+) .*\/run\/famfs\/pools\/([0-9a-f-]{36})/.exec(line) ?? [];
    if (pid !== undefined && uuid !== undefined) daemons.set(uuid, Number(pid));
  }
  return daemons;
}
