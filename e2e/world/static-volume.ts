// Files that somebody puts into a pool by hand, and the PersistentVolume and claim that offer them, as docs/static-volumes.md tells
// administrators to. Must not know any scenario.
import { givenPools } from '../driver-values.ts';
import type { Fields } from './kube-api.ts';
import type { World } from './world.ts';

/** The UUID of a pool that the driver's installation made. */
export async function poolUuid(world: World, pool: string): Promise<string> {
  const { status } = await world.read('famfs.io/v1alpha1', 'FamfsPool', pool);
  return status.fileSystemUUID;
}

/** The folder of the node's simulated famfs: `bin`, `dev` and the rest. */
export function simulatedNode(node: string): string {
  return `/var/lib/famfs-csi/sim/nodes/${node}`;
}

/**
 * Makes a directory with one file at the pool's master, by famfs's own commands.
 * @param directory directly below the pool's root
 * @param sizeBytes of the file, whose bytes are 0 except for those that a pod writes later
 */
export async function makeFile(
  world: World,
  pool: string,
  directory: string,
  file: string,
  sizeBytes: number,
): Promise<void> {
  const uuid = await poolUuid(world, pool);
  const master = givenPools.find(({ name }) => name === pool)?.formattedBy ?? '';
  const place = `/run/famfs/pools/${uuid}/${directory}`;
  const famfs = `flock /run/famfs/locks/pool-${uuid} ${simulatedNode(master)}/bin/famfs`;
  const made = `test -d ${place} || ${famfs} mkdir -m 755 ${place}`;
  const script = `set -e; umask 0; ${made}; ${famfs} creat -m 666 -s ${sizeBytes} ${place}/${file}`;
  world.console.on(master, 'sh', '-c', script);
}

export interface StaticVolume {
  readonly name: string;
  readonly pool: string;
  /** Below the pool's root. */
  readonly path: string;
  readonly readOnly?: boolean;
  readonly accessMode?: 'ReadOnlyMany' | 'ReadWriteMany' | 'ReadWriteOnce' | 'ReadWriteOncePod';
  /** Further attributes of the volume. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Makes the PersistentVolume, and a claim of the same name that is bound to it. @returns the claim's name */
export async function staticVolume(world: World, volume: StaticVolume): Promise<string> {
  const { name, pool, path, readOnly = true, accessMode = 'ReadOnlyMany', attributes = {} } = volume;
  const uuid = await poolUuid(world, pool);
  const size = { storage: '1Gi' };
  const full = `${world.namespace}-${name}`;
  const key = `topology.famfs.io/pool-${uuid}`;
  const expression = { key, operator: 'In', values: ['true'] };
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace: world.namespace };
  const spec: Fields = {
    capacity: size,
    accessModes: [accessMode],
    persistentVolumeReclaimPolicy: 'Retain',
    storageClassName: '',
    claimRef,
    csi: {
      driver: 'csi.famfs.io',
      volumeHandle: full,
      readOnly,
      volumeAttributes: { pool: uuid, path, ...(readOnly ? {} : { access: 'rw' }), ...attributes },
    },
    nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [expression] }] } },
  };
  await world.apply({ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: full }, spec });
  await world.apply({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: world.namespace },
    spec: {
      accessModes: [accessMode],
      storageClassName: '',
      volumeName: full,
      resources: { requests: size },
    },
  });
  return name;
}
