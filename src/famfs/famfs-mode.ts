// The two ways a node can serve famfs, and how each is asked for on famfs's command line and in its environment.

/** `standalone`: the kernel module of famfs's own ("v1"). `fuse`: a patched FUSE with the daemon famfs_fused. */
export type FamfsMode = 'standalone' | 'fuse';

/** The option of mkfs.famfs, `famfs mount` and `famfs fsck`. Autodetection fails with FUSE built in (reference 1.2). */
export const modeFlags: Readonly<Record<FamfsMode, string>> = { standalone: '--nofuse', fuse: '--fuse' };

/** The value of FAMFS_MODE, which every other subcommand goes by; case sensitive (reference 1.2). */
export const modeEnvironment: Readonly<Record<FamfsMode, string>> = { standalone: 'v1', fuse: 'fuse' };
