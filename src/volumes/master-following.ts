// Lets the work on a pool follow its master: records name the node that does it, and another may have become master since.
import { DriverError } from '../errors.ts';
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
 * Names the masters in all records of work that is not done, volumes and slots. For who looks after records now and then:
 * nobody calls for a slot that waits to be zeroed.
 */
export async function followMasters(records: VolumeRecords, pools: Pools): Promise<void> {
  const byUuid = new Map((await pools.list()).map((pool) => [pool.uuid, pool]));
  for (const record of await records.list())
    if (!isDone(record)) await followMaster(records, record.name, byUuid.get(record.spec.poolUuid));
  for (const slot of await records.slots()) {
    const master = byUuid.get(slot.poolUuid)?.master;
    if (slot.phase !== 'Scrubbing' || master === undefined || master === slot.node) continue;
    await isWritten(records.updateSlot({ ...slot, node: master }));
  }
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
    if (error instanceof DriverError && error.reason === 'record-conflict') return false;
    throw error;
  }
}
