// Catalogue rows: what mounting says, also when mkfs and fsck mount a device for a while. Data only.
import type { CatalogueRow, PossibleCause } from './catalogue-row.ts';

const byDevice = ['mkfs', 'mount', 'dummy-mount', 'fsck'] as const;

const heldElsewhere: PossibleCause = {
  id: 'held-elsewhere',
  reason: 'pool-held-elsewhere',
  meaning:
    'another mount on this machine, dead or alive and perhaps in another mount namespace, holds the device',
  remedy: 'Find the processes whose mount tables name the device and end that mount.',
};
const capabilityMissing: PossibleCause = {
  id: 'capability-missing',
  reason: 'permission-missing',
  meaning: 'the famfs daemon runs without CAP_SYS_RAWIO, which the kernel asks of it',
  remedy: 'Give the mounter, or the unit that runs the daemon, CAP_SYS_RAWIO.',
};
const kernelWithoutFamfs: PossibleCause = {
  id: 'kernel-without-famfs',
  reason: 'famfs-unsupported',
  meaning: 'the FUSE of this kernel knows nothing of famfs',
  remedy: 'Boot a kernel with famfs in its FUSE, or use the standalone module on this node.',
};
const abiMismatch: PossibleCause = {
  id: 'abi-mismatch',
  reason: 'famfs-unsupported',
  meaning: 'the libfuse of the famfs programs was made for another kernel interface than this kernel has',
  remedy: 'Install the famfs programs that belong to this kernel.',
};
const daemonMissing: PossibleCause = {
  id: 'daemon-missing',
  reason: 'famfs-missing',
  meaning: 'the daemon famfs_fused is not in the folder of the famfs program',
  remedy: 'Install famfs_fused beside famfs.',
};
const noFuseDevice: PossibleCause = {
  id: 'device-node-missing',
  reason: 'permission-missing',
  meaning: 'there is no /dev/fuse where famfs runs, or it may not be opened',
  remedy: 'Load the fuse module and let the mounter use /dev/fuse.',
};
const daemonCrashed: PossibleCause = {
  id: 'daemon-crashed',
  reason: 'command-failed',
  meaning: 'the famfs daemon ended by itself while it started',
  remedy: 'Look for famfs in the system log.',
};

