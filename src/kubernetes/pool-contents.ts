// What is recorded of a file system that is no more: goes with it. Decides nothing about pools.
import type { Logger } from '../observe/logger.ts';
import type { VolumeRecord } from '../volumes/volume-record.ts';
import type { VolumeRecords } from '../volumes/volume-records.ts';
import type { RecordedVolumes } from './pool-status.ts';

/** Removes the records of slots that volumes left in it, and of volumes of which nothing was made. */
export async function forgetContents(
  { records, log }: { readonly records: VolumeRecords; readonly log: Logger },
  uuid: string,
): Promise<void> {
  const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
  for (const volume of volumes.filter(({ spec }) => spec.poolUuid === uuid)) {
    // Nobody resets a pool with such a volume; that somebody made its record by hand is no reason to lose it, too.
    if (volume.status.phase === 'Ready')
      log.error('the pool of a volume is no more', { volumeId: volume.spec.volumeId, pool: uuid });
    else await forgetVolume(records, volume);
  }
  for (const slot of slots.filter(({ poolUuid }) => poolUuid === uuid)) await records.removeSlot(slot);
}

/**
 * Volumes whose record reached the store after the reset of their pool: nothing of them was made, and nothing can be, though their
 * node may have begun to try. Whoever asks for one gets a new one.
 * @param name of the pool that was reset
 * @param uuids of all file systems that are pools
 */
export function stragglersOf(
  name: string,
  uuids: ReadonlySet<string | undefined>,
  { volumes }: Pick<RecordedVolumes, 'volumes'>,
): readonly VolumeRecord[] {
  return volumes.filter(({ spec, status }) => {
    return spec.poolName === name && !uuids.has(spec.poolUuid) && status.phase !== 'Ready';
  });
}

export async function forgetVolume(records: VolumeRecords, volume: VolumeRecord): Promise<void> {
  await records.remove(volume.deleting ? volume : await records.update({ ...volume, deleting: true }));
}
