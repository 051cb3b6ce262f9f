import assert from 'node:assert/strict';
import { afterEach, describe, it, mock } from 'node:test';
import { DeadlineWatch } from './deadline-watch.ts';
import { steadyNowMs } from './steady-clock.ts';

/** Sets the clock of the machine, as far as this process sees it; timers go on by the real one. */
function setClock(byMs: number): void {
  mock.timers.enable({ apis: ['Date'], now: Date.now() + byMs });
}

describe('a deadline', () => {
  afterEach(() => mock.timers.reset());

  for (const [how, byMs] of [
    ['back', -3_600_000],
    ['forward', 3_600_000],
  ] as const) {
    it(`is kept when the clock of the machine jumps ${how} by an hour`, async () => {
      const begunAt = performance.now();
      const { promise, resolve } = Promise.withResolvers<void>();
      const deadlineMs = steadyNowMs() + 150;
      const watch = new DeadlineWatch((nowMs) => {
        if (nowMs < deadlineMs) return deadlineMs;
        resolve();
        return Number.POSITIVE_INFINITY;
      });
      watch.add(deadlineMs);
      setClock(byMs);
      const keepAlive = setTimeout(() => assert.fail('the deadline was never met'), 60_000);
      await promise;
      clearTimeout(keepAlive);
      watch.close();
      assert.ok(performance.now() - begunAt >= 149, 'it came too early');
    });
  }
});
