// Which slots pods have mounted, whatever the volume is called: a PersistentVolume that somebody made by hand may name the path of
// a slot, or of the directory above it. Pure.
import { slotPath } from './volume-record.ts';

/** The directory of all slots. */
const [slotsFolder = ''] = slotPath('').split('/');

export class BoundSlots {
  /** Slots by the UUID of their pool; `every` where the directory of all of them is mounted. */
  readonly #byPool = new Map<string, Set<string> | 'every'>();

  /** @param binds mounts of paths of pools, the paths relative to the root of the pool */
  constructor(binds: Iterable<{ readonly poolUuid: string; readonly path: string }> = []) {
    for (const { poolUuid, path } of binds) this.#add(poolUuid, path);
  }

  /** Whether some of the slot can be reached through a mount. */
  has({ poolUuid, slot }: { readonly poolUuid: string; readonly slot: string }): boolean {
    const bound = this.#byPool.get(poolUuid);
    return bound === 'every' || bound?.has(slot) === true;
  }

  #add(poolUuid: string, path: string): void {
    const [folder, slot] = path.split('/').filter((part) => part !== '' && part !== '.');
    if (folder !== undefined && folder !== slotsFolder) return;
    const bound = this.#byPool.get(poolUuid) ?? new Set<string>();
    this.#byPool.set(poolUuid, slot === undefined || bound === 'every' ? 'every' : bound.add(slot));
  }
}
