// The one error class of the driver and the closed set of reasons it can carry. Knows nothing of gRPC, famfs
// or Kubernetes: src/rpc/status.ts turns a reason into a gRPC status, docs/errors.md tells a person what to do.

/** Every reason the driver can give for not doing what it was asked, with what it means. */
export const reasons = {
  // what was asked
  'invalid-argument': 'a field of the request is missing, malformed or not supported',
  'outside-allowed-root': 'the target path is not below a folder the node is configured to publish into',
  'target-unusable': 'the target path, or its parent, is not the directory it has to be',
  'already-published': 'the target holds the same volume published in another way, or another volume',
  'not-published': 'the volume is not published at that path',
  'second-target-refused': 'the access mode allows one target on this node and there is one already',
  'writes-refused': 'a writable publish was asked for where the node or the volume does not allow it',
  'inline-refused': 'a pod asked for an inline volume, which only datasets will serve',
  'operation-pending': 'another call for the same volume or target is still running',
  unimplemented: 'the call is not one this driver offers',
  // the pool
  'pool-not-found': 'no device of this node carries the pool',
  'pool-not-ready': 'the pool is on this node but its mount is not finished',
  'pool-dead': 'the famfs daemon of the pool has gone and its mount answers nothing any more',
  'pool-hung': 'the mount of the pool does not answer in time',
  'pool-memory-failed': 'the memory of the pool cannot be read',
  'pool-released': 'the pool was taken down on this node on request and is kept so',
  'pool-reformatted': 'the memory holds another file system than the one that was mounted or named',
  'pool-held-elsewhere': 'another mount on this machine, perhaps in another namespace, holds the device',
  'pool-busy': 'another famfs command on the pool holds its lock',
  'pool-in-use': 'the pool cannot be unmounted while something still uses it',
  'superblock-refused': 'the superblock is missing, damaged or of another version',
  'log-refused': 'the log of the pool holds an entry that must not be trusted',
  'path-not-found': 'the path is not in the log of the pool',
  'path-not-visible': 'the path is in the log but this node cannot open it as logged',
  'path-not-directory': 'the path names a file where a directory is needed',
  // making things in a pool
  'not-master': 'only the master node of a pool can create files in it',
  'name-taken': 'this node shows a name that is not in the log of the pool, and cannot be made again',
  'exists-differently': 'a file or directory of that name exists with another size or type',
  'out-of-space': 'no free run of the pool is long enough',
  'log-full': 'the log of the pool has no entry left',
  'path-too-long': 'the path is longer than the 78 bytes that famfs can log',
  'format-refused': 'this node does not allow what was asked for to be formatted',
  'device-not-found': 'this node has no device of that name',
  'device-not-empty': 'the device carries a famfs file system already',
  'device-in-use': 'a process has the device open',
  'master-away': 'no node that could create files in the pool reports',
  'two-masters': 'several nodes say that they are the master of the pool',
  // volumes that are provisioned
  'volume-not-found': 'no volume has that id',
  'volume-exists': 'the name belongs to a volume of another size or kind',
  'volume-in-use': 'a node still has the volume published',
  'size-out-of-range': 'no size that famfs can allocate lies within the range that was asked for',
  'page-token-refused': 'the token for the next page of a list is not one that was handed out',
  'record-conflict': 'the record of a volume was changed by somebody else meanwhile',
  // the API server
  'api-unavailable': 'the API server does not answer, answers too late, or is too busy',
  'api-forbidden': 'the API server does not let this process do what it must',
  'api-invalid': 'the API server does not accept an object or a request of this driver',
  // the node
  'kernel-unsupported': 'the kernel lacks something that the driver needs',
  'famfs-missing': 'the famfs programs are not installed where the driver looks',
  'famfs-unsupported': 'the kernel cannot serve famfs in the chosen mode',
  'permission-missing': 'the process lacks a capability or a device that it needs',
  'device-unsuitable': 'the device is missing, too small, or bound to a driver that famfs cannot use',
  'command-failed': 'a famfs command failed in a way that is not in the catalogue',
  'command-rejected': 'the installed famfs does not know an option that the driver passed',
  'resource-exhausted': 'the node ran out of descriptors, processes, memory or mounts',
  'target-busy': 'the target cannot be unmounted',
  'state-unusable': 'the notes about binds cannot be written',
  // the process
  'mounter-unavailable': 'the mounter does not answer on its socket',
  'mounter-outdated': 'the mounter is of an older version, which does not know what was asked for',
  'socket-refused': 'the path of a socket is taken by something that is not ours',
  'shutting-down': 'the process is stopping and takes no new calls',
  'deadline-exceeded': 'the work did not finish in the time the caller gave',
  cancelled: 'the caller withdrew the call',
  'dependency-missing': 'something on the node that the driver needs to do its work is not there',
  'config-invalid': 'the configuration holds mistakes',
  internal: 'something the driver did not expect; its log has the details',
} as const;

