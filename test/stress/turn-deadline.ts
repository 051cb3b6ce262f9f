// A deadline in turns of the event loop: however busy the machine is, as much can happen before it.
import { DriverError } from '../../src/errors.ts';

export interface Deadline {
  readonly signal: AbortSignal;
  /** The caller goes away at the deadline, and the work may go on. */
  limit<T>(work: Promise<T>): Promise<T>;
  end(): void;
}

/** @param turnCount how many turns of the event loop until it is over */
export function deadlineAfter(turnCount: number): Deadline {
  const abort = new AbortController();
  const { promise: over, reject } = Promise.withResolvers<never>();
  over.catch(() => undefined);
  let left = turnCount;
  let next: NodeJS.Immediate;
  const turn = (): void => {
    if (left-- > 0) {
      next = setImmediate(turn);
      return;
    }
    const error = new DriverError('deadline-exceeded', 'the time is over');
    abort.abort(error);
    // Whoever heeds the signal answers by itself, with how far it is.
    next = setImmediate(() => {
      next = setImmediate(() => reject(error));
    });
  };
  next = setImmediate(turn);
  return {
    signal: abort.signal,
    limit: (work) => {
      work.catch(() => undefined);
      return Promise.race([work, over]);
    },
    end: () => clearImmediate(next),
  };
}
