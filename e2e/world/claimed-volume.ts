// What the cluster knows of the volume behind a claim. Must not know any scenario.
import type { KubeObject } from './kube-api.ts';
import type { World } from './world.ts';

/** The claim, once it is bound. */
export function boundClaim(world: World, name: string, timeoutMs?: number): Promise<KubeObject> {
  world.timekeeper?.claimAwaited(name);
  const bound = async (): Promise<KubeObject | false> => {
    const claim = await world.read('v1', 'PersistentVolumeClaim', name, world.namespace);
    world.timekeeper?.claimSeen(claim);
    return claim.status?.phase === 'Bound' ? claim : false;
  };
  return world.until(`claim ${name} is bound`, bound, timeoutMs);
}

/** The PersistentVolume that a claim is bound to. */
export async function volumeOf(world: World, claim: string): Promise<KubeObject> {
  const { spec } = await boundClaim(world, claim);
  return world.read('v1', 'PersistentVolume', spec.volumeName);
}

/** Ends a claim and waits until its volume is gone, too. */
export async function endClaim(world: World, name: string): Promise<void> {
  const { metadata } = await volumeOf(world, name);
  await world.removed({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: world.namespace },
  });
  await world.until(
    `the volume of claim ${name} is gone`,
    async () => (await world.api.get({ apiVersion: 'v1', kind: 'PersistentVolume', metadata })) === undefined,
  );
}
