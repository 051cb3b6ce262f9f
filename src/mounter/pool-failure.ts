// What an error says about a pool, as far as the pool has to act on it. Knows no pool.
import { DriverError, type Reason } from '../errors.ts';
import type { PoolPhase } from './pool-state.ts';
import { logUnreadMark } from './pool-verbs.ts';

/** Problems that end with the mount: it must be taken down and made again. */
const needsNewMount: ReadonlySet<string> = new Set([
  'pool-dead',
  'pool-memory-failed',
  'pool-reformatted',
  'pool-not-ready',
  // Nothing of the pool is in the memory; what formats it needs the device.
  'superblock-refused',
]);

/** Failures of a call that say something about the pool and not about the call. */
const poolFailures: ReadonlySet<string> = new Set([...needsNewMount, 'pool-hung']);

/** Whether only a new mount helps. */
export function endsWithMount(error: unknown): boolean {
  return needsNewMount.has(DriverError.from(error).reason);
}

/** Whether the pool is unusable, and not just what was asked of it. */
export function isPoolFailure(error: unknown): boolean {
  return error instanceof DriverError && poolFailures.has(error.reason) && !isLogUnread(error);
}

/** Whether a worker says that it is a new one and has not read the log. */
export function isLogUnread(error: unknown): boolean {
  return error instanceof DriverError && error.details[logUnreadMark] === true;
}

/** What is said of a pool whose device is there and whose mount is not, for no reason that is known. */
export function notMounted(poolUuid: string): DriverError {
  return new DriverError('pool-not-ready', `Pool ${poolUuid} is on this node but not mounted yet.`);
}

/** A log that is refused is handed back: what it held before still serves, only new paths do not. */
export async function orRefusal(work: Promise<void>): Promise<DriverError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof DriverError && error.reason === 'log-refused') return error;
    throw error;
  }
}

export function notMaster(poolUuid: string): DriverError {
  return new DriverError(
    'not-master',
    `This node is a client of pool ${poolUuid}; files are created on the node that formatted it.`,
  );
}

/** Whether a replay may help: the log may have moved since it was read, or was not read by this worker. */
export function isMendedByReplay(error: unknown): boolean {
  if (!(error instanceof DriverError)) return false;
  return error.reason === 'path-not-found' || error.reason === 'path-not-visible' || isLogUnread(error);
}

/** What becomes of a pool that failed. A device that does not carry it any more is free for another one. */
export function phaseAfter(reason: Reason, isMounted: boolean): PoolPhase {
  if (isMounted) return 'unhealthy';
  return isGone(reason) ? 'lost' : 'found';
}

/** Whether it says that the memory was read and is another pool's, or no pool's. */
export function isGone(reason: string | undefined): boolean {
  return reason === 'pool-reformatted' || reason === 'superblock-refused';
}
