// FamfsVolume: the record of a provisioned volume, or of the slot that a deleted one left behind (docs/adr/0015). The
// controller writes the spec, the agent of the node that the spec names writes the status. Held against the CRD by a test.
import type { ClaimReference } from '../volumes/claim.ts';
import type { LayoutKind } from '../volumes/class-parameters.ts';
import type { DeletedVolumes } from '../volumes/pool-facts.ts';
import type { SlotPhase, VolumePhase } from '../volumes/volume-record.ts';
import type { WritableAccess } from '../volumes/writers.ts';
import type { ApiObject, Condition } from './api-object.ts';

/** Sizes are quantities. */
export interface FamfsVolumeLayout {
  /** `file`: one file named data. `files`: data-0000 and so on, also when there is only one. */
  readonly kind: LayoutKind;
  readonly fileCount: number;
  readonly fileSize: string;
  /** Octal text such as "0644". */
  readonly fileMode: string;
  readonly uid?: number;
  readonly gid?: number;
}

export interface FamfsVolumeSpec {
  readonly poolName: string;
  readonly poolUUID: string;
  /** The node that makes it, the pool's master when the controller last looked: the one that may write the status. */
  readonly nodeName: string;
  /** The directory in the pool is v/SLOT. */
  readonly slot: string;
  readonly layout: FamfsVolumeLayout;
  /** Of a volume: the claim that it was made for, when the provisioner says (--extra-create-metadata). */
  readonly claim?: ClaimReference;
  /** Of a volume: CreateVolumeRequest.name, its id, and what was asked for. Missing in the record of a slot. */
  readonly volume?: {
    readonly name: string;
    readonly id: string;
    readonly requiredSize: string;
    /** Missing: no limit. */
    readonly limitSize?: string;
    /** How it may be written, as its pool allowed it when it was made. */
    readonly access: WritableAccess;
    /** Deletion has been asked for; never taken back. */
    readonly deleting?: boolean;
  };
  /** Of a slot that a volume left: whose it was, what is to become of it, and the volume it is promised to. */
  readonly leftover?: {
    readonly formerVolumeID: string;
    readonly deletedVolumes: DeletedVolumes;
    readonly promisedTo?: string;
  };
}

export interface FamfsVolumeStatus {
  readonly phase: VolumePhase | SlotPhase;
  readonly filesMade?: number;
  readonly zeroed?: string;
  /** How long the log was when the last file was in it. */
  readonly logEntries?: number;
  /** The directory, relative to the pool's root. */
  readonly path?: string;
  /** `Ready`: True when it can be used; False with the reason of src/errors.ts in CamelCase. */
  readonly conditions?: readonly Condition[];
}

/**
 * `famfs.io/end: VOLUME_ID` ends a volume that no PersistentVolume is of: external-provisioner forgets one whose claim was deleted while
 * it was down, before there was a PersistentVolume (kubernetes-csi/external-provisioner#486). It counts while it names this life.
 */
export const endAnnotation = 'famfs.io/end';

export interface FamfsVolume extends ApiObject {
  readonly kind: 'FamfsVolume';
  readonly spec: FamfsVolumeSpec;
  /** Missing until the node reports: then a volume is Pending, and a leftover Kept or Scrubbing as its spec says. */
  readonly status?: FamfsVolumeStatus;
}
