// Which slots of deleted volumes some node may still have mounted, asked when one is about to be written over: by what all nodes
// report, and by what they have not reported yet. Must not know what becomes of the slots.
import type { ApiClient } from '../kubernetes/api-client.ts';
import { isTrue } from '../kubernetes/conditions.ts';
import type { FamfsNode } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import { hasNoReport } from '../kubernetes/node-reports.ts';
import { famfsNodes, famfsPools } from '../kubernetes/resources.ts';
import type { MounterClient } from '../mounter/client.ts';
import { BoundSlots } from '../volumes/bound-slots.ts';
import type { SlotsInUse as InUse, LeftSlot } from '../volumes/slot-scrubber.ts';
import { nodesWithoutReport, seesPool } from './pool-sight.ts';
import { ReportAges } from './report-ages.ts';

export interface SlotsInUseParts {
  readonly client: Pick<ApiClient, 'list'>;
  readonly mounter: Pick<MounterClient, 'calls'>;
  /** The name of this node. */
  readonly node: string;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
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

/** What there is to go by at one moment. */
interface Evidence {
  /** Mounts on this very node, as its mounter answers now. */
  readonly own: Published;
  readonly others: readonly FamfsNode[];
  readonly pools: readonly FamfsPool[];
  /** Names of the nodes whose last report says nothing about now. */
  readonly past: ReadonlySet<string>;
}

interface Published {
  readonly volumeIds: ReadonlySet<string>;
  readonly slots: BoundSlots;
}

const timeoutMs = 10_000;
/**
 * A node looks at what it has published, and then writes the report. One that was on its way when the slot was first asked about was
 * looked for earlier; the next one was not.
 */
const reportsWanted = 2;
/** Nobody asks about a slot any more that has become somebody else's. */
const forgottenAfterMs = 600_000;
const manyNames = 5;

export class SlotsInUse {
  readonly #parts: SlotsInUseParts;
  readonly #ages: ReportAges;
  readonly #waits = new Map<string, Wait>();

  constructor(parts: SlotsInUseParts) {
    this.#parts = parts;
    this.#ages = new ReportAges(parts.now);
  }

  /**
   * Those that some node has mounted, under whatever volume's name, or may have: what this node's mounter has now, and what every
   * node reported last. A node that sees the pool and is silent may have anything, and so may one without a FamfsNode; each has to
   * report twice since the slot was first asked about.
   * @throws DriverError when one of them cannot be asked; nothing is known to be free then
   */
  async among(left: readonly LeftSlot[]): Promise<InUse> {
    const { mounter, client, node } = this.#parts;
    const [{ binds }, nodes, pools] = await Promise.all([
      mounter.calls.listBinds({}, { timeoutMs }),
      client.list<FamfsNode>(famfsNodes, { timeoutMs }),
      client.list<FamfsPool>(famfsPools, { timeoutMs }),
    ]);
    const others = nodes.items.filter(({ metadata }) => metadata.name !== node);
    const own = { volumeIds: new Set(binds.map(({ volumeId }) => volumeId)), slots: new BoundSlots(binds) };
    const evidence = { own, others, pools: pools.items, past: this.#ages.past(others) };
    const published = nodes.items.map((each) => [each, publishedOn(each)] as const);
    const inUse = new Map<string, string>();
    for (const slot of left) {
      const reasons = this.#reasons(slot, evidence, published);
      if (reasons.length > 0) inUse.set(slot.slot, sentenceOf(reasons));
    }
    this.#forget();
    return inUse;
  }

  /** Why nobody may touch it; each is a clause about one node. */
  #reasons(
    slot: LeftSlot,
    { own, others, pools, past }: Evidence,
    published: readonly (readonly [FamfsNode, Published])[],
  ): readonly string[] {
    const { node } = this.#parts;
    const pool = pools.find(({ status }) => status?.fileSystemUUID === slot.poolUuid);
    if (pool === undefined) return ['no FamfsPool says any more which nodes see the memory'];
    const reasons = new Map<string, string>();
    const seers = others.filter(({ status }) => seesPool(status, slot.poolUuid));
    for (const name of this.#silentAmong(seers, slot)) reasons.set(name, 'is yet to say what it has mounted');
    for (const each of seers.filter(({ metadata }) => past.has(metadata.name)))
      reasons.set(each.metadata.name, `has not reported since ${each.status?.reportedAt}`);
    for (const name of nodesWithoutReport(pool, slot.poolUuid, others, node)) reasons.set(name, hasNoReport);
    for (const [{ metadata }, each] of published)
      if (has(each, slot)) reasons.set(metadata.name, mountedThere(reasons.get(metadata.name)));
    if (has(own, slot)) reasons.set(node, 'has it mounted for a pod');
    return [...reasons].map(([name, reason]) => `node ${name} ${reason}`).sort();
  }

  /** Those that have not reported often enough since the slot was first asked about. */
  #silentAmong(seers: readonly FamfsNode[], { formerVolumeId }: LeftSlot): Iterable<string> {
    const reports = new Map(seers.map(({ metadata, status }) => [metadata.name, status]));
    const wait = this.#waits.get(formerVolumeId) ?? { silences: silencesOf(seers), askedAtMs: 0 };
    wait.askedAtMs = performance.now();
    this.#waits.set(formerVolumeId, wait);
    for (const [name, silence] of wait.silences) {
      const report = reports.get(name);
      // Who does not see the pool any more has it mounted no more.
      if (report === undefined) wait.silences.delete(name);
      // Without its mounter an agent repeats what it knew before.
      else if (report.reportedAt !== silence.reportedAt && isTrue(report.conditions, 'Ready')) {
        silence.reportedAt = report.reportedAt;
        silence.reportsDue--;
        if (silence.reportsDue <= 0) wait.silences.delete(name);
      }
    }
    return wait.silences.keys();
  }

  #forget(): void {
    const oldestMs = performance.now() - forgottenAfterMs;
    for (const [volumeId, { askedAtMs }] of this.#waits)
      if (askedAtMs < oldestMs) this.#waits.delete(volumeId);
  }
}

function silencesOf(seers: readonly FamfsNode[]): Map<string, Silence> {
  return new Map(
    seers.map(({ metadata, status }) => [
      metadata.name,
      { reportedAt: status?.reportedAt ?? '', reportsDue: reportsWanted },
    ]),
  );
}

function publishedOn({ status }: FamfsNode): Published {
  const binds = (status?.pools ?? []).flatMap(({ uuid, boundPaths }) =>
    boundPaths.map((path) => ({ poolUuid: uuid, path })),
  );
  return { volumeIds: new Set(status?.publishedVolumeIDs), slots: new BoundSlots(binds) };
}

function has({ volumeIds, slots }: Published, slot: LeftSlot): boolean {
  return volumeIds.has(slot.formerVolumeId) || slots.has(slot);
}

function mountedThere(besides: string | undefined): string {
  return besides === undefined ? 'has it mounted for a pod' : `had it mounted for a pod, and ${besides}`;
}

function sentenceOf(reasons: readonly string[]): string {
  const more = reasons.length > manyNames ? `; and ${reasons.length - manyNames} more` : '';
  return `Of the nodes that see the memory, ${reasons.slice(0, manyNames).join('; ')}${more}. It goes on when no node has it mounted any more; of a node that is off for good, delete the Node.`;
}
