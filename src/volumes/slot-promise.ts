// Whose a slot is while it passes from a volume that is no more to a new one. Pure. The slot's own record stays until its new
// volume is ready, so that whatever is cut off on the way, some record names every directory of a pool.
import type { SlotRecord, VolumeRecord } from './volume-record.ts';

/** Everything that is in pools or about to be. */
export interface Occupancy {
  readonly volumes: readonly VolumeRecord[];
  readonly slots: readonly SlotRecord[];
  /** Names of volumes that somebody is choosing a place for: a promise to one of them holds although it has no record yet. */
  readonly placing?: ReadonlySet<string>;
  /** Ids of volumes that a node has published or may have: what they left is not handed out. */
  readonly published?: ReadonlySet<string>;
}

/** Whether a slot can be promised to a new volume. A promise to a volume that never came binds nobody. */
export function isReusable(slot: SlotRecord, occupancy: Occupancy): boolean {
  if (slot.phase !== 'Reusable' || occupancy.published?.has(slot.formerVolumeId)) return false;
  const { promisedTo } = slot;
  if (promisedTo === undefined) return true;
  if (occupancy.placing?.has(promisedTo)) return false;
  return !occupancy.volumes.some(({ name, spec }) => name === promisedTo && spec.slot === slot.slot);
}

/**
 * Whether a volume that is not ready may have its slot worked on. A process that slept between the promise of a slot and
 * the record that names it may have lost the promise to another volume; then both records name the slot, and this decides.
 */
export function ownsSlot(record: VolumeRecord, { volumes, slots }: Occupancy): boolean {
  const { name, spec } = record;
  const slot = slots.find((each) => each.slot === spec.slot);
  if (slot !== undefined) return slot.promisedTo === name;
  return !volumes.some((other) => other.spec.slot === spec.slot && other.name !== name);
}
