// What the programs of a node read: the configuration of containerd, of its pods' network and of the kubelet. Must not know
// how they are started.
import { spawnSync } from 'node:child_process';
import { dnsAddress, type NodeShape } from './cluster-shape.ts';

/** The images of a cluster have this name for the process that holds a pod's namespaces. */
export const pauseImage = 'famfs-csi.test/pause:1';

export interface NodePaths {
  /** Of CNI's configuration. */
  readonly networks: string;
  readonly networkPlugins: string;
}

/** The text of containerd's configuration, in the version that the installed one reads. */
export function containerdConfig({ networks, networkPlugins }: NodePaths): string {
  const version = spawnSync('containerd', ['--version'], { encoding: 'utf8' }).stdout;
  const major = / v?(\d+)\.\d+\.\d+/.exec(version)?.[1];
  if (major === undefined) throw new Error(`containerd does not tell its version: ${version}`);
  // Where the process that starts containerd may not lower its badness, neither may a container.
  const common = '  disable_apparmor = true\n  restrict_oom_score_adj = true';
  if (Number(major) >= 2) {
    return `version = 3
disabled_plugins = ["io.containerd.nri.v1.nri"]
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${pauseImage}"
[plugins."io.containerd.cri.v1.runtime"]
${common}
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["${networkPlugins}"]
  conf_dir = "${networks}"
`;
  }
  return `version = 2
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
${common}
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "${networkPlugins}"
  conf_dir = "${networks}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
`;
}

/** YAML, of which JSON is a part. */
export function kubeletConfig({ address }: NodeShape, controlGroup: string): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address,
    healthzBindAddress: address,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${controlGroup}`,
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    resolvConf: '',
    // Nobody answers there; without an address the kubelet warns of every pod.
    clusterDNS: [dnsAddress],
    clusterDomain: 'cluster.local',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    volumePluginDir: '/var/lib/kubelet/volume-plugins',
    // A machine with a full disk is no reason to remove images, which come from nowhere else, or to end pods.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '100Mi',
      'imagefs.available': '100Mi',
      'nodefs.inodesFree': '0%',
      'imagefs.inodesFree': '0%',
    },
    syncFrequency: '10s',
    nodeStatusUpdateFrequency: '4s',
    maxPods: 100,
    serializeImagePulls: false,
  });
}
