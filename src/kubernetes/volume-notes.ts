// What people should be told about a volume who look at its record or at the claim that it was made for. Pure.
import type { ClaimReference } from '../volumes/claim.ts';
import { claimUidOf } from '../volumes/claim.ts';
import type { RecordProblem } from '../volumes/volume-record.ts';
import type { ApiObject } from './api-object.ts';
import { conditionOf, conditionReason, reasonOfCondition } from './conditions.ts';
import type { EventNote } from './event-recorder.ts';
import { endAnnotation, type FamfsVolume } from './famfs-volume.ts';

export interface VolumeSituation {
  /** Why nothing can be made in its pool now. */
  readonly poolProblem: RecordProblem | undefined;
  /** It has not been ready for so long that somebody may wonder. */
  readonly takesLong: boolean;
  /** Why it is not ended, though a person asks for that. */
  readonly endProblem?: RecordProblem | undefined;
  /** People were told that it is not ready. */
  readonly wasTold: boolean;
}

/** What is to be said of a volume, or of the slot that one left; nothing of one that is made as fast as usual. */
export function noteOn(volume: FamfsVolume, situation: VolumeSituation): EventNote | undefined {
  const { metadata, spec, status } = volume;
  const isLive = spec.volume !== undefined && spec.volume.deleting !== true;
  if (isLive && situation.endProblem !== undefined) {
    const { reason, message } = situation.endProblem;
    return { type: 'Warning', reason: conditionReason(reason), message };
  }
  if (isLive && metadata.deletionTimestamp !== undefined) {
    return {
      type: 'Warning',
      reason: 'RecordIsNeeded',
      message: `The record stays as long as its volume, which is deleted with its PersistentVolume. Until then the volume goes on as before. If \`kubectl get pv ${spec.volume?.name}\` finds none, end the volume with \`kubectl annotate famfsvolume ${metadata.name} ${endAnnotation}=${spec.volume?.id}\`.`,
    };
  }
  const ready = conditionOf(status?.conditions, 'Ready');
  if (ready?.status === 'False' && reasonOfCondition(ready.reason) !== undefined)
    return { type: 'Warning', reason: ready.reason, message: ready.message };
  if (spec.volume === undefined || spec.volume.deleting === true) return undefined;
  if (!isUnready(volume)) return situation.wasTold ? done : undefined;
  const { poolProblem, takesLong } = situation;
  if (poolProblem !== undefined)
    return { type: 'Warning', reason: conditionReason(poolProblem.reason), message: poolProblem.message };
  return takesLong ? progressOf(volume) : undefined;
}

/** Whether it is a volume that is still to be made. */
export function isUnready({ spec, status }: FamfsVolume): boolean {
  return spec.volume !== undefined && spec.volume.deleting !== true && status?.phase !== 'Ready';
}

/** The claim as the subject of an event. `kubectl describe` finds it by its uid. */
export function claimObject({ namespace, name }: ClaimReference, volumeName: string): ApiObject {
  const uid = claimUidOf(volumeName);
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace, name, ...(uid === undefined ? {} : { uid }) },
  };
}

const done: EventNote = {
  type: 'Normal',
  reason: 'VolumeReady',
  message: 'The volume is made, filled with zeros and can be used.',
};

/** Without numbers that change: the same sentence is counted, another one is a new event. */
function progressOf({ spec: { nodeName, poolName, layout }, status }: FamfsVolume): EventNote {
  const files = layout.fileCount === 1 ? 'its file' : `its ${layout.fileCount} files`;
  switch (status?.phase) {
    case 'Creating':
      return {
        type: 'Normal',
        reason: 'MakingFiles',
        message: `Node ${nodeName} makes ${files} in pool ${poolName}.`,
      };
    case 'Zeroing':
      return {
        type: 'Normal',
        reason: 'FillingWithZeros',
        message: `Node ${nodeName} has made ${files} in pool ${poolName} and fills them with zeros, which takes its time for large volumes; the volume can be used when that is done.`,
      };
    default:
      return {
        type: 'Normal',
        reason: 'WaitingForNode',
        message: `Node ${nodeName}, the master of pool ${poolName}, is asked to make ${files} and has not begun.`,
      };
  }
}
