// The settings with which the driver is installed for the scenarios, and the pools and classes that they find. Must not know
// how it is installed.

/** A pool that is there when scenarios begin, each formatted by the driver itself when it was installed. */
export interface GivenPool {
  readonly name: string;
  readonly device: string;
  /** Its master. */
  readonly formattedBy: string;
  readonly seenBy: readonly string[];
}

/** Each has a StorageClass of the same name. */
export const givenPools: readonly GivenPool[] = [
  { name: 'both', device: 'dax0.0', formattedBy: 'node-a', seenBy: ['node-a', 'node-b'] },
  { name: 'only-a', device: 'dax1.0', formattedBy: 'node-a', seenBy: ['node-a'] },
  { name: 'only-b', device: 'dax2.0', formattedBy: 'node-b', seenBy: ['node-b'] },
];

/** Devices on both nodes that carry nothing: for scenarios that format, reset or lose a pool, one each. */
export const spareDevices: readonly string[] = ['dax3.0', 'dax4.0', 'dax5.0', 'dax6.0'];

const deviceSize = '4GiB';

export const driverNamespace = 'famfs-csi';
export const releaseName = 'famfs-csi';

/** @param digest of the image's manifest */
export function driverValues(digest: string): unknown {
  const device = (name: string, seenBy: readonly string[]): string =>
    `${name}=${deviceSize}${seenBy.length === 2 ? '' : `@${seenBy.join('+')}`}`;
  return {
    image: { digest, pullPolicy: 'Never' },
    controller: {
      provisioner: {
        // Built from source here, so it has another one.
        image: { digest: '' },
        // Scenarios wait for both.
        capacityPollInterval: '2s',
        retryIntervalMax: '5s',
      },
    },
    // Two nodes and all that tests run share the processors of one machine: what is late there is not hung.
    // What is looked at once a minute, scenarios wait for as well.
    mounter: { probeTimeout: '5s', replayInterval: '10s', resources: { requests: { cpu: '500m' } } },
    node: {
      resources: { requests: { cpu: '200m' } },
      agent: { reportInterval: '5s', resources: { requests: { cpu: '200m' } } },
    },
    simulator: {
      enabled: true,
      devices: [
        ...givenPools.map((pool) => device(pool.device, pool.seenBy)),
        ...spareDevices.map((name) => device(name, ['node-a', 'node-b'])),
      ],
      allowFormat: 'reset',
    },
    pools: givenPools.map(({ name, device, formattedBy }) => ({
      name,
      format: { nodeName: formattedBy, device, logSize: '8Mi' },
      writes: 'AllowedUnsafe',
      deletedVolumes: 'Reuse',
    })),
    // What `helm test` makes a claim of.
    tests: { storageClassName: 'both', size: '2Mi' },
    storageClasses: givenPools.map(({ name }) => ({ name, parameters: { pool: name } })),
  };
}
