// Which pool a new volume goes to, and whether it gets a slot of a deleted volume there. Pure: decides on facts that were
// read a moment ago; what cannot be undone is decided again by the master.
import { DriverError, type Reason } from '../errors.ts';
import { sizeText } from '../size-text.ts';
import type { ClassParameters } from './class-parameters.ts';
import type { PoolFacts } from './pool-facts.ts';
import { isSameLayout, layoutOf, type SizeRange, type SlotLayout, sizeOf } from './slot-layout.ts';
import { isReusable, type Occupancy } from './slot-promise.ts';
import type { RecordProblem, SlotRecord } from './volume-record.ts';
import { accessOf, writerNodes, writersRefusal } from './writers.ts';

/** Where a volume has to be reachable, and where it should be: UUIDs of pools. Undefined: anywhere. */
export interface PoolTopology {
  readonly requisite: ReadonlySet<string> | undefined;
  /** in the order of preference */
  readonly preferred: readonly string[];
  /** Places in the order of preference, as far as they are known: the nodes of one see all of its pools. */
  readonly places?: readonly ReadonlySet<string>[];
}

export interface PlacementWish {
  readonly name: string;
  readonly parameters: ClassParameters;
  readonly range: SizeRange;
  readonly topology: PoolTopology;
  /** somebody is to write it */
  readonly hasWriter: boolean;
}

export interface Placement {
  readonly pool: PoolFacts;
  readonly master: string;
  readonly layout: SlotLayout;
  /** a slot to use again; undefined: a new one */
  readonly slot: SlotRecord | undefined;
}

/** `v` itself, if it is the first volume, and the directory of the slot. */
const directoryEntries = 2;

/** What a refusal of several pools is called: the reason that a person can do most about comes first. */
const reasonOrder: readonly Reason[] = [
  'writes-refused',
  'size-out-of-range',
  'log-full',
  'out-of-space',
  'master-away',
];

/**
 * Chooses a pool: of those the class names, topology allows, the volume fits into and somebody can write it in, the first that
 * is preferred, else the one with the most free space.
 * @throws DriverError with the reason of the pool that came closest: `pool-not-found`, `writes-refused`,
 *   `size-out-of-range`, `out-of-space`, `log-full`, `master-away`, or the pool's own problem
 */
export function choosePool(
  wish: PlacementWish,
  pools: readonly PoolFacts[],
  occupancy: Occupancy,
): Placement {
  const candidates = candidatesOf(wish, pools);
  const placements: Placement[] = [];
  const refusals: DriverError[] = [];
  for (const pool of candidates) {
    const found = place(wish, pool, occupancy);
    if (found instanceof DriverError) refusals.push(found);
    else placements.push(found);
  }
  const rankOf = ({ pool }: Placement): number => rankIn(wish, pool, pools);
  const [best] = placements.toSorted((a, b) => compare(rankOf, a, b));
  if (best !== undefined) return best;
  throw foremost(refusals);
}

function candidatesOf({ parameters, topology }: PlacementWish, pools: readonly PoolFacts[]): PoolFacts[] {
  const named = pools.filter(({ name }) => parameters.pools.length === 0 || parameters.pools.includes(name));
  if (named.length === 0) {
    const wanted =
      parameters.pools.length === 0
        ? 'There is no pool'
        : `No pool is named ${parameters.pools.join(' or ')}`;
    throw new DriverError(
      'pool-not-found',
      `${wanted}; \`kubectl get famfspools\` shows those that there are.`,
    );
  }
  const { requisite } = topology;
  const reachable = named.filter(({ uuid }) => requisite === undefined || requisite.has(uuid));
  if (reachable.length > 0) return reachable;
  throw new DriverError(
    'out-of-space',
    `None of the pools ${named.map(({ name }) => name).join(', ')} can be seen where the volume is wanted (accessibility_requirements).`,
  );
}

function place(wish: PlacementWish, pool: PoolFacts, occupancy: Occupancy): Placement | DriverError {
  if (pool.writes === 'Forbidden') {
    return new DriverError(
      'writes-refused',
      `Pool ${pool.name} forbids writes, and a volume that nobody may write would stay empty. Set writes: Allowed on the FamfsPool, or publish existing files by a PersistentVolume of your own.`,
    );
  }
  const problem = pool.closed ?? problemOf(pool);
  if (problem !== undefined || pool.master === undefined)
    return new DriverError(problem?.reason ?? 'master-away', problem?.message ?? pool.name);
  const refusal = wish.hasWriter ? writersRefusal(pool, accessOf(pool.writes)) : undefined;
  if (refusal !== undefined) return refusal;
  try {
    const layout = layoutOf(wish.parameters, wish.range, pool.allocationUnitBytes);
    const slot = reusableSlot(wish.name, layout, pool, occupancy);
    if (slot === undefined) requireRoom(layout, pool, occupancy);
    return { pool, master: pool.master, layout, slot };
  } catch (error) {
    return DriverError.from(error);
  }
}

