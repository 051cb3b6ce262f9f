// How long to wait after failures, so that those who failed together do not come back together. Knows no work.

export interface BackOff {
  /** The least that is waited the first time. */
  readonly firstBackOffMs: number;
  readonly longestBackOffMs: number;
}

/** Between half of the limit and all of it; the limit doubles with every failure, and half of it is the first wait. */
export function backOffMs(failures: number, { firstBackOffMs, longestBackOffMs }: BackOff): number {
  const limit = Math.min(longestBackOffMs, 2 * firstBackOffMs * 2 ** Math.min(failures, 30));
  return Math.round(limit / 2 + (Math.random() * limit) / 2);
}
