// What a cluster has for the external storage suite to use: found there, and added to. Must not know the specs.
import { randomUUID } from 'node:crypto';
import type { KubeApi, KubeObject } from '../world/kube-api.ts';

/** What the suite is told of the cluster. */
export interface Provisions {
  /** A StorageClass, of which the suite makes copies; it binds late. */
  readonly className: string;
  /** The same, but it binds at once. Whoever asked for it removes it. */
  readonly immediateClass: KubeObject;
  /** Of the pool that both are for; all nodes have it, so that specs may start their pods anywhere. */
  readonly topologyKey: string;
}

const apiVersion = 'storage.k8s.io/v1';
const kind = 'StorageClass';

/**
 * Looks for a class of the driver whose pool all nodes see, and makes another of it that binds at once.
 * @throws Error when there is none
 */
export async function provide(api: KubeApi, driver: string): Promise<Provisions> {
  const nodes = await api.list('v1', 'Node');
  for (const { metadata, provisioner, parameters, volumeBindingMode } of await api.list(apiVersion, kind)) {
    if (provisioner !== driver || volumeBindingMode === 'Immediate') continue;
    const topologyKey = await keyOf(api, parameters?.pool);
    if (!nodes.every((node) => node.metadata.labels[topologyKey] === 'true')) continue;
    const immediateClass = await api.create({
      ...{ apiVersion, kind, metadata: { name: `external-storage-${randomUUID()}` } },
      ...{ provisioner, parameters, reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' },
    });
    return { className: metadata.name, immediateClass, topologyKey };
  }
  throw new Error(
    `The cluster has no StorageClass of ${driver} that binds late and whose pool all nodes see.`,
  );
}

async function keyOf(api: KubeApi, pool: string): Promise<string> {
  const found = await api.get({
    apiVersion: 'famfs.io/v1alpha1',
    kind: 'FamfsPool',
    metadata: { name: pool },
  });
  return `topology.famfs.io/pool-${found?.status?.fileSystemUUID}`;
}
