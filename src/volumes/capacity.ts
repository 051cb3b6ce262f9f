// What can still be made (GetCapacity): the pools' free space, and the largest volume of a class. Pure.
import type { ClassParameters } from './class-parameters.ts';
import { entriesOf, pendingIn } from './pool-choice.ts';
import type { PoolFacts } from './pool-facts.ts';
import { isOfClass, sizeOf } from './slot-layout.ts';
import { isReusable, type Occupancy } from './slot-promise.ts';
import { accessOf, writerNodes } from './writers.ts';

export interface Capacity {
  readonly availableBytes: bigint;
  /** the largest single volume: out of the longest free run, or of a slot that can be used again */
  readonly maximumVolumeBytes: bigint;
  /** the smallest: one allocation unit a file */
  readonly minimumVolumeBytes: bigint;
}

const none: Capacity = { availableBytes: 0n, maximumVolumeBytes: 0n, minimumVolumeBytes: 0n };

/** What a volume would have to be. */
export interface CapacityWish {
  readonly parameters: ClassParameters;
  /** The pools that count; undefined: all. */
  readonly uuids: ReadonlySet<string> | undefined;
  readonly hasWriter: boolean;
}

/** Counts what CreateVolume would not refuse. */
export function capacityOf(
  { parameters, uuids, hasWriter }: CapacityWish,
  pools: readonly PoolFacts[],
  occupancy: Occupancy,
): Capacity {
  return pools
    .filter(({ uuid }) => uuids === undefined || uuids.has(uuid))
    .filter(({ name }) => parameters.pools.length === 0 || parameters.pools.includes(name))
    .filter(
      ({ writes, master, problem, closed }) =>
        writes !== 'Forbidden' && master !== undefined && (closed ?? problem) === undefined,
    )
    .filter((pool) => !hasWriter || writerNodes(pool, accessOf(pool.writes)).length > 0)
    .map((pool) => capacityOfPool(parameters, pool, occupancy))
    .reduce(
      (sum, each) => ({
        availableBytes: sum.availableBytes + each.availableBytes,
        maximumVolumeBytes: larger(sum.maximumVolumeBytes, each.maximumVolumeBytes),
        minimumVolumeBytes: larger(sum.minimumVolumeBytes, each.minimumVolumeBytes),
      }),
      none,
    );
}

function capacityOfPool(parameters: ClassParameters, pool: PoolFacts, occupancy: Occupancy): Capacity {
  const pending = pendingIn(pool, occupancy);
  const count = BigInt(parameters.fileCount);
  const unitBytes = pool.allocationUnitBytes;
  const hasEntries = pool.logEntriesFree - pending.entries >= entriesOf(parameters);
  const freeBytes = hasEntries ? larger(0n, pool.freeBytes - pending.bytes) : 0n;
  const share = (freeBytes / count / unitBytes) * unitBytes;
  const perFile = share < pool.longestFreeRunBytes ? share : pool.longestFreeRunBytes;
  const reusable = occupancy.slots
    .filter((slot) => slot.poolUuid === pool.uuid && isOfClass(slot.layout, parameters))
    .filter((slot) => isReusable(slot, occupancy))
    .map(({ layout }) => sizeOf(layout));
  return {
    availableBytes: freeBytes + reusable.reduce((sum, size) => sum + size, 0n),
    maximumVolumeBytes: reusable.reduce(larger, hasEntries ? perFile * count : 0n),
    minimumVolumeBytes: unitBytes * count,
  };
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
