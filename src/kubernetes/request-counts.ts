// Counts the requests to the API server: what a volume costs it is promised (docs) and has to be seen. Knows no kind.

export interface RequestCount {
  /** As RBAC has it, with `apply` apart from `patch`. */
  readonly verb: string;
  /** In the plural, with its subresource: `famfsvolumes/status`. */
  readonly resource: string;
  /** HTTP status, or `error` when there was no answer. */
  readonly code: string;
  readonly count: number;
  /** Of all of them together, to the beginning of the answer. */
  readonly seconds: number;
}

/** The requests of one client since it was made. */
export class RequestCounts {
  readonly #counts = new Map<string, RequestCount>();

  /** @param what begins with verb and resource, as ApiRequest has it */
  count(what: string, outcome: number | 'error', seconds: number): void {
    const [verb = '', resource = ''] = what.split(' ');
    const code = String(outcome);
    const key = `${verb} ${resource} ${code}`;
    const before = this.#counts.get(key);
    this.#counts.set(key, {
      verb,
      resource,
      code,
      count: (before?.count ?? 0) + 1,
      seconds: (before?.seconds ?? 0) + seconds,
    });
  }

  all(): readonly RequestCount[] {
    return [...this.#counts.values()];
  }

  /** How many requests there were that match what is given. */
  total(match: { verb?: string; resource?: string; code?: string } = {}): number {
    const wanted = Object.entries(match);
    const matching = this.all().filter((count) =>
      wanted.every(([key, value]) => count[key as keyof RequestCount] === value),
    );
    return matching.reduce((sum, { count }) => sum + count, 0);
  }
}
