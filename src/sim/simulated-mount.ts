// The record that a simulated node keeps of each of its mounts, so that a command can find from a path what the
// real famfs asks the kernel or the daemon. Knows the mount table, never FUSE.
//
// Signatures (bodies follow):
//   findMount(node, absolutePath): FoundMount | undefined     by the caller's own mount table; never touches the path itself
//   findMountsOfDevice(node, devicePath): FoundMount[]         every line of the caller's table that shows the device
//   readMountRecord(node, deviceNumber) / writeMountRecord / removeMountRecord

/** A mount of a device on a simulated node. */
export interface SimulatedMount {
  readonly nodeRoot: string;
  /** Name on the node, e.g. `dax0.0`. */
  readonly deviceName: string;
  /** What the mount table shows as source: the path that `famfs mount` was given. */
  readonly source: string;
  readonly deviceDirectory: string;
  readonly mode: 'fuse' | 'standalone';
  readonly presentation: 'fuse' | 'views';
  /** Absolute, as seen in the mount namespace of the daemon. */
  readonly mountPoint: string;
  /** In standalone mode a hidden one below NODE/run, in fuse mode what --shadow or the default says. */
  readonly shadow: string;
  /** Views: the directory with the hard links; else null. */
  readonly viewDirectory: string | null;
  /** The daemon. */
  readonly pid: number;
  /** The device was held by another mount: everything reads as EIO (fuse mode's status 99 state). */
  readonly broken: boolean;
  /** `major:minor` of the mount, as in mountinfo. */
  readonly deviceNumber: string;
}

/** A line of the mount table together with the record it belongs to. */
export interface FoundMount {
  readonly mount: SimulatedMount;
  /** Where this line mounts it (another place than `mount.mountPoint` for a bind). */
  readonly mountPoint: string;
  /** Which directory of the file system this line shows: '/' for the whole. A bind of a subdirectory has no `.meta`. */
  readonly rootWithin: string;
}
