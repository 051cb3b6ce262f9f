// Every option of every role, as data: flag, meaning, default, type. options.ts reads them.
import { type Config, optional, repeatable, required, toggle, withDefault } from './config/options.ts';
import {
  absolutePath,
  durationBetween,
  durationMs,
  listenAddress,
  nodeId,
  objectName,
  oneOf,
  poolFile,
  poolSelection,
  positiveInteger,
  socketAddress,
} from './config/value-types.ts';
import { logFormats, logLevels } from './observe/log-levels.ts';

/** The name under which Kubernetes knows the driver. */
export const driverName = 'csi.famfs.io';

const defaultMounterSocket = '/run/famfs-csi/mounter.sock';
const defaultKubeletDir = '/var/lib/kubelet';

const observing = {
  logLevel: withDefault('log-level', oneOf(logLevels), 'info', {
    group: 'Watching it',
    help: 'How much to log. SIGUSR2 switches a running process to debug and back.',
  }),
  logFormat: withDefault('log-format', oneOf(logFormats), 'json', {
    group: 'Watching it',
    help: 'json for machines, text for people.',
  }),
  metricsAddress: optional('metrics-address', listenAddress, {
    group: 'Watching it',
    help: 'Serve /metrics, /healthz and /readyz over HTTP here. Off unless given.',
  }),
  drainTimeoutMs: withDefault('drain-timeout', durationMs, '25s', {
    group: 'Watching it',
    help: 'How long running calls may take to finish when the process is told to stop.',
  }),
};

const kubeconfig = optional('kubeconfig', absolutePath, {
  group: 'Connections',
  help: 'A kubeconfig with the API server and who to be there.',
  fallbackText: "the pod's service account",
});

/** Options of `famfs-csi node`. */
export const nodeRole = {
  name: 'node',
  summary:
    'Serves the CSI Identity and Node services to kubelet and registers the driver with it. Has no privileges: ' +
    'whatever needs one is asked of the mounter.',
  options: {
    nodeId: required('node-id', nodeId, {
      group: 'Identity',
      help: 'The name of this node; in Kubernetes the name of the Node object.',
      aliases: ['KUBE_NODE_NAME'],
    }),
    kubeletDir: withDefault('kubelet-dir', absolutePath, defaultKubeletDir, {
      group: 'Sockets',
      help: "Kubelet's root directory.",
    }),
    csiSocket: optional('csi-socket', socketAddress, {
      group: 'Sockets',
      help: 'Where to serve CSI.',
      fallbackText: `KUBELET-DIR/plugins/${driverName}/csi.sock`,
      aliases: ['CSI_ENDPOINT'],
    }),
    kubeletCsiSocket: optional('kubelet-csi-socket', absolutePath, {
      group: 'Sockets',
      help: 'The CSI socket as kubelet sees it, where that differs.',
      fallbackText: 'the CSI socket',
    }),
    registrationDir: optional('registration-dir', absolutePath, {
      group: 'Sockets',
      help: 'Where kubelet looks for plugins.',
      fallbackText: 'KUBELET-DIR/plugins_registry',
    }),
    skipRegistration: toggle('skip-registration', {
      group: 'Sockets',
      help: 'Serve CSI without registering with a kubelet.',
    }),
    mounterSocket: withDefault('mounter-socket', socketAddress, defaultMounterSocket, {
      group: 'Sockets',
      help: 'Where the mounter listens.',
    }),
    topologySettleMs: withDefault('topology-settle', durationMs, '5s', {
      group: 'Behaviour',
      help: 'How long the set of pools must stay the same before the node registers again to report it.',
    }),
    ...observing,
  },
};
export type NodeConfig = Config<typeof nodeRole.options>;

/** Options of `famfs-csi agent`. */
export const agentRole = {
  name: 'agent',
  summary:
    'Carries out on a node what the objects of the API group famfs.io ask of it, and reports the node as a FamfsNode. ' +
    'Has no privileges: whatever needs one is asked of the mounter. No pod needs it to start.',
  options: {
    nodeId: required('node-id', nodeId, {
      group: 'Identity',
      help: 'The name of this node; in Kubernetes the name of the Node object.',
      aliases: ['KUBE_NODE_NAME'],
    }),
    mounterSocket: withDefault('mounter-socket', socketAddress, defaultMounterSocket, {
      group: 'Connections',
      help: 'Where the mounter listens.',
    }),
    kubeconfig,
    // A node that has said nothing for three minutes counts as away (kubernetes/node-reports.ts).
    reportIntervalMs: withDefault('report-interval', durationBetween('1s', '60s'), '60s', {
      group: 'Reporting',
      help: 'How often to report the node when nothing changes. Memory of deleted volumes is zeroed when all nodes have reported twice.',
    }),
    ...observing,
  },
};
export type AgentConfig = Config<typeof agentRole.options>;

