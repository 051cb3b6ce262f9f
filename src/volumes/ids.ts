// The names of things as types of their own, so that one cannot be passed for another.

declare const brand: unique symbol;

/** What the orchestrator calls a volume; opaque to us. */
export type VolumeId = string & { readonly [brand]: 'VolumeId' };

/** The UUID in a pool's superblock, in lower case. */
export type PoolUuid = string & { readonly [brand]: 'PoolUuid' };

/** A directory in a pool, relative to its root: never the root itself, never famfs's own .meta. */
export type PoolPath = string & { readonly [brand]: 'PoolPath' };

/** An absolute path on this node where a volume appears to a pod. */
export type TargetPath = string & { readonly [brand]: 'TargetPath' };
