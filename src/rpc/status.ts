// Which gRPC status a reason becomes, and the way back. The compiler holds the table complete; docs/errors.md
// repeats it for people and a test compares the two.
import { type Metadata, status } from '@grpc/grpc-js';
import { DriverError, isReason, type Reason } from '../errors.ts';

/** The trailing metadata key in which the mounter's service hands its callers the reason itself. */
export const reasonTrailer = 'famfs-reason';

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
  'exists-differently': status.ALREADY_EXISTS,
  'out-of-space': status.RESOURCE_EXHAUSTED,
  'log-full': status.RESOURCE_EXHAUSTED,
  'path-too-long': status.INVALID_ARGUMENT,
  'already-formatted': status.FAILED_PRECONDITION,
  'kernel-unsupported': status.FAILED_PRECONDITION,
  'famfs-missing': status.FAILED_PRECONDITION,
  'famfs-unsupported': status.FAILED_PRECONDITION,
  'permission-missing': status.FAILED_PRECONDITION,
  'device-unsuitable': status.FAILED_PRECONDITION,
  'command-failed': status.INTERNAL,
  'command-rejected': status.FAILED_PRECONDITION,
  'resource-exhausted': status.RESOURCE_EXHAUSTED,
  'target-busy': status.FAILED_PRECONDITION,
  'mounter-unavailable': status.UNAVAILABLE,
  'socket-refused': status.FAILED_PRECONDITION,
  'shutting-down': status.UNAVAILABLE,
  'deadline-exceeded': status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  'dependency-missing': status.FAILED_PRECONDITION,
  'config-invalid': status.FAILED_PRECONDITION,
  internal: status.INTERNAL,
} as const satisfies Record<Reason, status>;

/** The gRPC code of a reason, by its canonical name, such as NOT_FOUND. */
export function statusNameOf(reason: Reason): string {
  return status[statusOfReason[reason]];
}

/** Reasons a client can tell from the code alone, when the server did not name one. */
const reasonOfStatus: Partial<Record<status, Reason>> = {
  [status.CANCELLED]: 'cancelled',
  [status.INVALID_ARGUMENT]: 'invalid-argument',
  [status.DEADLINE_EXCEEDED]: 'deadline-exceeded',
  [status.RESOURCE_EXHAUSTED]: 'resource-exhausted',
  [status.UNIMPLEMENTED]: 'unimplemented',
};

/** What a failed call looks like on grpc-js's client side. */
export interface CallFailure {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/**
 * A failed call as the error it was on the other side: the reason from the trailing metadata, else from the code.
 * `unavailableReason` is what an unreachable server means to this caller.
 */
export function errorOfStatus(failure: CallFailure, unavailableReason: Reason, service: string): DriverError {
  const [named] = failure.metadata.get(reasonTrailer);
  if (typeof named === 'string' && isReason(named)) return new DriverError(named, failure.details);
  const reason =
    failure.code === status.UNAVAILABLE ? unavailableReason : (reasonOfStatus[failure.code] ?? 'internal');
  return new DriverError(reason, `${service}: ${failure.details}`, { cause: failure });
}
