// Records of volumes and slots as FamfsVolume objects, and back (docs/adr/0015). Pure.
import { createHash } from 'node:crypto';
import type { PoolUuid } from '../volumes/ids.ts';
import type { DeletedVolumes } from '../volumes/pool-facts.ts';
import type { SlotLayout } from '../volumes/slot-layout.ts';
import {
  newStatus,
  type RecordProblem,
  type SlotPhase,
  type SlotRecord,
  slotPath,
  type VolumePhase,
  type VolumeRecord,
  type VolumeStatus,
} from '../volumes/volume-record.ts';
import { apiVersion } from './api-object.ts';
import { conditionOf, conditionReason, reasonOfCondition, withCondition } from './conditions.ts';
import type { FamfsVolume, FamfsVolumeLayout, FamfsVolumeSpec, FamfsVolumeStatus } from './famfs-volume.ts';
import { bytesOf, quantityOf } from './quantity.ts';

/** Keeps a person from deleting the record of a volume that lives. */
export const volumeFinalizer = 'famfs.io/volume';

const slotPrefix = 'slot-';
const digestPrefix = 'name-';
const longestName = 63;
const dnsName = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

/** The name of a volume's object: the CSI name itself wherever Kubernetes allows it, else a digest of it. */
export function objectNameOf(name: string): string {
  const isOurs = name.startsWith(slotPrefix) || name.startsWith(digestPrefix);
  if (!isOurs && name.length <= longestName && dnsName.test(name)) return name;
  return digestPrefix + createHash('sha256').update(name).digest('hex').slice(0, 32);
}

/** The name of the object of a slot that a volume left. */
export function slotObjectNameOf(slot: string): string {
  return slotPrefix + slot;
}

/** The object of a new volume, without what its node reports. */
export function objectOfVolume(record: Omit<VolumeRecord, 'version'>): FamfsVolume {
  return {
    apiVersion,
    kind: 'FamfsVolume',
    metadata: { name: objectNameOf(record.name), finalizers: [volumeFinalizer] },
    spec: specOfVolume(record),
  };
}

/** The object of a slot, without what its node reports. */
export function objectOfSlot(record: Omit<SlotRecord, 'version'>): FamfsVolume {
  return {
    apiVersion,
    kind: 'FamfsVolume',
    metadata: { name: slotObjectNameOf(record.slot) },
    spec: specOfSlot(record, record.phase === 'Kept' ? 'Keep' : 'Reuse'),
  };
}

/** What the controller says of a volume. */
export function specOfVolume({ name, deleting, spec }: Omit<VolumeRecord, 'version'>): FamfsVolumeSpec {
  const { requiredBytes, limitBytes } = spec.range;
  const { access, claim } = spec;
  return {
    poolName: spec.poolName,
    poolUUID: spec.poolUuid,
    nodeName: spec.node,
    slot: spec.slot,
    layout: layoutObject(spec.layout),
    ...(claim === undefined ? {} : { claim }),
    volume: {
      name,
      id: spec.volumeId,
      requiredSize: quantityOf(requiredBytes),
      ...(limitBytes === 0n ? {} : { limitSize: quantityOf(limitBytes) }),
      access,
      ...(deleting ? { deleting } : {}),
    },
  };
}

/**
 * What the controller says of a slot.
 * @param deletedVolumes the rule of its pool on the day on which it was left
 */
export function specOfSlot(
  record: Omit<SlotRecord, 'version'>,
  deletedVolumes: DeletedVolumes,
): FamfsVolumeSpec {
  const { promisedTo } = record;
  return {
    poolName: record.poolName,
    poolUUID: record.poolUuid,
    nodeName: record.node,
    slot: record.slot,
    layout: layoutObject(record.layout),
    leftover: {
      formerVolumeID: record.formerVolumeId,
      deletedVolumes,
      ...(promisedTo === undefined ? {} : { promisedTo }),
    },
  };
}

/** What the node reports of a volume. */
export function statusOfVolume(
  { spec, status }: Pick<VolumeRecord, 'spec' | 'status'>,
  previous: FamfsVolumeStatus | undefined,
  now: Date,
): FamfsVolumeStatus {
  const { phase, filesMade, bytesZeroed, logEntries, problem } = status;
  return {
    phase,
    filesMade,
    zeroed: quantityOf(bytesZeroed),
    logEntries,
    path: slotPath(spec.slot),
    conditions: readiness(phase, problem, volumeSentence(status, spec.layout), previous, now),
  };
}

/** What the node reports of a slot. */
export function statusOfSlot(
  { slot, phase, bytesZeroed, problem }: Omit<SlotRecord, 'version'>,
  previous: FamfsVolumeStatus | undefined,
  now: Date,
): FamfsVolumeStatus {
  return {
    phase,
    zeroed: quantityOf(bytesZeroed),
    path: slotPath(slot),
    conditions: readiness(phase, problem, slotSentences[phase], previous, now),
  };
}

/**
 * The volume that an object is the record of; undefined for the object of a slot.
 * @throws DriverError `invalid-argument` for sizes that are none
 */
