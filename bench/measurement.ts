// What the benchmark finds out: named values, each with the goal it is held to, if there is one. Pure data and
// arithmetic; knows nothing of how anything is measured.

/** What a value should be: at least or at most something, or near something. */
export type Goal =
  | { readonly kind: 'at-least'; readonly value: number }
  | { readonly kind: 'at-most'; readonly value: number }
  | { readonly kind: 'near'; readonly value: number; readonly tolerance: number };

export interface Measurement {
  /** Stable and unique: figures of different runs are compared by it. */
  readonly name: string;
  /** What a person reads in the table and in the chart. */
  readonly title: string;
  readonly value: number;
  /** "×" for ratios, otherwise a unit such as "ms". */
  readonly unit: string;
  readonly goal?: Goal;
  /** Smallest and largest value among the rounds that `value` is the median of. */
  readonly range?: readonly [least: number, most: number];
  /** For those that make a curve: which curve, and where on it, such as "1 GiB". Curves of a figure share their places. */
  readonly curve?: { readonly of: string; readonly at: string };
}

/** Whether a measurement reaches its goal; undefined when it has none. */
export function meetsGoal({ value, goal }: Measurement): boolean | undefined {
  if (goal === undefined) return undefined;
  switch (goal.kind) {
    case 'at-least':
      return value >= goal.value;
    case 'at-most':
      return value <= goal.value;
    case 'near':
      return Math.abs(value - goal.value) <= goal.tolerance;
  }
}

/** A goal in the words of the table: "≥ 5", "≤ 2", "1 ± 0.03". */
export function describeGoal(goal: Goal): string {
  switch (goal.kind) {
    case 'at-least':
      return `≥ ${goal.value}`;
    case 'at-most':
      return `≤ ${goal.value}`;
    case 'near':
      return `${goal.value} ± ${goal.tolerance}`;
  }
}

/**
 * Reads what `describeGoal` has written.
 * @throws RangeError when it is something else
 */
export function parseGoal(text: string): Goal {
  const number = String.raw`(\d+(?:\.\d+)?(?:e[+-]?\d+)?)`;
  const [, sign, value] = new RegExp(`^([≥≤]) ${number}$`).exec(text) ?? [];
  if (sign !== undefined && value !== undefined)
    return { kind: sign === '≥' ? 'at-least' : 'at-most', value: Number(value) };
  const [, middle, tolerance] = new RegExp(`^${number} ± ${number}$`).exec(text) ?? [];
  if (middle === undefined || tolerance === undefined) throw new RangeError(`${text} is no goal`);
  return { kind: 'near', value: Number(middle), tolerance: Number(tolerance) };
}

/** A number with three digits that tell something: 613, 61.3, 5.21, 1.00, 0.0134. */
export function formatValue(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return value.toFixed(0);
  if (magnitude >= 10) return value.toFixed(1);
  return value.toPrecision(3);
}

/** A measurement from the values of several rounds: their median, and how far they lie apart. */
export function fromRounds(
  description: Omit<Measurement, 'value' | 'range'>,
  values: readonly number[],
): Measurement {
  return { ...description, value: median(values), range: [Math.min(...values), Math.max(...values)] };
}

/** The middle value; of an even number of them, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new RangeError('there is no median of nothing');
  return (lower + upper) / 2;
}
