// The binds of this node, by volume and by pool: the kernel's mounts with the records of whom they were made for. Filled
// from the kernel once at start, kept by what the mounter does, and checked against the kernel whenever it matters.
import path from 'node:path';
import { openPath, withDescriptors } from '../linux/file-descriptor.ts';
import { listmount, mountIdAt, statmount } from '../linux/mount-id.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';
import type { BindRecord, BindRecords } from './bind-record.ts';

export interface KnownBind extends BindRecord {
  readonly mountId: bigint;
}

export class BindRegistry {
  readonly #records: BindRecords;
  readonly #byMountId = new Map<bigint, KnownBind>();
  readonly #byVolume = new Map<string, Set<bigint>>();
  readonly #byTarget = new Map<string, Set<bigint>>();
  readonly #countByPool = new Map<string, number>();

  constructor(records: BindRecords) {
    this.#records = records;
  }

  /**
   * Reads the records and drops those whose mount the kernel no longer has. A mounter that runs in another mount namespace than
   * the former one did, as each new container does, has copies of the mounts, with ids of their own: their records move to those.
   */
  load(): void {
    this.#records.removeUnfinished();
    const mounted = new Set(listmount());
    for (const mountId of this.#records.mountIds()) {
      if (mounted.has(mountId)) this.learn(mountId);
      else this.#follow(mountId);
    }
  }

  #follow(formerId: bigint): void {
    const record = this.#records.read(formerId);
    const copy = record === undefined ? 'none' : copyInThisNamespace(record);
    if (copy === 'unknown') return;
    if (record !== undefined && copy !== 'none') {
      this.#records.write(copy, record);
      this.add(copy, record);
    }
    this.#records.remove(formerId);
  }

  /**
   * Takes stock of what a pool's worker left that has ended: binds that it had no time to tell of are taken up, and
   * records whose mount did not come to be are dropped. Only while no worker of that pool is at work, for a record is
   * there before its mount is.
   */
  reload(poolUuid: string): void {
    this.#records.removeUnfinished(poolUuid);
    const unknown = this.#records.mountIds().filter((mountId) => !this.#byMountId.has(mountId));
    if (unknown.length === 0) return;
    const mounted = new Set(listmount());
    for (const mountId of unknown) {
      const record = this.#records.read(mountId);
      if (record?.poolUuid !== poolUuid) continue;
      if (mounted.has(mountId)) this.add(mountId, record);
      else this.#records.remove(mountId);
    }
  }

  /** Takes up a bind that was there before, by its record. */
  learn(mountId: bigint): void {
    const record = this.#records.read(mountId);
    if (record !== undefined) this.add(mountId, record);
  }

  /** Takes up a bind whose record is known. */
  add(mountId: bigint, record: BindRecord): void {
    this.forget([mountId]);
    this.#byMountId.set(mountId, { ...record, mountId });
    addTo(this.#byVolume, record.volumeId, mountId);
    addTo(this.#byTarget, record.target, mountId);
    this.#countByPool.set(record.poolUuid, this.countOfPool(record.poolUuid) + 1);
  }

  /** Drops binds that are gone. */
  forget(mountIds: readonly bigint[]): void {
    for (const mountId of mountIds) {
      const bind = this.#byMountId.get(mountId);
      if (bind === undefined) continue;
      this.#byMountId.delete(mountId);
      removeFrom(this.#byVolume, bind.volumeId, mountId);
      removeFrom(this.#byTarget, bind.target, mountId);
      this.#countByPool.set(bind.poolUuid, this.countOfPool(bind.poolUuid) - 1);
    }
  }

  /** A volume's binds that the kernel still has. */
  ofVolume(volumeId: string): KnownBind[] {
    return this.#stillMounted([...(this.#byVolume.get(volumeId) ?? [])]);
  }

  /** What of ours the kernel still has at a target. */
  atTarget(target: string): KnownBind[] {
    return this.#stillMounted([...(this.#byTarget.get(target) ?? [])]);
  }

  /** All binds that the kernel still has. */
  all(): KnownBind[] {
    return this.#stillMounted([...this.#byMountId.keys()]);
  }

  /** A pool's binds that the kernel still has. */
  ofPool(poolUuid: string): KnownBind[] {
    return this.all().filter((bind) => bind.poolUuid === poolUuid);
  }

  /** How many binds of a pool are known, without asking the kernel. */
  countOfPool(poolUuid: string): number {
    return this.#countByPool.get(poolUuid) ?? 0;
  }

  #stillMounted(mountIds: readonly bigint[]): KnownBind[] {
    const found: KnownBind[] = [];
    for (const mountId of mountIds) {
      const bind = this.#byMountId.get(mountId);
      if (bind === undefined) continue;
      if (statmount(mountId) !== undefined) {
        found.push(bind);
        continue;
      }
      this.forget([mountId]);
      this.#records.remove(mountId);
    }
    return found;
  }
}

/**
 * The id that the mount of a record has in this mount namespace: what is mounted at its target now, if that shows the record's
 * directory. Kubelet's targets name pod and volume, so nobody else's mount of such a directory can be there.
 */
function copyInThisNamespace({ target, path: shown }: BindRecord): bigint | 'none' | 'unknown' {
  try {
    return withDescriptors((own) => {
      const parentFd = own(openPath(path.dirname(target)));
      const { mountId, isMountRoot } = mountIdAt(parentFd, path.basename(target));
      return isMountRoot && statmount(mountId)?.root === `/${shown}` ? mountId : 'none';
    });
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(errorCodeOf(error) ?? '') ? 'none' : 'unknown';
  }
}

function addTo(index: Map<string, Set<bigint>>, key: string, mountId: bigint): void {
  index.set(key, (index.get(key) ?? new Set()).add(mountId));
}

function removeFrom(index: Map<string, Set<bigint>>, key: string, mountId: bigint): void {
  const mountIds = index.get(key);
  mountIds?.delete(mountId);
  if (mountIds?.size === 0) index.delete(key);
}
