// Whose a slot is while it passes from a volume that is no more to a new one. Pure. The slot's own record stays until its new
// volume is ready, so that whatever is cut off on the way, some record names every directory of a pool.
import type { BoundSlots } from './bound-slots.ts';
import type { SlotRecord, VolumeRecord } from './volume-record.ts';

/** Everything that is in pools or about to be. */
export interface Occupancy {
  readonly volumes: readonly VolumeRecord[];
  readonly slots: readonly SlotRecord[];
  /** Names of volumes that somebody is choosing a place for: a promise to one of them holds although it has no record yet. */
  readonly placing?: ReadonlySet<string>;
  /** Ids of volumes that a node has published or may have: what they left is not handed out. */
  readonly published?: ReadonlySet<string>;
  /** Slots that a pod may have mounted, under whatever name: they are not handed out either. */
  readonly bound?: BoundSlots;
}

/** Whether a slot can be promised to a new volume. A promise to a volume that never came binds nobody. */
export function isReusable(slot: SlotRecord, occupancy: Occupancy): boolean {
  if (slot.phase !== 'Reusable' || occupancy.published?.has(slot.formerVolumeId)) return false;
  if (occupancy.bound?.has(slot)) return false;
  if (slot.promisedTo !== undefined && occupancy.placing?.has(slot.promisedTo)) return false;
  // Also the record of the volume that left it, whose removal may be on its way: two that name one slot would each think that the
  // other has it.
  return !occupancy.volumes.some(({ spec }) => spec.slot === slot.slot);
}

/**
 * Whether a volume has a slot, or is to have it, whatever the slot's own record says: one that was long on its way may be of
 * an earlier life. The volume that left the slot does not count.
 */
export function isHeld({ slot, formerVolumeId }: SlotRecord, volumes: readonly VolumeRecord[]): boolean {
  return volumes.some(({ spec }) => spec.slot === slot && spec.volumeId !== formerVolumeId);
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
