// How a worker process and the mounter put a result or an error into a message. Both sides use this file.
import { DriverError, type ErrorDetails, type Reason } from '../errors.ts';
import { SyscallError } from '../linux/syscall-error.ts';

export type WorkerAnswer =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      readonly reason: Reason;
      readonly message: string;
      readonly details: ErrorDetails;
      readonly stack: string;
    };

/** Runs a verb in the worker and turns whatever happens into a message. */
export async function answerOf(work: () => unknown): Promise<WorkerAnswer> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    const cause = error instanceof SyscallError ? { syscall: error.syscall, code: error.code } : {};
    const { reason, message, details, stack } = DriverError.from(error);
    return { ok: false, reason, message, details: { ...cause, ...details }, stack: stack ?? '' };
  }
}

/** The value of a worker's answer in the mounter, or its error thrown there. */
export function valueOrThrow(answer: WorkerAnswer): unknown {
  if (answer.ok) return answer.value;
  throw new DriverError(answer.reason, answer.message, { details: answer.details, cause: answer.stack });
}
