// The mounter's typed handle on a pool's worker process.
import { DriverError } from '../errors.ts';
import type { PoolVerb, PoolVerbs } from './pool-verbs.ts';
import { type StartWorker, SupervisedWorker } from './supervised-worker.ts';

export class PoolWorker {
  readonly #worker: SupervisedWorker;
  readonly #timeoutMs: number;

  /**
   * @param timeoutMs how long a single system call on the mount may take before the mount counts as hung, on a machine that
   *   has a processor for it
   */
  constructor(start: StartWorker, poolUuid: string, timeoutMs: number) {
    this.#worker = new SupervisedWorker(start, `The mount of pool ${poolUuid} does not answer`);
    this.#timeoutMs = timeoutMs;
  }

  /** @throws DriverError as the verb's docstring says, `pool-hung` when no answer comes in time */
  async request<V extends PoolVerb>(
    verb: V,
    request: PoolVerbs[V]['request'],
  ): Promise<PoolVerbs[V]['response']> {
    return (await this.#worker.request({ verb, request }, this.#timeoutMs)) as PoolVerbs[V]['response'];
  }

  /** Looks at the mount. A worker that was killed over it has said nothing of the mount, so the next one is asked, too. */
  async probe(): Promise<PoolVerbs['probe']['response']> {
    try {
      return await this.request('probe', {});
    } catch (error) {
      if (DriverError.from(error).reason !== 'operation-pending') throw error;
      return this.request('probe', {});
    }
  }

  restart(): void {
    this.#worker.restart();
  }

  close(): void {
    this.#worker.close();
  }
}
