// A caller that does nothing wrong, while others do: asks again and again, and keeps how long it had to wait.
import { setTimeout as sleep } from 'node:timers/promises';
import { waitedForProcessorMs } from './patient-calls.ts';

/** What a good caller may have to wait (S8 of the reliability goals), as long as the machine lets caller and server run. */
const limitMs = 1000;
/** When it gives up. */
const patienceMs = 20_000;

export class GoodCaller {
  readonly #call: (timeoutMs: number) => Promise<unknown>;
  readonly #serverPid: number;
  readonly #ended: Promise<void>;
  #stopped = false;
  #calls = 0;
  #longestMs = 0;
  readonly failures: string[] = [];

  /** @param call asks and rejects when there is no answer within `timeoutMs` */
  constructor(serverPid: number, call: (timeoutMs: number) => Promise<unknown>) {
    this.#serverPid = serverPid;
    this.#call = call;
    this.#ended = this.#run();
  }

  get text(): string {
    return `${this.#calls} good calls, the longest ${this.#longestMs.toFixed(0)} ms`;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
    if (this.#calls === 0) this.failures.push('there was not one good call');
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const startedAt = this.#busyMs();
      try {
        await this.#call(patienceMs);
      } catch (error) {
        this.failures.push(String(error));
      }
      const tookMs = this.#busyMs() - startedAt;
      this.#calls += 1;
      this.#longestMs = Math.max(this.#longestMs, tookMs);
      if (tookMs > limitMs) this.failures.push(`a good call took ${tookMs.toFixed(0)} ms`);
      await sleep(20);
    }
  }

  /** A clock that stands still while either side waits for a processor that others have. */
  #busyMs(): number {
    return performance.now() - waitedForProcessorMs(process.pid) - waitedForProcessorMs(this.#serverPid);
  }
}