export function volumeOfObject({ metadata, spec, status }: FamfsVolume): VolumeRecord | undefined {
  const { volume } = spec;
  if (volume === undefined) return undefined;
  return {
    name: volume.name,
    version: metadata.resourceVersion ?? '',
    deleting: volume.deleting === true,
    spec: {
      volumeId: volume.id,
      poolName: spec.poolName,
      poolUuid: spec.poolUUID as PoolUuid,
      slot: spec.slot,
      node: spec.nodeName,
      layout: layoutOfObject(spec.layout),
      range: {
        requiredBytes: bytesOf(volume.requiredSize),
        limitBytes: volume.limitSize === undefined ? 0n : bytesOf(volume.limitSize),
      },
      access: volume.access,
      claim: spec.claim,
    },
    status: status === undefined ? newStatus : volumeStatusOf(status),
  };
}

/**
 * The slot that an object is the record of; undefined for the object of a volume.
 * @throws DriverError `invalid-argument` for sizes that are none
 */
export function slotOfObject({ metadata, spec, status }: FamfsVolume): SlotRecord | undefined {
  const { leftover } = spec;
  if (leftover === undefined) return undefined;
  const unreported: SlotPhase = leftover.deletedVolumes === 'Reuse' ? 'Scrubbing' : 'Kept';
  return {
    slot: spec.slot,
    version: metadata.resourceVersion ?? '',
    poolName: spec.poolName,
    poolUuid: spec.poolUUID as PoolUuid,
    node: spec.nodeName,
    layout: layoutOfObject(spec.layout),
    formerVolumeId: leftover.formerVolumeID,
    phase: isSlotPhase(status?.phase) ? status.phase : unreported,
    bytesZeroed: bytesOf(status?.zeroed ?? '0'),
    problem: problemOf(status),
    promisedTo: leftover.promisedTo,
  };
}

function volumeStatusOf(status: FamfsVolumeStatus): VolumeStatus {
  const { phase, filesMade = 0, zeroed = '0', logEntries = 0 } = status;
  return {
    phase: isVolumePhase(phase) ? phase : 'Pending',
    filesMade,
    bytesZeroed: bytesOf(zeroed),
    logEntries,
    problem: problemOf(status),
  };
}

const volumePhases: Readonly<Record<VolumePhase, true>> = {
  Pending: true,
  Creating: true,
  Zeroing: true,
  Ready: true,
};

const slotSentences: Readonly<Record<SlotPhase, string>> = {
  Kept: 'The volume that was here is deleted; its memory is never used again.',
  Scrubbing:
    'The volume that was here is deleted; its memory is filled with zeros when no node has it any more.',
  Reusable: 'Filled with zeros; the next volume of the same layout gets it.',
};

function isVolumePhase(phase: string): phase is VolumePhase {
  return Object.hasOwn(volumePhases, phase);
}

function isSlotPhase(phase: string | undefined): phase is SlotPhase {
  return phase !== undefined && Object.hasOwn(slotSentences, phase);
}

function volumeSentence({ phase, filesMade }: VolumeStatus, { fileCount }: SlotLayout): string {
  switch (phase) {
    case 'Pending':
      return 'The node has not begun.';
    case 'Creating':
      return `${filesMade} of ${fileCount} files are made.`;
    case 'Zeroing':
      return 'The files are made and are being filled with zeros.';
    case 'Ready':
      return 'All files are made, filled with zeros and readable.';
  }
}

/** A problem stands in the condition `Ready`; without one, its reason is the phase. */
function readiness(
  phase: VolumePhase | SlotPhase,
  problem: RecordProblem | undefined,
  sentence: string,
  previous: FamfsVolumeStatus | undefined,
  now: Date,
) {
  const isUsable = problem === undefined && (phase === 'Ready' || phase === 'Reusable');
  return withCondition(
    previous?.conditions,
    {
      type: 'Ready',
      status: isUsable ? 'True' : 'False',
      reason: problem === undefined ? phase : conditionReason(problem.reason),
      message: problem?.message ?? sentence,
    },
    now,
  );
}

function problemOf(status: FamfsVolumeStatus | undefined): RecordProblem | undefined {
  const condition = conditionOf(status?.conditions, 'Ready');
  if (condition?.status !== 'False') return undefined;
  const { reason: word, message } = condition;
  const reason = reasonOfCondition(word);
  if (reason !== undefined) return { reason, message };
  // A newer agent may know a reason that this program does not.
  return isVolumePhase(word) || isSlotPhase(word) ? undefined : { reason: 'internal', message };
}

function layoutObject({ kind, fileCount, fileSizeBytes, fileMode, owner }: SlotLayout): FamfsVolumeLayout {
  return {
    kind,
    fileCount,
    fileSize: quantityOf(fileSizeBytes),
    fileMode: fileMode.toString(8).padStart(4, '0'),
    ...(owner ?? {}),
  };
}

function layoutOfObject({ kind, fileCount, fileSize, fileMode, uid, gid }: FamfsVolumeLayout): SlotLayout {
  return {
    kind,
    fileCount,
    fileSizeBytes: bytesOf(fileSize),
    fileMode: Number.parseInt(fileMode, 8),
    owner: uid === undefined || gid === undefined ? undefined : { uid, gid },
  };
}
