// How a superblock or a log is refused: which entry, which field, for what reason, in the message and in the details.
// Must not know how any of them is laid out.
import { DriverError } from '../errors.ts';

/** A refusal as data. `entry` is the number of the log entry (from 0), or null where none is to blame. */
export interface Refusal {
  readonly entry: number | null;
  readonly field: string;
  readonly reason: string;
}

/** A refused superblock: DriverError `superblock-refused`, details `{field, reason}`, the field as "superblock …". */
export function superblockRefusal(field: string, reason: string): DriverError {
  return new DriverError(
    'superblock-refused',
    `The superblock is refused: its ${field} ${reason}. Compare the device with the one that was formatted.`,
    { details: { field: `superblock ${field}`, reason } },
  );
}

/**
 * A refused log: DriverError `log-refused`, details `{entry?, field, reason, notYet}`. `notYet` tells that the damage
 * looks like an append of the master that is still under way (famfs reference 2: entry and header are not written
 * atomically), so that reading again later may well succeed.
 */
export function logRefusal(
  entry: number | undefined,
  field: string,
  reason: string,
  options: { notYet?: boolean; cause?: unknown } = {},
): DriverError {
  const notYet = options.notYet ?? false;
  const where = entry === undefined ? 'The log is refused: the' : `Log entry ${entry} is refused: its`;
  const advice = notYet
    ? 'It may still be on its way from the master: read again.'
    : 'Nothing is replayed or published from this log until it is repaired or the pool is formatted anew.';
  return new DriverError('log-refused', `${where} ${field} ${reason}. ${advice}`, {
    cause: options.cause,
    details: { ...(entry === undefined ? {} : { entry }), field, reason, notYet },
  });
}

/** The refusal that an error stands for, or undefined where the error is about something else. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof DriverError)) return undefined;
  const { entry, field, reason } = error.details;
  if (typeof field !== 'string' || typeof reason !== 'string') return undefined;
  return { entry: typeof entry === 'number' ? entry : null, field, reason };
}

/** Tells whether a refused log is worth reading again, because its tail may still be written to. */
export function isNotYet(error: unknown): boolean {
  return error instanceof DriverError && error.reason === 'log-refused' && error.details.notYet === true;
}