export type Reason = keyof typeof reasons;

/** Tells whether a text is one of the driver's reasons. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(reasons, text);
}

/** Facts about a failure that belong into a log line, next to the message. */
export type ErrorDetails = Readonly<Record<string, string | number | bigint | boolean>>;

/**
 * The error of the driver. `message` is a sentence for a person: what happened, to what, why, and what to do.
 * `reason` is what code decides by. An unknown error that led here is kept as `cause`.
 */
export class DriverError extends Error {
  override readonly name = 'DriverError';
  readonly reason: Reason;
  readonly details: ErrorDetails;

  constructor(reason: Reason, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.details = options.details ?? {};
  }

  /**
   * Anything caught, as a DriverError, with what it was as the cause. A call of the kernel that met a limit of the node
   * is `resource-exhausted`, whoever made it and whatever for; everything else that is unknown becomes `internal`.
   */
  static from(error: unknown): DriverError {
    if (error instanceof DriverError) return error;
    const message = error instanceof Error ? error.message : String(error);
    const limit = exhaustedLimit(error);
    if (limit === undefined) return new DriverError('internal', message, { cause: error });
    const sentence = `The node has no more ${limit}: ${message}. Raise that limit, or end what uses it up.`;
    return new DriverError('resource-exhausted', sentence, { cause: error });
  }
}

/** Whether a conditional write lost: somebody else was quicker. */
export function isRecordConflict(error: unknown): error is DriverError {
  return error instanceof DriverError && error.reason === 'record-conflict';
}

/** What an errno says there is no more of (errno(3)), where it says that in every call. */
const limits: Readonly<Record<string, string>> = {
  EMFILE: 'file descriptors for this process (RLIMIT_NOFILE)',
  ENFILE: 'open files (fs.file-max)',
  ENOMEM: 'memory',
  EDQUOT: 'room in the disk quota',
  ENOSPC: 'room on the disk',
};

/** Node has no name for EDQUOT. */
const namelessErrors: Readonly<Record<number, string>> = { [-122]: 'EDQUOT' };

/** ENOSPC of a call that makes mounts is about those of the mount namespace (mount_namespaces(7)). */
const mountCalls: ReadonlySet<string> = new Set(['mount', 'move_mount', 'open_tree', 'mount_setattr']);

/**
 * Which limit of the node a failed call of the kernel has met, in words for a person; undefined when it failed for
 * another reason. Takes any error that carries `code` and `syscall`, as Node's own and SyscallError do.
 */
export function exhaustedLimit(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  const { syscall } = error;
  const named = 'errno' in error && typeof error.errno === 'number' ? namelessErrors[error.errno] : undefined;
  const code = named ?? error.code;
  if (typeof code !== 'string' || typeof syscall !== 'string') return undefined;
  if (code === 'EAGAIN' && /^spawn\b/.test(syscall))
    return 'processes (the PID limit of the control group, or RLIMIT_NPROC)';
  if (code === 'ENOSPC' && mountCalls.has(syscall)) return 'mounts in this mount namespace (fs.mount-max)';
  return Object.hasOwn(limits, code) ? limits[code] : undefined;
}
