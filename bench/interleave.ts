// Runs competitors turn by turn, so that whatever changes on the machine meanwhile (its clock, its caches, a
// neighbour) meets all of them alike. Knows nothing of what they do.

/** Something that is run once a round and returns what it measured. */
export type Competitor<R> = () => Promise<R>;

/** What a competitor measured in one round, by the competitor's name. */
export type Round<N extends string, R> = Readonly<Record<N, R>>;

/**
 * Runs every competitor once a round, one after another. Each round begins with another of them, since the first
 * of a round may find the machine in another state than the rest do.
 */
export async function interleave<N extends string, R>(
  rounds: number,
  competitors: Readonly<Record<N, Competitor<R>>>,
): Promise<readonly Round<N, R>[]> {
  const entries = Object.entries(competitors) as [N, Competitor<R>][];
  const results: Round<N, R>[] = [];
  for (let round = 0; round < rounds; round++) {
    const found: Partial<Record<N, R>> = {};
    for (const [name, run] of rotate(entries, round)) found[name] = await run();
    results.push(found as Round<N, R>);
  }
  return results;
}

/** The same items in the same order, beginning `by` places later. */
function rotate<T>(items: readonly T[], by: number): readonly T[] {
  const start = by % Math.max(1, items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}
