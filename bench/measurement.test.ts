import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  describeGoal,
  formatValue,
  fromRounds,
  type Goal,
  median,
  meetsGoal,
  parseGoal,
} from './measurement.ts';

const measured = (value: number, goal?: Goal) => ({
  ...{ name: 'n', title: 't', unit: '×', value },
  ...(goal === undefined ? {} : { goal }),
});

describe('a goal', () => {
  test('is met at its very value', () => {
    assert.equal(meetsGoal(measured(5, { kind: 'at-least', value: 5 })), true);
    assert.equal(meetsGoal(measured(2, { kind: 'at-most', value: 2 })), true);
    assert.equal(meetsGoal(measured(1.25, { kind: 'near', value: 1, tolerance: 0.25 })), true);
  });

  test('is missed on the wrong side', () => {
    assert.equal(meetsGoal(measured(4.99, { kind: 'at-least', value: 5 })), false);
    assert.equal(meetsGoal(measured(2.01, { kind: 'at-most', value: 2 })), false);
    assert.equal(meetsGoal(measured(0.9, { kind: 'near', value: 1, tolerance: 0.03 })), false);
    assert.equal(meetsGoal(measured(1.1, { kind: 'near', value: 1, tolerance: 0.03 })), false);
  });

  test('is missed by what is no number', () => {
    for (const kind of ['at-least', 'at-most'] as const) {
      assert.equal(meetsGoal(measured(Number.NaN, { kind, value: 5 })), false);
    }
    assert.equal(meetsGoal(measured(Number.NaN, { kind: 'near', value: 5, tolerance: 1 })), false);
  });

  test('is neither met nor missed where there is none', () => {
    assert.equal(meetsGoal(measured(1)), undefined);
  });

  test('is written as one reads it', () => {
    assert.equal(describeGoal({ kind: 'at-least', value: 5 }), '≥ 5');
    assert.equal(describeGoal({ kind: 'at-most', value: 0.5 }), '≤ 0.5');
    assert.equal(describeGoal({ kind: 'near', value: 1, tolerance: 0.03 }), '1 ± 0.03');
  });
});

describe('a goal in words', () => {
  test('is read back as the goal that it was', () => {
    const amount = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
    const goal = fc.oneof(
      fc.record({ kind: fc.constantFrom('at-least' as const, 'at-most' as const), value: amount }),
      fc.record({ kind: fc.constant('near' as const), value: amount, tolerance: amount }),
    );
    fc.assert(
      fc.property(goal, (each) => {
        assert.deepEqual(parseGoal(describeGoal(each)), { ...each });
      }),
    );
  });

  test('is refused when it is something else', () => {
    for (const text of ['', '5', '> 5', '≥ five', '1 ± ', '≥ 5 or so'])
      assert.throws(() => parseGoal(text), RangeError);
  });
});

describe('a value', () => {
  test('is written with three digits that tell something', () => {
    const written = [1234.5, 213.4, 61.34, 5.214, 2, 1, 0.99812, 0.0134].map(formatValue);
    assert.deepEqual(written, ['1235', '213', '61.3', '5.21', '2.00', '1.00', '0.998', '0.0134']);
  });
});

describe('the median', () => {
  test('is the middle one, or the mean of the two in the middle', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
  });

  test('has as many values above as below, and does not depend on their order', () => {
    // Of equal values more may lie on one side than on the other, so only distinct ones can balance.
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer(), { minLength: 1 }), (numbers) => {
        const middle = median(numbers);
        assert.equal(numbers.filter((n) => n > middle).length, numbers.filter((n) => n < middle).length);
        assert.equal(median(numbers.toReversed()), middle);
      }),
    );
  });

  test('of nothing is refused', () => {
    assert.throws(() => median([]), RangeError);
  });

  test('of several rounds comes with how far they lie apart', () => {
    const { value, range } = fromRounds({ name: 'n', title: 't', unit: 'ms' }, [3, 9, 4]);
    assert.equal(value, 4);
    assert.deepEqual(range, [3, 9]);
  });
});
