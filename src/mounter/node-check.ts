// One thing that a node needs to serve famfs, looked at: what the start of the mounter and `famfs-csi preflight` are made of.
import type { Reason } from '../errors.ts';
import type { Problem } from './pool-state.ts';

export interface NodeCheck {
  /** Stable, for programs: `kernel-calls`. */
  readonly name: string;
  /** `note`: it works, but a person should know. */
  readonly state: 'ok' | 'note' | 'missing';
  /** What was found: a sentence. */
  readonly found: string;
  /** What it is needed for; for what is not `ok`. */
  readonly why?: string;
  /** What to do; for what is not `ok`. */
  readonly remedy?: string;
  /** Of something that is missing. */
  readonly reason?: Reason;
}

export function ok(name: string, found: string): NodeCheck {
  return { name, state: 'ok', found };
}

/** What a mounter that lacks these things reports as its problems, and why it serves nothing. */
export function problemsOf(checks: readonly NodeCheck[]): Problem[] {
  return checks.flatMap(({ state, found, remedy, reason }) => {
    if (state !== 'missing' || reason === undefined) return [];
    return [{ reason, message: remedy === undefined ? found : `${found} ${remedy}` }];
  });
}
