// Starts the daemon behind a simulated mount and waits until the mount answers. Knows how to start it, not what it does.
//
// Signature (body follows):
//   spawnDaemon(options): Promise<SimulatedMount>
//     The daemon is detached and outlives its parent; the promise settles when INIT was answered (or the view is bound).
//     Throws DriverError 'pool-held-elsewhere' (standalone: EBUSY, errno 16), 'permission-missing', 'famfs-unsupported', …
//     fuse mode with a held device resolves with mount.broken = true: `.meta/.superblock` then reads EIO.

export interface SpawnDaemonOptions {
  readonly nodeRoot: string;
  /** Name on the node, e.g. `dax0.0`. */
  readonly deviceName: string;
  /** The source the mount table shall show: the path that the command was given. */
  readonly source: string;
  /** Absolute, an existing directory. */
  readonly mountPoint: string;
  /** fuse: an existing directory with an empty `root` (createShadow). standalone: leave it out. */
  readonly shadow?: string;
  readonly mode: 'fuse' | 'standalone';
  /** Attribute and entry timeout in seconds; default one year. */
  readonly timeoutSeconds?: number;
  /** Default true (`-u` of famfs mount leaves it out). */
  readonly allowOther?: boolean;
  /** Default true (`-p` of famfs mount leaves it out). */
  readonly defaultPermissions?: boolean;
}
