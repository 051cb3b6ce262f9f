// The bounds that both transports keep. Knows nothing of either.

/** Of one encoded message. */
export const maximumMessageBytes = 4 * 1024 * 1024;
/** Calls that one connection may have in flight. */
export const maximumCallsPerConnection = 1000;
/** How long a server may take to answer a ping. */
export const keepaliveTimeoutMs = 5000;
