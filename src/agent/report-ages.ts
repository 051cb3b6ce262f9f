// Which reports of other nodes are the past, for who is about to do what cannot be undone. Clocks of nodes differ, so a report
// that changed between two looks counts by this process's own clock.
import type { FamfsNode } from '../kubernetes/famfs-node.ts';
import { silenceMs } from '../kubernetes/node-reports.ts';

interface Look {
  readonly reportedAt: string;
  readonly lookedAtMs: number;
  /** When there was another report still; undefined while this is the only one that was seen. */
  readonly otherAtMs: number | undefined;
}

export class ReportAges {
  readonly #now: () => number;
  #looks: ReadonlyMap<string, Look> = new Map();

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
    this.#looks = new Map(nodes.map((node) => [node.metadata.name, this.#lookAt(node, nowMs)]));
    return new Set([...this.#looks].filter(([, look]) => !isPresent(look, nowMs)).map(([name]) => name));
  }

  #lookAt({ metadata, status }: FamfsNode, lookedAtMs: number): Look {
    const reportedAt = status?.reportedAt ?? '';
    const before = this.#looks.get(metadata.name);
    const otherAtMs = before?.reportedAt === reportedAt ? before.otherAtMs : before?.lookedAtMs;
    return { reportedAt, lookedAtMs, otherAtMs };
  }
}

function isPresent({ reportedAt, otherAtMs }: Look, nowMs: number): boolean {
  if (reportedAt === '') return false;
  if (Math.abs(nowMs - (Date.parse(reportedAt) || 0)) <= silenceMs) return true;
  return otherAtMs !== undefined && nowMs - otherAtMs <= silenceMs;
}
