// Why a famfs command failed that says the same words for several causes: those that can be checked are (famfs-kernel 3).
import type { DriverError } from '../errors.ts';
import { errorOfCause, type Outcome } from '../famfs/outcome.ts';
import { missingCapabilities } from '../linux/capabilities.ts';
import { holdersOfDevice } from './holders.ts';
import type { PoolDevice } from './pool-device.ts';

/** The error to throw for a command on a device that did not succeed. */
export function causeOf(
  outcome: Exclude<Outcome<unknown>, { kind: 'ok' }>,
  device: Pick<PoolDevice, 'path'>,
): DriverError {
  const cause = outcome.causes.find(({ id }) => applies(id, device));
  return cause === undefined ? outcome.error : errorOfCause(outcome.error, cause);
}

function applies(cause: string, device: Pick<PoolDevice, 'path'>): boolean {
  if (cause === 'held-elsewhere') return holdersOfDevice(device.path).length > 1;
  if (cause === 'capability-missing') return missingCapabilities(['CAP_SYS_RAWIO']).length > 0;
  return false;
}