/** Options of `famfs-csi controller`. */
export const controllerRole = {
  name: 'controller',
  summary:
    'Serves the CSI Identity and Controller services to the provisioner, and keeps the objects of the API group famfs.io ' +
    'true: pools, volumes, and what nodes report. Has no privileges and touches no node.',
  options: {
    csiSocket: withDefault('csi-socket', socketAddress, '/run/famfs-csi/csi.sock', {
      group: 'Connections',
      help: 'Where to serve CSI.',
      aliases: ['CSI_ENDPOINT'],
    }),
    kubeconfig,
    namespace: withDefault('namespace', objectName, 'famfs-csi', {
      group: 'Leading',
      help: 'The namespace of the Lease.',
      aliases: ['POD_NAMESPACE'],
    }),
    leaseName: withDefault('lease-name', objectName, 'famfs-csi-controller', {
      group: 'Leading',
      help: 'The Lease by which one of several replicas looks after the objects. All of them serve CSI.',
    }),
    ...observing,
  },
};
export type ControllerConfig = Config<typeof controllerRole.options>;

/** Options of `famfs-csi state`. */
export const stateRole = {
  name: 'state',
  summary: 'Shows what the mounter of this node has: devices, pools, their health, and how famfs is run.',
  options: {
    mounterSocket: withDefault('mounter-socket', socketAddress, defaultMounterSocket, {
      group: 'What to show',
      help: 'Where the mounter listens.',
    }),
    json: toggle('json', { group: 'What to show', help: 'Print it as JSON, for programs.' }),
    map: optional('map', poolFile, {
      group: 'What to show',
      help: 'Map this file, touch it, and tell which kind of memory answered: DAX pages, page cache or the simulator.',
    }),
  },
};

/** Options of `famfs-csi mounter`. */
export const mounterRole = {
  name: 'mounter',
  summary:
    'The only process that mounts: finds famfs pools on this node, keeps them mounted, and binds paths of them ' +
    'into the directories of pods for the node and agent processes.',
  options: {
    socket: withDefault('socket', socketAddress, defaultMounterSocket, {
      group: 'Serving',
      help: 'Where to listen for the node and agent processes.',
    }),
    kubeletDirs: repeatable('kubelet-dir', absolutePath, [defaultKubeletDir], {
      group: 'Serving',
      help: 'A directory below which paths may be published; anything elsewhere is refused.',
    }),
    allowWrites: withDefault('allow-writes', oneOf(['never', 'safe', 'unsafe']), 'never', {
      group: 'Serving',
      help:
        'Whether volumes may be published writable: "safe" only where a writer cannot stop the pool ' +
        '(standalone mode), "unsafe" also where a truncate takes the mount of the node down (fuse mode).',
    }),
    famfsLocation: withDefault('famfs-location', oneOf(['host', 'image']), 'host', {
      group: 'famfs',
      help: "Whose famfs programs to run: the host's own, in its namespaces, or those of the image.",
    }),
    famfsBinDir: optional('famfs-bin-dir', absolutePath, {
      group: 'famfs',
      help: 'Where the famfs programs are, when not on the ordinary search path.',
    }),
    hostPid: withDefault('host-pid', positiveInteger, '1', {
      group: 'famfs',
      help: 'A process in the namespaces of the host.',
    }),
    mode: withDefault('mode', oneOf(['auto', 'fuse', 'standalone']), 'auto', {
      group: 'famfs',
      help: 'How to mount pools; auto prefers standalone where its kernel module is there.',
    }),
    launcher: withDefault('launcher', oneOf(['auto', 'systemd', 'cgroup', 'in-place']), 'auto', {
      group: 'famfs',
      help: 'What keeps a famfs daemon alive when the mounter stops.',
    }),
    pools: withDefault('pools', poolSelection, 'all', {
      group: 'Pools',
      help: 'Which pools to mount.',
    }),
    allowFormat: withDefault('allow-format', oneOf(['never', 'once', 'reset']), 'never', {
      group: 'Pools',
      help:
        'Which devices may be formatted when a FamfsPool asks for it: "once" those that carry nothing, "reset" also ' +
        'one whose file system is named to be replaced. Whatever this says, nothing is formatted unasked.',
    }),
    allowDriverSwitch: toggle('allow-driver-switch', {
      group: 'Pools',
      help: 'Allow a DAX device in devdax mode to be switched to the driver that famfs needs.',
    }),
    scanIntervalMs: withDefault('scan-interval', durationMs, '2s', {
      group: 'Pools',
      help: 'How often to look for devices that came or went, and for new files.',
    }),
    healthIntervalMs: withDefault('health-interval', durationMs, '2s', {
      group: 'Pools',
      help: 'How often to read from every pool to see whether it still answers.',
    }),
    // Who publishes from a mount that hangs is told within a second. With the interval above, and three times this on a busy
    // machine, it is known within five seconds.
    probeTimeoutMs: withDefault('probe-timeout', durationMs, '800ms', {
      group: 'Pools',
      help: 'How long such a read may take before the pool counts as hung; three times as long while it, or its daemon, waits for a processor.',
    }),
    replayIntervalMs: withDefault('replay-interval', durationMs, '60s', {
      group: 'Pools',
      help: 'How often to replay a pool even when its log does not seem to have moved.',
    }),
    poolDir: withDefault('pool-dir', absolutePath, '/run/famfs/pools', {
      group: 'Places',
      help: 'Where pools are mounted, each below its UUID; the same path on the host and in the mounter.',
    }),
    shadowDir: withDefault('shadow-dir', absolutePath, '/run/famfs/shadow', {
      group: 'Places',
      help: 'Where the shadow trees of fuse mode are kept; on tmpfs, for root only.',
    }),
    famfsTmpDir: withDefault('famfs-tmp-dir', absolutePath, '/tmp', {
      group: 'Places',
      help: 'Where famfs makes its short mounts, and leaves what the mounter clears.',
    }),
    lockDir: withDefault('lock-dir', absolutePath, '/run/famfs/locks', {
      group: 'Places',
      help: 'Where the lock files of pools and devices are kept.',
    }),
    stateDir: withDefault('state-dir', absolutePath, '/run/famfs/binds', {
      group: 'Places',
      help: 'Where the mounter notes which volume a bind was made for.',
    }),
    sysfsRoot: withDefault('sysfs-root', absolutePath, '/sys', {
      group: 'Places',
      help: 'Where sysfs is mounted.',
    }),
    devRoot: withDefault('dev-root', absolutePath, '/dev', {
      group: 'Places',
      help: 'Where device nodes are.',
    }),
    systemUuidPath: withDefault('system-uuid-path', absolutePath, '/opt/famfs/system_uuid', {
      group: 'Places',
      help: "famfs's own file that tells which system this is.",
    }),
    ...observing,
  },
};
export type MounterConfig = Config<typeof mounterRole.options>;

