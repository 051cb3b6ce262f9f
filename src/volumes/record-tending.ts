// Looks after records now and then (record-upkeep.ts), where no reconciler does: on a host without Kubernetes.
import { DriverError } from '../errors.ts';
import { WokenLoop } from '../pace/woken-loop.ts';
import type { Pools } from './pool-facts.ts';
import { tendRecords } from './record-upkeep.ts';
import type { VolumeRecords } from './volume-records.ts';
import type { MakerLog } from './work-reports.ts';

const intervalMs = 30_000;

export class RecordTending {
  readonly #loop: WokenLoop;

  constructor({
    records,
    pools,
    log,
  }: {
    readonly records: VolumeRecords;
    readonly pools: Pools;
    readonly log: MakerLog;
  }) {
    this.#loop = new WokenLoop({
      round: async () => {
        await tendRecords(records, pools);
        return intervalMs;
      },
      failed: (error) => {
        const { reason, message } = DriverError.from(error);
        log.warn('records cannot be looked after', { reason, problem: message });
        return intervalMs;
      },
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** Looks now: pools have come or changed. */
  look(): void {
    this.#loop.wake();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }
}
