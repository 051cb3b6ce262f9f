// What the API server's refusals mean for the driver. Knows statuses and their bodies, no kind of object.
import { STATUS_CODES } from 'node:http';
import { DriverError, type Reason } from '../errors.ts';

/** The part of meta/v1 Status that this driver reads. */
interface StatusBody {
  readonly message: string;
  readonly reason: string;
}

const longestMessage = 1000;

const adviceOf: Partial<Record<Reason, string>> = {
  'api-forbidden': 'Compare the roles and policies of the cluster with those of this version of the driver.',
  'api-invalid': 'Make sure that the CRDs in the cluster are of the same version as the driver.',
};

/**
 * An answer that is no success, as an error. `what` says what was asked for, such as `update famfsvolumes "pvc-1"`. The
 * HTTP status and the server's own reason (`Conflict`, `AlreadyExists`, `Expired` …) are in the details.
 */
export function failureOfAnswer(what: string, status: number, body: string): DriverError {
  const { message, reason: statusReason } = statusBody(body);
  const reason = reasonOf(status, statusReason);
  const name = `${status} ${STATUS_CODES[status] ?? ''}`.trim();
  const sentence = `The API server refused to ${what} (${name}): ${message.slice(0, longestMessage)}`;
  const advice = adviceOf[reason];
  return new DriverError(reason, advice === undefined ? sentence : `${withStop(sentence)} ${advice}`, {
    details: { status, statusReason },
  });
}

/** A request that got no answer, as an error. */
export function failureOfConnection(what: string, error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  const text = error instanceof Error ? error.message || error.name : String(error);
  return new DriverError(
    'api-unavailable',
    `The API server did not answer when asked to ${what}: ${text}. The request is repeated; check the API server and the network.`,
    { cause: error },
  );
}

/** The HTTP status that an error of the API server came from; undefined for everything else. */
export function statusOf(error: unknown): number | undefined {
  const status = error instanceof DriverError ? error.details.status : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** Whether a version that was named is too old for the server to go on from (410, or an `Expired` in a stream). */
export function isExpired(error: unknown): boolean {
  return statusOf(error) === 410;
}

function reasonOf(status: number, statusReason: string): Reason {
  if (status === 401 || status === 403) return 'api-forbidden';
  // Somebody made it first, changed it first, or removed it: who reads again sees which.
  if (status === 409 || (status === 404 && statusReason === 'NotFound')) return 'record-conflict';
  // A kind that is not served may be installed at any moment; 408, 410 and 429 pass as well.
  if (status === 404 || status === 408 || status === 410 || status === 429 || status >= 500) {
    return 'api-unavailable';
  }
  return 'api-invalid';
}

function statusBody(body: string): StatusBody {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) {
      const reason = 'reason' in parsed ? parsed.reason : '';
      return { message: String(parsed.message), reason: typeof reason === 'string' ? reason : '' };
    }
  } catch {
    // Proxies and the server's own front end answer in plain text.
  }
  return { message: body.trim() === '' ? 'no explanation was given' : body.trim(), reason: '' };
}

function withStop(sentence: string): string {
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
