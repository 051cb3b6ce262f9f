// One operation at a time for a volume, a target or a name: the second is told to come again (ABORTED) instead of queued, since its caller retries
// anyway. Knows no call.
import { DriverError } from '../errors.ts';

/** What calls are changing now, each thing by a name such as `volume pvc-1`. */
export class OperationLocks {
  readonly #busy = new Set<string>();

  /**
   * Runs the work unless another changes one of the things named.
   * @throws {DriverError} operation-pending
   */
  async run<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const taken = names.find((name) => this.#busy.has(name));
    if (taken !== undefined) {
      throw new DriverError(
        'operation-pending',
        `another call for ${taken} is still running; repeat this one in a moment`,
      );
    }
    for (const name of names) this.#busy.add(name);
    try {
      return await work();
    } finally {
      for (const name of names) this.#busy.delete(name);
    }
  }
}
