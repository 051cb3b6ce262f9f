// What the external storage suite is told of the driver: by this it leaves out by itself what cannot apply. Must not know how
// specs are run.

import type { Provisions } from './provisions.ts';

const oneMinuteNs = 60e9;

/** With what a capability is called in Kubernetes' test/e2e/storage/framework; the suite ignores what it does not know. */
const capabilities = {
  persistence: true,
  multipods: true,
  RWX: true,
  capReadOnlyMany: true,
  readWriteOncePod: true,
  multiplePVsSameID: true,
  topology: true,
  capacity: true,
  // Volumes are mounted noexec unless their class asks for exec.
  exec: false,
  block: false,
  fsGroup: false,
  volumeMountGroup: false,
  seLinuxMount: false,
  controllerExpansion: false,
  nodeExpansion: false,
  snapshotDataSource: false,
  groupSnapshot: false,
  pvcDataSource: false,
  volumeLimits: false,
  singleNodeVolume: false,
};

/**
 * The content of the file that `--storage.testdriver` names (JSON, which is YAML), for one spec.
 *
 * Topology keys are named to the specs of topology alone. Others take one key for all that the driver's topology has, of which
 * every node has a value: a node of this driver has a key for each pool that it sees.
 */
export function driverDefinition(driver: string, spec: string, provisions: Provisions): string {
  const { className, immediateClass, topologyKey } = provisions;
  const bindsAtOnce = / [a-z-]+-performance /.test(spec);
  return JSON.stringify({
    StorageClass: {
      FromExistingClassName: bindsAtOnce ? immediateClass.metadata.name : className,
    },
    DriverInfo: {
      Name: driver,
      // The least is a unit of a pool.
      SupportedSizeRange: { Min: '2Mi', Max: '64Mi' },
      MaxFileSize: 64 * 2 ** 20,
      SupportedFsType: { '': {} },
      ...(spec.includes('] topology ') ? { TopologyKeys: [topologyKey] } : {}),
      StressTestOptions: { NumPods: 4, NumRestarts: 3 },
      PerformanceTestOptions: {
        ProvisioningOptions: {
          VolumeSize: '2Mi',
          Count: 10,
          // No measurement of speed: others use the machine as well.
          ExpectedMetrics: { AvgLatency: 5 * oneMinuteNs, Throughput: 0.01 },
        },
      },
      Capabilities: capabilities,
    },
  });
}
