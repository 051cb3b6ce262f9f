// The clock that deadlines are kept by. Knows no deadline.

/**
 * Milliseconds since 1970 as this process counts them: they go on evenly when somebody sets the clock of the machine, so
 * a deadline stays as far away as it was. Not for showing, nor for another process.
 */
export function steadyNowMs(): number {
  return performance.timeOrigin + performance.now();
}
