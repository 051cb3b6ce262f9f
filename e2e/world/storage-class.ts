// A StorageClass of a scenario's own, for what the given ones do not say. Must not know any scenario.
import type { Fields } from './kube-api.ts';
import type { World } from './world.ts';

/**
 * Makes a class that is removed when the scenario ends.
 * @param suffix tells it from other classes of the scenario
 * @param fields further ones, such as `{ volumeBindingMode: 'Immediate' }`
 * @returns its name
 */
export async function storageClass(
  world: World,
  suffix: string,
  parameters: Readonly<Record<string, string>>,
  fields: Fields = {},
): Promise<string> {
  const name = `${world.namespace}-${suffix}`;
  await world.apply({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name },
    provisioner: 'csi.famfs.io',
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
    parameters,
    ...fields,
  });
  return name;
}