/** Options of `famfs-csi preflight`: those of the mounter that say what it will find where. */
export const preflightRole = {
  name: 'preflight',
  summary:
    'Looks at this node as the mounter would find it, started with the same options, and says what is missing and what to ' +
    'do about it. Changes nothing. Ends with 1 when something is missing.',
  options: {
    json: toggle('json', { group: 'What to show', help: 'Print it as JSON, for programs.' }),
    ...pick(mounterRole.options, [
      ...(['socket', 'kubeletDirs', 'famfsLocation', 'famfsBinDir', 'hostPid', 'mode', 'launcher'] as const),
      ...(['allowDriverSwitch', 'poolDir', 'shadowDir', 'sysfsRoot', 'devRoot', 'systemUuidPath'] as const),
    ]),
  },
};
export type PreflightConfig = Config<typeof preflightRole.options>;

function pick<T, const K extends keyof T>(table: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, table[key]])) as Pick<T, K>;
}

/** Options of `famfs-csi all-in-one`: the mounter's, and what CSI needs beside them. */
export const allInOneRole = {
  name: 'all-in-one',
  summary:
    'Serves the CSI Identity, Controller and Node services of one host from one process, mounter included, without ' +
    'Kubernetes. Volumes are recorded in a file.',
  options: {
    ...mounterRole.options,
    nodeId: withDefault('node-id', nodeId, 'localhost', {
      group: 'Identity',
      help: 'The name of this host.',
    }),
    csiSocket: withDefault('csi-socket', socketAddress, '/run/famfs-csi/csi.sock', {
      group: 'Serving',
      help: 'Where to serve CSI.',
      aliases: ['CSI_ENDPOINT'],
    }),
    recordsFile: withDefault('records-file', absolutePath, '/var/lib/famfs-csi/volumes.json', {
      group: 'Volumes',
      help: 'Where to record which volumes there are.',
    }),
    deletedVolumes: withDefault('deleted-volumes', oneOf(['keep', 'reuse']), 'keep', {
      group: 'Volumes',
      help: 'What becomes of a deleted volume, whose space famfs cannot free: kept as it is, or zeroed and used again.',
    }),
  },
};
export type AllInOneConfig = Config<typeof allInOneRole.options>;
