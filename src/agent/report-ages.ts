// Which reports of other nodes are the past, for who is about to do what cannot be undone. Clocks of nodes differ, so a report
// that changed between two looks counts by this process's own clock.
import type { FamfsNode } from '../kubernetes/famfs-node.ts';
import { silenceMs } from '../kubernetes/node-reports.ts';

interface Look {
  readonly reportedAt: string;
  readonly lookedAtMs: number;
}

export class ReportAges {
  readonly #now: () => number;
  readonly #looks = new Map<string, Look>();

  /** @param now milliseconds since 1970 */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * Names of the nodes whose report may be older than a node may be silent, of all that there are now. One whose clock goes
   * wrong is among them at the first look, and not at the next when it has reported in between.
   */
  past(nodes: readonly FamfsNode[]): ReadonlySet<string> {
    const nowMs = this.#now();
    const past = nodes.filter((node) => !this.#isPresent(node, nowMs)).map(({ metadata }) => metadata.name);
    this.#looks.clear();
    for (const { metadata, status } of nodes)
      this.#looks.set(metadata.name, { reportedAt: status?.reportedAt ?? '', lookedAtMs: nowMs });
    return new Set(past);
  }

  #isPresent({ metadata, status }: FamfsNode, nowMs: number): boolean {
    const reportedAt = status?.reportedAt ?? '';
    if (reportedAt === '') return false;
    if (Math.abs(nowMs - (Date.parse(reportedAt) || 0)) <= silenceMs) return true;
    const before = this.#looks.get(metadata.name);
    return before !== undefined && before.reportedAt !== reportedAt && nowMs - before.lookedAtMs <= silenceMs;
  }
}
