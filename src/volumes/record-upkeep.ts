// Puts records right that nobody calls for: work follows a pool's master, and what a write that was long on its way has left
// goes. Every step can be repeated, by several processes at once.
import { isRecordConflict } from '../errors.ts';
import type { PoolFacts, Pools } from './pool-facts.ts';
import type { VolumeRecord } from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';

/**
 * Names the master in the record of a volume that is not ready. A record that is gone, or that the master is at work on,
 * stays as it is.
 */
export async function followMaster(
  records: VolumeRecords,
  name: string,
  pool: PoolFacts | undefined,
): Promise<void> {
  const master = pool?.master;
  if (master === undefined) return;
  for (let attempt = 1; attempt <= 5; attempt++) {
    const record = await records.get(name);
    if (record === undefined || isDone(record) || record.spec.node === master) return;
    if (await isWritten(records.update({ ...record, spec: { ...record.spec, node: master } }))) return;
  }
}

/**
 * Looks after all records. For who does so now and then: nobody calls for a slot that waits to be zeroed.
 */
export async function tendRecords(records: VolumeRecords, pools: Pools): Promise<void> {
  const byUuid = new Map((await pools.list()).map((pool) => [pool.uuid, pool]));
  const volumes = await records.list();
  for (const record of volumes)
    if (!isDone(record)) await followMaster(records, record.name, byUuid.get(record.spec.poolUuid));
  const owned = new Set(volumes.filter(isHandedOut).map(({ spec }) => spec.slot));
  for (const slot of await records.slots()) {
    const master = byUuid.get(slot.poolUuid)?.master;
    // A slot has a record of its own only while no volume has it.
    if (owned.has(slot.slot)) await isWritten(records.removeSlot(slot));
    else if (slot.phase === 'Scrubbing' && master !== undefined && master !== slot.node)
      await isWritten(records.updateSlot({ ...slot, node: master }));
  }
}

function isHandedOut({ deleting, status }: VolumeRecord): boolean {
  return !deleting && status.phase === 'Ready';
}

function isDone({ deleting, status }: VolumeRecord): boolean {
  return deleting || status.phase === 'Ready';
}

/** Whether a conditional write got through; false when somebody was quicker. */
async function isWritten(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (isRecordConflict(error)) return false;
    throw error;
  }
}
