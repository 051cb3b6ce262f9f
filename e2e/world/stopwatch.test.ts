import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { median, ratiosOf, Stopwatch } from './stopwatch.ts';

const soonMs = 1000;

describe('a stopwatch', () => {
  test('times from the beginning until the thing is seen there, however many wait for it', () => {
    const stopwatch = new Stopwatch(soonMs);
    stopwatch.begin('pod', 100);
    for (const ms of [110, 210, 5000]) stopwatch.awaited('pod', ms);
    assert.ok(stopwatch.isRunning('pod'));
    stopwatch.there('pod', 6000);
    stopwatch.there('pod', 9000);
    assert.ok(!stopwatch.isRunning('pod'));
    assert.deepEqual(stopwatch.laps, [{ fromMs: 100, toMs: 6000 }]);
    assert.equal(stopwatch.leftOut, 0);
  });

  test('leaves out what nobody waits for', () => {
    const stopwatch = new Stopwatch(soonMs);
    stopwatch.begin('pod', 0);
    stopwatch.there('pod', 10);
    assert.deepEqual(stopwatch.laps, []);
    assert.equal(stopwatch.leftOut, 1);
  });

  test('leaves out what somebody waits for only late', () => {
    const stopwatch = new Stopwatch(soonMs);
    for (const [name, awaitedMs] of [
      ['in time', 500 + soonMs],
      ['late', 501 + soonMs],
    ] as const) {
      stopwatch.begin(name, 500);
      stopwatch.awaited(name, awaitedMs);
      stopwatch.there(name, 3000);
    }
    assert.deepEqual(stopwatch.laps, [{ fromMs: 500, toMs: 3000 }]);
    assert.equal(stopwatch.leftOut, 1);
  });

  test('knows nothing of what was never begun, and does not count what never comes', () => {
    const stopwatch = new Stopwatch(soonMs);
    stopwatch.awaited('foreign', 1);
    stopwatch.there('foreign', 2);
    stopwatch.begin('never', 3);
    stopwatch.awaited('never', 4);
    assert.deepEqual(stopwatch.laps, []);
    assert.equal(stopwatch.leftOut, 0);
  });

  test('begins anew under the same name, whatever became of the former', () => {
    const stopwatch = new Stopwatch(soonMs);
    stopwatch.begin('pod', 0);
    stopwatch.awaited('pod', 1);
    stopwatch.begin('pod', 7000);
    stopwatch.awaited('pod', 7001);
    stopwatch.there('pod', 8000);
    assert.deepEqual(stopwatch.laps, [{ fromMs: 7000, toMs: 8000 }]);
  });
});

describe('ratios', () => {
  test('are those of the laps to the unit, with the most that were under way together', () => {
    const laps = [
      { fromMs: 0, toMs: 100 },
      { fromMs: 50, toMs: 350 },
      { fromMs: 60, toMs: 260 },
      { fromMs: 350, toMs: 450 },
    ];
    assert.deepEqual(ratiosOf(laps, 100), { count: 4, atOnce: 3, median: 1.5, longest: 3 });
  });

  test('of nothing say so', () => {
    assert.deepEqual(ratiosOf([], 100), { count: 0, atOnce: 0 });
  });

  test('do not depend on how fast the machine is, nor on the order of the laps', () => {
    const lap = fc.record({ fromMs: fc.nat(10_000), tookMs: fc.integer({ min: 1, max: 10_000 }) });
    fc.assert(
      fc.property(fc.array(lap, { minLength: 1 }), fc.integer({ min: 0, max: 6 }), (given, power) => {
        const laps = given.map(({ fromMs, tookMs }) => ({ fromMs, toMs: fromMs + tookMs }));
        // Powers of two, whose products are exact.
        const slower = laps.map(({ fromMs, toMs }) => ({
          fromMs: fromMs * 2 ** power,
          toMs: toMs * 2 ** power,
        }));
        assert.deepEqual(ratiosOf(slower.toReversed(), 64 * 2 ** power), ratiosOf(laps, 64));
      }),
    );
  });
});

test('the median is the value in the middle, or the mean of both', () => {
  assert.equal(median([10, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 10]), 3.5);
  assert.ok(Number.isNaN(median([])));
});
