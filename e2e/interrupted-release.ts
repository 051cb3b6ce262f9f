// A release that Helm was interrupted at: it takes itself for still being at it, and refuses everything for good. Must not know
// what is released.

/** Runs Helm in the namespace of the release, and gives what it printed. @throws Error when Helm fails */
export type RunHelm = (...args: string[]) => string;

interface Revision {
  readonly revision: number;
  readonly status: string;
}

/**
 * Leaves the release as it was before the install, upgrade or rollback that was interrupted; does nothing for one that was not. Nobody
 * else may be at it.
 * @throws Error with what Helm says
 */
export function recoverInterruptedRelease(helm: RunHelm, release: string, say: (line: string) => void): void {
  const found = helm('list', '--filter', `^${release}$`, '--output', 'json');
  if ((JSON.parse(found) as readonly unknown[]).length === 0) return;
  const history: readonly Revision[] = JSON.parse(helm('history', release, '--output', 'json'));
  const last = history.at(-1);
  if (last === undefined || !/^(pending-\w+|uninstalling)$/.test(last.status)) return;
  const what = `revision ${last.revision} of the release ${release} was interrupted (${last.status})`;
  const good = history.findLast(({ status }) => status === 'deployed');
  if (good === undefined || last.status === 'uninstalling') {
    say(`${what}: uninstalling what there is of it`);
    helm('uninstall', release, '--wait');
    return;
  }
  say(`${what}: rolling back to revision ${good.revision}`);
  helm('rollback', release, String(good.revision));
}
