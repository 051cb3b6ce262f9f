// The bounds that both transports keep. Knows nothing of either.

/** Of one encoded answer. */
export const maximumMessageBytes = 4 * 1024 * 1024;
/**
 * Of one encoded request. The largest that CSI allows (three maps of 4 KiB, two paths, mount flags) are a fourth of it; a
 * request that has begun is kept in memory, so this bounds what callers can make a process hold.
 */
export const maximumRequestBytes = 256 * 1024;
/** Calls that one connection of frames may have in flight: it carries all calls of a process. */
export const maximumCallsPerConnection = 1000;
/** Of these, calls that are answered with a stream: each is open for long, and a process needs one. */
export const maximumFrameStreamsPerConnection = 16;
/** Calls in flight on one connection of gRPC, whose callers have a connection for each call (kubelet) or call little (sidecars). */
export const maximumStreamsPerConnection = 64;
/** How long a server may take to answer a ping. */
export const keepaliveTimeoutMs = 5000;
