// How a cluster in memory could be wrong, to see that tests find it.
import type { VolumeRecords } from '../src/volumes/volume-records.ts';
import type { MemoryRecords } from './memory-records.ts';

/** How the cluster could be wrong, to see that this is found. */
export interface Mistakes {
  readonly zeroing?: 'forgotten';
  readonly slots?: 'lost';
  readonly published?: 'forgotten';
  /** Of nodes whose report was deleted by hand. */
  readonly missing?: 'forgotten';
  /** Whether volumes stand in the way of a reset. */
  readonly reset?: 'careless';
}

/** A store that takes the record of a slot and does not keep it. */
export function losingSlots(store: MemoryRecords): VolumeRecords {
  return {
    get: (name) => store.get(name),
    list: () => store.list(),
    slots: () => store.slots(),
    create: (record) => store.create(record),
    update: (record) => store.update(record),
    remove: (record) => store.remove(record),
    createSlot: async (record) => ({ ...record, version: 'lost' }),
    updateSlot: (record) => store.updateSlot(record),
    removeSlot: (record) => store.removeSlot(record),
    onChange: (listener) => store.onChange(listener),
  };
}