/** Why nothing can be made in a pool now. */
export function problemOf({ name, master, problem }: PoolFacts): RecordProblem | undefined {
  if (problem !== undefined || master !== undefined) return problem;
  return {
    reason: 'master-away',
    message: `No node reports to be the master of pool ${name}; only it can create files.`,
  };
}

/** A slot that was promised to this very volume before a crash comes first. */
function reusableSlot(
  name: string,
  layout: SlotLayout,
  pool: PoolFacts,
  occupancy: Occupancy,
): SlotRecord | undefined {
  const others = new Set(occupancy.placing);
  others.delete(name);
  const fitting = occupancy.slots.filter(
    (slot) =>
      slot.poolUuid === pool.uuid &&
      isSameLayout(slot.layout, layout) &&
      isReusable(slot, { ...occupancy, placing: others }),
  );
  return fitting.find(({ promisedTo }) => promisedTo === name) ?? fitting[0];
}

/**
 * What is recorded for a pool but not in its log yet. A volume in the slot of another takes nothing; one that is being
 * deleted will not be made any more.
 */
export function pendingIn(
  pool: PoolFacts,
  { volumes, slots }: Occupancy,
): { bytes: bigint; entries: number } {
  const left = new Set(slots.map(({ slot }) => slot));
  const pending = volumes.filter(
    ({ spec, status, deleting }) =>
      spec.poolUuid === pool.uuid &&
      !deleting &&
      !left.has(spec.slot) &&
      (status.phase === 'Pending' || status.phase === 'Creating'),
  );
  return {
    bytes: pending.reduce(
      (sum, { spec: { layout }, status }) =>
        sum + BigInt(layout.fileCount - status.filesMade) * layout.fileSizeBytes,
      0n,
    ),
    entries: pending.reduce(
      (sum, { spec: { layout }, status }) =>
        sum + (status.filesMade === 0 ? entriesOf(layout) : layout.fileCount - status.filesMade),
      0,
    ),
  };
}

function requireRoom(layout: SlotLayout, pool: PoolFacts, occupancy: Occupancy): void {
  const pending = pendingIn(pool, occupancy);
  const entriesLeft = Math.max(0, pool.logEntriesFree - pending.entries);
  if (entriesLeft < entriesOf(layout)) {
    throw new DriverError(
      'log-full',
      `The log of pool ${pool.name} has ${entriesLeft} entries left and the volume needs ${entriesOf(layout)}. A log never shrinks: use another pool, or one formatted with a longer log.`,
    );
  }
  const freeBytes = pool.freeBytes - pending.bytes;
  if (layout.fileSizeBytes > pool.longestFreeRunBytes || sizeOf(layout) > freeBytes) {
    throw new DriverError(
      'out-of-space',
      `Pool ${pool.name} has no room for ${layout.fileCount} × ${sizeText(layout.fileSizeBytes)}: ${sizeText(freeBytes > 0n ? freeBytes : 0n)} are free, the longest run has ${sizeText(pool.longestFreeRunBytes)}. famfs gives deleted space back to nobody; use a smaller claim, layout: files with more files, or another pool.`,
    );
  }
}

/** How many log entries a new slot takes at most. */
export function entriesOf({ fileCount }: Pick<SlotLayout, 'fileCount'>): number {
  return fileCount + directoryEntries;
}

/** How far down a pool comes in the order of preference. One that the nodes of a place can only read comes behind all others. */
function rankIn(
  { topology: { preferred, places = [] }, hasWriter }: PlacementWish,
  pool: PoolFacts,
  pools: readonly PoolFacts[],
): number {
  const index = preferred.indexOf(pool.uuid);
  const rank = index === -1 ? preferred.length : index;
  if (!hasWriter || places.length === 0) return rank;
  const names = writerNodes(pool, accessOf(pool.writes)).map(({ name }) => name);
  const sees = (name: string, uuid: string): boolean =>
    pools.some((each) => each.uuid === uuid && each.nodes.some((node) => node.name === name));
  const place = places.findIndex(
    (uuids) => uuids.has(pool.uuid) && names.some((name) => [...uuids].every((uuid) => sees(name, uuid))),
  );
  return (place === -1 ? places.length : place) * (preferred.length + 1) + rank;
}

function compare(rank: (placement: Placement) => number, a: Placement, b: Placement): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if ((a.slot === undefined) !== (b.slot === undefined)) return a.slot === undefined ? 1 : -1;
  if (a.pool.freeBytes !== b.pool.freeBytes) return a.pool.freeBytes > b.pool.freeBytes ? -1 : 1;
  return a.pool.name < b.pool.name ? -1 : 1;
}

function foremost(refusals: readonly DriverError[]): DriverError {
  const rank = ({ reason }: DriverError): number => {
    const index = reasonOrder.indexOf(reason);
    return index === -1 ? reasonOrder.length : index;
  };
  const [first] = refusals.toSorted((a, b) => rank(b) - rank(a));
  return first ?? new DriverError('pool-not-found', 'There is no pool.');
}
