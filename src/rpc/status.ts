// Which gRPC status a reason becomes, and the way back. The compiler holds the table complete; docs/errors.md
// repeats it for people and a test compares the two.
import { printableLines } from '../errors/printable.ts';
import { DriverError, isReason, type Reason } from '../errors.ts';
import { nameOfStatusCode, type StatusCode, statusCode as status } from './status-code.ts';

/** More than a person reads, and what fits in an HTTP/2 header (8 KiB at some peers) after percent-encoding. */
const maximumMessageBytes = 2000;

/** The codes follow the error tables of CSI 1.13 (spec.md, "Error Scheme" and each call's own table). */
export const statusOfReason = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'outside-allowed-root': status.INVALID_ARGUMENT,
  'target-unusable': status.FAILED_PRECONDITION,
  'already-published': status.ALREADY_EXISTS,
  'not-published': status.NOT_FOUND,
  'second-target-refused': status.FAILED_PRECONDITION,
  'writes-refused': status.FAILED_PRECONDITION,
  'inline-refused': status.INVALID_ARGUMENT,
  'operation-pending': status.ABORTED,
  unimplemented: status.UNIMPLEMENTED,
  'pool-not-found': status.NOT_FOUND,
  'pool-not-ready': status.UNAVAILABLE,
  'pool-dead': status.UNAVAILABLE,
  'pool-hung': status.UNAVAILABLE,
  'pool-memory-failed': status.UNAVAILABLE,
  'pool-released': status.UNAVAILABLE,
  'pool-reformatted': status.FAILED_PRECONDITION,
  'pool-held-elsewhere': status.UNAVAILABLE,
  'pool-busy': status.ABORTED,
  'pool-in-use': status.FAILED_PRECONDITION,
  'superblock-refused': status.FAILED_PRECONDITION,
  'log-refused': status.FAILED_PRECONDITION,
  'path-not-found': status.NOT_FOUND,
  'path-not-visible': status.UNAVAILABLE,
  'path-not-directory': status.INVALID_ARGUMENT,
  'not-master': status.FAILED_PRECONDITION,
  'name-taken': status.UNAVAILABLE,
  'exists-differently': status.ALREADY_EXISTS,
  'out-of-space': status.RESOURCE_EXHAUSTED,
  'log-full': status.RESOURCE_EXHAUSTED,
  'path-too-long': status.INVALID_ARGUMENT,
  'format-refused': status.FAILED_PRECONDITION,
  'device-not-found': status.NOT_FOUND,
  'device-not-empty': status.FAILED_PRECONDITION,
  'device-in-use': status.FAILED_PRECONDITION,
  'master-away': status.UNAVAILABLE,
  'two-masters': status.FAILED_PRECONDITION,
  'volume-not-found': status.NOT_FOUND,
  'volume-exists': status.ALREADY_EXISTS,
  'volume-in-use': status.FAILED_PRECONDITION,
  'size-out-of-range': status.OUT_OF_RANGE,
  'page-token-refused': status.ABORTED,
  'record-conflict': status.ABORTED,
  'api-unavailable': status.UNAVAILABLE,
  // A permission can be given at any time; the provisioner would take a final code to mean that nothing was begun.
  'api-forbidden': status.UNAVAILABLE,
  'api-invalid': status.FAILED_PRECONDITION,
  'kernel-unsupported': status.FAILED_PRECONDITION,
  'famfs-missing': status.FAILED_PRECONDITION,
  'famfs-unsupported': status.FAILED_PRECONDITION,
  'permission-missing': status.FAILED_PRECONDITION,
  'device-unsuitable': status.FAILED_PRECONDITION,
  'command-failed': status.INTERNAL,
  'command-rejected': status.FAILED_PRECONDITION,
  'resource-exhausted': status.RESOURCE_EXHAUSTED,
  'target-busy': status.FAILED_PRECONDITION,
  'state-unusable': status.UNAVAILABLE,
  'mounter-unavailable': status.UNAVAILABLE,
  'mounter-outdated': status.FAILED_PRECONDITION,
  'socket-refused': status.FAILED_PRECONDITION,
  'shutting-down': status.UNAVAILABLE,
  'deadline-exceeded': status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  'dependency-missing': status.FAILED_PRECONDITION,
  'config-invalid': status.FAILED_PRECONDITION,
  internal: status.INTERNAL,
} as const satisfies Record<Reason, StatusCode>;

/** The gRPC code of a reason, by its canonical name, such as NOT_FOUND. */
export function statusNameOf(reason: Reason): string {
  return nameOfStatusCode(statusOfReason[reason]);
}

/** The message of an error as it is sent to a caller, who will show it to people: what cannot be seen is escaped. */
export function messageOf(error: DriverError): string {
  const message = printableLines(error.message.slice(0, maximumMessageBytes));
  const bytes = Buffer.from(message);
  if (bytes.length <= maximumMessageBytes) return message;
  // A character that was cut in two ends as U+FFFD.
  return bytes.toString('utf8', 0, maximumMessageBytes).replace(/\ufffd$/, '');
}

/** Reasons a client can tell from the code alone, when the server named none that it knows. */
const reasonOfStatus: Partial<Record<number, Reason>> = {
  [status.CANCELLED]: 'cancelled',
  [status.INVALID_ARGUMENT]: 'invalid-argument',
  [status.DEADLINE_EXCEEDED]: 'deadline-exceeded',
  [status.RESOURCE_EXHAUSTED]: 'resource-exhausted',
  [status.UNIMPLEMENTED]: 'unimplemented',
};

/** What a failed call left behind at its caller, whatever carried it. */
export interface CallFailure {
  readonly code: number;
  readonly message: string;
  /** What the server named, which may be newer than this program. */
  readonly reason: string | undefined;
  /** What the transport reported, when it did. */
  readonly cause?: unknown;
}

/**
 * A failed call as the error it was on the other side: the reason that came along, else what the code tells.
 * `unavailableReason` is what an unreachable server means to this caller.
 */
export function errorOfFailure(
  { code, message, reason, cause }: CallFailure,
  unavailableReason: Reason,
  service: string,
): DriverError {
  if (reason !== undefined && isReason(reason)) return new DriverError(reason, message);
  const known = code === status.UNAVAILABLE ? unavailableReason : (reasonOfStatus[code] ?? 'internal');
  return new DriverError(known, `${service}: ${message}`, { cause });
}