export const messagesOfMount: readonly CatalogueRow[] = [
  {
    id: 'held-by-this-host',
    pattern: /^\w+: cannot (?:mount|mkfs) while (?<device>\S+) is mounted on (?<mountPoint>.+)$/m,
    commands: byDevice,
    meaning: 'the device {device} is mounted on {mountPoint} already',
    reason: 'pool-held-elsewhere',
    remedy: 'Use that mount, or unmount it when nothing needs it any more.',
    mount: 'none',
  },
  {
    id: 'fsck-while-mounted',
    pattern: /^famfs_fsck: error: cannot fsck by device \((?<device>.+)\) when mounted$/m,
    commands: ['fsck'],
    meaning: 'the device {device} is mounted on this node',
    reason: 'pool-held-elsewhere',
    remedy: 'Check it by its mount point instead.',
    mount: 'none',
  },
  {
    id: 'held-elsewhere',
    pattern:
      /^(?:famfs mount: mount returned -1; errno (?:16|114)$|\w+: mount failed for \S+ at \S+ \(errno=(?:16|114)\)$)/m,
    commands: byDevice,
    meaning: 'another mount on this machine, perhaps in another mount namespace, holds the device',
    reason: 'pool-held-elsewhere',
    remedy: 'Find the processes whose mount tables name the device and end that mount.',
    mount: 'none',
  },
  {
    id: 'held-elsewhere-by-status',
    pattern: /(?:)/,
    commands: ['dummy-mount'],
    exit: 16,
    meaning: 'another mount on this machine, perhaps in another mount namespace, holds the device',
    reason: 'pool-held-elsewhere',
    remedy: 'Find the processes whose mount tables name the device and end that mount.',
    mount: 'none',
  },
  {
    id: 'mount-not-permitted',
    pattern:
      /^(?:famfs mount: mount returned -1; errno (?:1|13)$|\w+: mount failed for \S+ at \S+ \(errno=(?:1|13)\)$|mount: permission denied)/m,
    commands: byDevice,
    meaning: 'the kernel does not let this process mount famfs',
    reason: 'permission-missing',
    remedy: 'Run the mounter privileged and in the initial user namespace.',
    mount: 'none',
  },
  {
    id: 'mount-type-unknown',
    pattern: /^(?:famfs mount: mount returned -1; errno 19$|\w+: mount failed for \S+ at \S+ \(errno=19\)$)/m,
    commands: byDevice,
    meaning: 'the kernel has no file system famfs',
    reason: 'famfs-unsupported',
    remedy: 'Load the famfs module, or choose fuse mode on a kernel that has it.',
    mount: 'none',
  },
  {
    id: 'mount-refused',
    pattern:
      /^(?:famfs mount: mount returned -1; errno (?<errno>\d+)$|\w+: mount failed for \S+ at \S+ \(errno=(?<errnoOfDummy>\d+)\)$)/m,
    commands: byDevice,
    meaning: 'the kernel refused the mount with error {errno}{errnoOfDummy}',
    reason: 'command-failed',
    remedy: 'Look for famfs in the kernel log.',
    mount: 'none',
  },
  {
    id: 'module-load-failed',
    pattern: /^famfs_load_module: failed to load .+ module$/m,
    commands: byDevice,
    meaning: 'the kernel module of famfs could not be loaded',
    reason: 'famfs-unsupported',
    remedy: 'Install the famfs module for this kernel.',
    mount: 'none',
  },
  {
    id: 'module-not-loaded',
    pattern: /^(?:famfs mount|\w+): famfs kernel module is not loaded!?$/m,
    commands: byDevice,
    meaning: 'the kernel module of famfs is not loaded',
    reason: 'famfs-unsupported',
    remedy: 'Run modprobe famfs (or famfsv1) on the node, or choose fuse mode on a kernel that has it.',
    mount: 'none',
  },
  {
    id: 'kernel-not-enabled',
    pattern: /^\w+: kernel not famfs-enabled$/m,
    commands: byDevice,
    meaning: 'famfs found no support for itself in this kernel',
    reason: 'famfs-unsupported',
    remedy: 'Load the famfs module, or boot a kernel with famfs in its FUSE.',
    mount: 'none',
  },
  {
    id: 'mount-point-missing',
    pattern: /^famfs mount: mount pt \((?<mountPoint>.+)\) not found$/m,
    commands: ['mount'],
    meaning: 'there is no directory {mountPoint} to mount on',
    reason: 'target-unusable',
    remedy: 'Make the directory where famfs runs; it has to be at the same path on the host.',
    mount: 'none',
  },
  {
    id: 'shadow-refused',
    pattern: /failed to create shadow root path (?<shadow>.+)$/m,
    commands: byDevice,
    meaning: 'famfs could not set up its shadow tree at {shadow}',
    reason: 'target-unusable',
    remedy: 'Give every mount a fresh, empty directory for its shadow tree.',
    mount: 'none',
  },
  {
    id: 'superblock-not-readable',
    pattern: /^\w+: mmap\((?<path>.+)\) not readable \*\* Kernel and libfuse are likely incompatible! \*\*$/m,
    commands: byDevice,
    meaning:
      'the mount came up but its memory could not be read, which has four causes: the device is held by another mount of this machine, the daemon lacks CAP_SYS_RAWIO, the kernel has no famfs in its FUSE, or its interface is not that of the installed famfs',
    reason: 'command-failed',
    remedy: 'Check these four in this order.',
    causes: [heldElsewhere, capabilityMissing, kernelWithoutFamfs, abiMismatch],
  },
  {
    id: 'daemon-not-answering',
    pattern: /^\w+: famfs_fused appears to have crashed \(no response on (?<socket>.+)\)$/m,
    commands: byDevice,
    meaning:
      'the famfs daemon never answered, which has four causes: the kernel has no FUSE with famfs, famfs_fused is not beside the famfs program, /dev/fuse cannot be opened, or the daemon crashed',
    reason: 'command-failed',
    remedy: 'Check these four in this order.',
    causes: [kernelWithoutFamfs, daemonMissing, noFuseDevice, daemonCrashed],
  },
];

