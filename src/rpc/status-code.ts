// The status codes of gRPC, by name. Knows nothing of what they are used for.

/** As the gRPC specification numbers them (statuscodes.md); the CSI specification speaks of them by name. */
export const statusCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type StatusCode = (typeof statusCode)[keyof typeof statusCode];

const names = new Map<number, string>(Object.entries(statusCode).map(([name, code]) => [code, name]));

/** The canonical name of a code, such as NOT_FOUND. */
export function nameOfStatusCode(code: StatusCode): string {
  return names.get(code) ?? String(code);
}
