// Which volumes some node may still have published, asked when a slot is about to be written over. Must not know slots but by whose
// they were.
import type { ApiClient } from '../kubernetes/api-client.ts';
import type { FamfsNode } from '../kubernetes/famfs-node.ts';
import { famfsNodes } from '../kubernetes/resources.ts';
import type { MounterClient } from '../mounter/client.ts';
import type { LeftSlot } from '../volumes/volume-maker.ts';

export interface PublishedVolumesParts {
  readonly client: Pick<ApiClient, 'list'>;
  readonly mounter: Pick<MounterClient, 'calls'>;
  /** The name of this node. */
  readonly node: string;
}

/** What a node has yet to say since a slot was first asked about. */
interface Silence {
  /** Its last report. */
  reportedAt: string;
  /** How many more it has to make. */
  reportsDue: number;
}

interface Wait {
  /** By the names of nodes that may have published the volume without having told. */
  readonly silences: Map<string, Silence>;
  askedAtMs: number;
}

const timeoutMs = 10_000;
/**
 * A node looks at what it has published, and then writes the report. One that was on its way when the slot was first asked about was
 * looked for earlier; the next one was not.
 */
const reportsWanted = 2;
/** Nobody asks about a slot any more that has become somebody else's. */
const forgottenAfterMs = 600_000;

export class PublishedVolumes {
  readonly #parts: PublishedVolumesParts;
  readonly #waits = new Map<string, Wait>();

  constructor(parts: PublishedVolumesParts) {
    this.#parts = parts;
  }

  /**
   * Their ids: what this node's mounter has now, and what every node reported last, whether it reports still or not. Of the volumes
   * that left the slots, also those that a node may have published just before it could not be any more: until every node that
   * sees the pool has reported since.
   * @throws DriverError when one of them cannot be asked; nothing is known to be free then
   */
  async ids(left: readonly LeftSlot[]): Promise<ReadonlySet<string>> {
    const [{ binds }, { items }] = await Promise.all([
      this.#parts.mounter.calls.listBinds({}, { timeoutMs }),
      this.#parts.client.list<FamfsNode>(famfsNodes, { timeoutMs }),
    ]);
    const reported = items.flatMap(({ status }) => status?.publishedVolumeIDs ?? []);
    const waiting = left.filter((slot) => this.#isWaitedFor(slot, items));
    this.#forget();
    return new Set([
      ...binds.map(({ volumeId }) => volumeId),
      ...reported,
      ...waiting.map(({ formerVolumeId }) => formerVolumeId),
    ]);
  }

  #isWaitedFor({ formerVolumeId, poolUuid }: LeftSlot, nodes: readonly FamfsNode[]): boolean {
    const seers = new Map(
      nodes
        .filter(({ metadata }) => metadata.name !== this.#parts.node)
        .filter(({ status }) =>
          status?.pools.some(({ uuid, phase }) => uuid === poolUuid && phase !== 'Lost'),
        )
        .map(({ metadata, status }) => [metadata.name, status?.reportedAt ?? '']),
    );
    const wait = this.#waits.get(formerVolumeId) ?? { silences: silencesOf(seers), askedAtMs: 0 };
    wait.askedAtMs = performance.now();
    this.#waits.set(formerVolumeId, wait);
    for (const [name, silence] of wait.silences) {
      const reportedAt = seers.get(name);
      if (reportedAt !== undefined && reportedAt === silence.reportedAt) continue;
      silence.reportedAt = reportedAt ?? '';
      // Who does not see the pool any more has it mounted no more.
      silence.reportsDue = reportedAt === undefined ? 0 : silence.reportsDue - 1;
      if (silence.reportsDue <= 0) wait.silences.delete(name);
    }
    return wait.silences.size > 0;
  }

  #forget(): void {
    const oldestMs = performance.now() - forgottenAfterMs;
    for (const [volumeId, { askedAtMs }] of this.#waits)
      if (askedAtMs < oldestMs) this.#waits.delete(volumeId);
  }
}

function silencesOf(seers: ReadonlyMap<string, string>): Map<string, Silence> {
  return new Map([...seers].map(([name, reportedAt]) => [name, { reportedAt, reportsDue: reportsWanted }]));
}
