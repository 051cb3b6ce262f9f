// Errors as plain data, for logs.

/** An error as plain data: name, message, reason and details when it has them, stack, and its causes likewise. */
export function serialiseError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return typeof error === 'bigint' ? String(error) : error;
  const result: Record<string, unknown> = { name: error.name, message: error.message };
  const { reason, code, details } = error as { reason?: unknown; code?: unknown; details?: unknown };
  if (reason !== undefined) result.reason = reason;
  if (code !== undefined) result.code = code;
  if (isFilledObject(details)) result.details = details;
  result.stack = error.stack;
  if (error.cause !== undefined && depth < 5) result.cause = serialiseError(error.cause, depth + 1);
  return result;
}

function isFilledObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}
