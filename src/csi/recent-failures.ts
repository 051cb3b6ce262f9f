// Remembers what was tried last for volumes that could not be published, so that NodeGetVolumeHealth can look into
// them (the specification asks for volumes the orchestrator "has recently attempted to publish"). Only a hint: it
// may be lost at any time.
import type { PoolPath, PoolUuid, VolumeId } from '../volumes/ids.ts';

export interface FailedPublish {
  readonly poolUuid: PoolUuid;
  readonly path: PoolPath;
}

/** The latest failed publishes, at most so many. */
export class RecentFailures {
  readonly #limit: number;
  // A Map keeps the order of insertion: the first key is the oldest.
  readonly #failed = new Map<VolumeId, FailedPublish>();

  constructor(limit = 1000) {
    this.#limit = limit;
  }

  add(volumeId: VolumeId, attempt: FailedPublish): void {
    this.#failed.delete(volumeId);
    this.#failed.set(volumeId, attempt);
    for (const oldest of this.#failed.keys()) {
      if (this.#failed.size <= this.#limit) break;
      this.#failed.delete(oldest);
    }
  }

  delete(volumeId: VolumeId): void {
    this.#failed.delete(volumeId);
  }

  get(volumeId: VolumeId): FailedPublish | undefined {
    return this.#failed.get(volumeId);
  }
}
