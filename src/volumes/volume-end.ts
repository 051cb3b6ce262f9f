// How a volume ends: nobody works on it any more, then its slot is left, then it is forgotten. What is cut off is done again by
// whoever comes next. Does not ask whether somebody still has it.
import type { Reason } from '../errors.ts';
import type { Pools } from './pool-facts.ts';
import type { VolumeRecord, VolumeStatus } from './volume-record.ts';
import type { VolumeRecords } from './volume-records.ts';

export interface VolumeEndParts {
  readonly records: VolumeRecords;
  readonly pools: Pick<Pools, 'list'>;
}

/** Ends a volume for good. @throws DriverError `record-conflict` when somebody else was quicker */
export async function endVolume(parts: VolumeEndParts, record: VolumeRecord): Promise<void> {
  const { records } = parts;
  const ended = record.deleting ? record : await records.update({ ...record, deleting: true });
  await leaveSlot(parts, ended);
  await records.remove(ended);
}

/** What the mounter refuses when it has looked at what is there, before it makes more. */
const refusedBeforehand: ReadonlySet<Reason> = new Set([
  'out-of-space',
  'log-full',
  'path-too-long',
  'exists-differently',
]);

/** Whether nothing of a volume is in the pool for certain. A process that ended may not have told what it made. */
export function isUnmade({ phase, filesMade, problem }: VolumeStatus): boolean {
  if (phase === 'Pending') return true;
  return phase === 'Creating' && filesMade === 0 && refusedBeforehand.has(problem?.reason ?? 'internal');
}

/**
 * What was made of a volume stays in the pool for good; the record of its slot says so, before the volume's goes. A slot
 * that it was to use again goes back to those that can be: nobody has had it.
 */
async function leaveSlot(
  { records, pools }: VolumeEndParts,
  { name, spec, status }: VolumeRecord,
): Promise<void> {
  const [volumes, slots] = await Promise.all([records.list(), records.slots()]);
  // Left before, by a call that was cut off; the slot may have gone through other hands since.
  if (volumes.some((other) => other.spec.slot === spec.slot && other.spec.volumeId !== spec.volumeId)) return;
  const slot = slots.find((each) => each.slot === spec.slot);
  if (slot !== undefined) {
    if (slot.promisedTo !== name) return;
    if (status.phase !== 'Ready') {
      await records.updateSlot({ ...slot, promisedTo: undefined });
      return;
    }
    await records.removeSlot(slot);
  }
  if (isUnmade(status)) return;
  const pool = (await pools.list()).find(({ uuid }) => uuid === spec.poolUuid);
  const isWhole = status.filesMade === spec.layout.fileCount;
  await records.createSlot({
    slot: spec.slot,
    poolName: spec.poolName,
    poolUuid: spec.poolUuid,
    node: pool?.master ?? spec.node,
    layout: spec.layout,
    formerVolumeId: spec.volumeId,
    phase: pool?.deletedVolumes === 'Reuse' && isWhole ? 'Scrubbing' : 'Kept',
    bytesZeroed: 0n,
    problem: undefined,
    promisedTo: undefined,
  });
}