const mounting = 'famfs says what it is doing while it mounts or gives up a mount';

/** Lines that go with a failure or a success and decide nothing. */
export const remarksOfMount: readonly CatalogueRow[] = [
  {
    id: 'module-loaded-remark',
    pattern: /^famfs_module_loaded: (?:YES|NO)$/m,
    commands: byDevice,
    meaning: 'famfs says whether its kernel module is loaded',
    reason: 'information',
    remedy: 'Nothing is to be done.',
  },
  {
    id: 'module-hint',
    pattern: /^famfs mount: try 'sudo modprobe famfs'$/m,
    commands: byDevice,
    meaning: 'famfs suggests how to load its kernel module',
    reason: 'information',
    remedy: 'Nothing is to be done.',
  },
  {
    id: 'modprobe-error',
    pattern: /^modprobe: ERROR: .+$/m,
    commands: byDevice,
    meaning: 'modprobe says why a kernel module could not be loaded',
    reason: 'information',
    remedy: 'Read it together with what famfs says after it.',
  },
  {
    id: 'mount-parameters',
    pattern: /^daxdev=.*, mpt=.*$/m,
    commands: byDevice,
    meaning: 'famfs repeats what it mounts and where',
    reason: 'information',
    remedy: 'Nothing is to be done.',
  },
  {
    id: 'umount-retry',
    pattern: /^famfs_umount: retry \d+$/m,
    commands: byDevice,
    meaning: 'famfs tries again to give up a mount',
    reason: 'information',
    remedy: 'Nothing is to be done.',
  },
  {
    id: 'unmounting',
    pattern:
      /^(?:famfs_mount_fuse: unmounting due to error|famfs mount: err -?\d+ from mkmeta; unmounting)$/m,
    commands: byDevice,
    meaning: mounting,
    reason: 'information',
    remedy: 'Read it together with the other lines.',
  },
  {
    id: 'umount-failed',
    pattern: /^\w+: umount failed for (?<mountPoint>.+) \(errno=(?<errno>\d+)\)$/m,
    commands: byDevice,
    meaning:
      'famfs could not give up its mount on {mountPoint}: errno 16 leaves it, errno 22 means there was none',
    reason: 'information',
    remedy: 'Unmount {mountPoint} if it is mounted.',
  },
  {
    id: 'dummy-mount-failed',
    pattern: /^\w+: dummy mount failed for (?<device>\S+)(?: at (?<dummyMount>\S+))?$/m,
    commands: byDevice,
    meaning: 'the mount that famfs makes below /tmp to reach the device {device} did not come up',
    reason: 'information',
    remedy: 'Read it together with the lines before it.',
  },
  {
    id: 'mount-step-failed',
    pattern: /^famfs_mount_fuse: failed to (?:mmap superblock file|play the log)$/m,
    commands: byDevice,
    meaning: mounting,
    reason: 'information',
    remedy: 'Read it together with the lines before it.',
  },
  {
    id: 'mount-fail-remark',
    pattern: /^mount fail\n: (?<problem>.+)$/m,
    commands: byDevice,
    meaning: 'mount(2) failed: {problem}',
    reason: 'information',
    remedy: 'Read it together with the line before it.',
  },
  {
    id: 'driver-hint',
    pattern: /^Re-run with --set-daxmode to switch drivers:$/m,
    commands: byDevice,
    meaning: 'famfs suggests how to switch the driver of the device',
    reason: 'information',
    remedy: 'Nothing is to be done.',
  },
];
