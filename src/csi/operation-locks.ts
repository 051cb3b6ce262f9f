// One operation at a time per volume and per target: the second is told to come again (ABORTED) instead of queued,
// since its caller retries anyway. Knows no operation.
import { DriverError } from '../errors.ts';
import type { TargetPath, VolumeId } from '../volumes/ids.ts';

/** The volumes and targets that a call is changing now. */
export class OperationLocks {
  readonly #busy = new Set<string>();

  /**
   * Runs the work unless another works on the same volume or target.
   * @throws {DriverError} operation-pending
   */
  async run<T>(volumeId: VolumeId, target: TargetPath, work: () => Promise<T>): Promise<T> {
    const keys = [`volume ${volumeId}`, `target ${target}`];
    const taken = keys.find((key) => this.#busy.has(key));
    if (taken !== undefined) {
      throw new DriverError(
        'operation-pending',
        `another call for ${taken} is still running; repeat this one in a moment`,
      );
    }
    for (const key of keys) this.#busy.add(key);
    try {
      return await work();
    } finally {
      for (const key of keys) this.#busy.delete(key);
    }
  }
}
