// What is known of a volume that was provisioned, and of the slot of one that was deleted. Says nothing of where records
// are kept: API objects on Kubernetes, a file for a single host.
import { randomBytes } from 'node:crypto';
import type { Reason } from '../errors.ts';
import type { ClaimReference } from './claim.ts';
import type { PoolUuid } from './ids.ts';
import type { SizeRange, SlotLayout } from './slot-layout.ts';
import type { WritableAccess } from './writers.ts';

/** `Pending`: nothing begun. `Ready`: all files made, zeroed and readable on the master. */
export type VolumePhase = 'Pending' | 'Creating' | 'Zeroing' | 'Ready';

/** Why work on a record does not go on. */
export interface RecordProblem {
  readonly reason: Reason;
  readonly message: string;
}

/** Fixed before any work begins; only `node` may follow the pool's master. */
export interface VolumeSpec {
  /** of one life: a volume of the same name that is created again has another */
  readonly volumeId: string;
  readonly poolName: string;
  readonly poolUuid: PoolUuid;
  readonly slot: string;
  /** the node that makes it: the pool's master when the controller last looked */
  readonly node: string;
  readonly layout: SlotLayout;
  readonly range: SizeRange;
  /** as the pool allowed it when the volume was made */
  readonly access: WritableAccess;
  /** whose volume it is; undefined when nobody says */
  readonly claim: ClaimReference | undefined;
}

/** What the master reports. */
export interface VolumeStatus {
  readonly phase: VolumePhase;
  readonly filesMade: number;
  readonly bytesZeroed: bigint;
  /** how long the log was when the last file was in it; a client has to have replayed as far */
  readonly logEntries: number;
  readonly problem: RecordProblem | undefined;
}

export interface VolumeRecord {
  /** what the orchestrator calls it (CreateVolumeRequest.name): the key */
  readonly name: string;
  /** changes with every write; who writes says which version it read */
  readonly version: string;
  /** deletion has been asked for; it is never taken back */
  readonly deleting: boolean;
  readonly spec: VolumeSpec;
  readonly status: VolumeStatus;
}

/** `Kept`: never used again. `Scrubbing`: being zeroed. `Reusable`: zero from end to end, and verified. */
export type SlotPhase = 'Kept' | 'Scrubbing' | 'Reusable';

/** The files of a volume that is no more: famfs cannot give their space back. */
export interface SlotRecord {
  readonly slot: string;
  readonly version: string;
  readonly poolName: string;
  readonly poolUuid: PoolUuid;
  readonly node: string;
  readonly layout: SlotLayout;
  /** the volume whose slot it was; nodes may still have it mounted */
  readonly formerVolumeId: string;
  readonly phase: SlotPhase;
  readonly bytesZeroed: bigint;
  readonly problem: RecordProblem | undefined;
  /** the name of a new volume that has been promised this slot */
  readonly promisedTo: string | undefined;
}

export const newStatus: VolumeStatus = {
  phase: 'Pending',
  filesMade: 0,
  bytesZeroed: 0n,
  logEntries: 0,
  problem: undefined,
};

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** 16 characters of lower-case base32: 80 random bits (design 5). */
export function newId(): string {
  let bits = BigInt(`0x${randomBytes(10).toString('hex')}`);
  let name = '';
  for (let index = 0; index < 16; index++) {
    name += base32[Number(bits & 31n)];
    bits >>= 5n;
  }
  return name;
}

export function newSlotName(): string {
  return newId();
}

/** The id of one life of a volume. Opaque: nothing is read out of it. */
export function newVolumeId(poolUuid: PoolUuid): string {
  return `${poolUuid}.${newId()}`;
}

/** The directory of a slot, relative to the pool's root. */
export function slotPath(slot: string): string {
  return `v/${slot}`;
}
