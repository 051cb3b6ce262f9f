// Whether a publish is writable, and whether it must be the only one: out of access mode, read-only flag and what
// the volume allows. Knows the modes by their CSI names, not their numbers; whether the node allows writes is the
// mounter's to say.
import { DriverError } from '../errors.ts';
import type { VolumeAccess } from './volume-context.ts';

/** The access modes of CSI 1.13, with what each means for a node. */
const modes = {
  SINGLE_NODE_WRITER: { writer: true, soleTarget: true },
  SINGLE_NODE_READER_ONLY: { writer: false, soleTarget: true },
  MULTI_NODE_READER_ONLY: { writer: false, soleTarget: false },
  MULTI_NODE_SINGLE_WRITER: { writer: true, soleTarget: false },
  MULTI_NODE_MULTI_WRITER: { writer: true, soleTarget: false },
  SINGLE_NODE_SINGLE_WRITER: { writer: true, soleTarget: true },
  SINGLE_NODE_MULTI_WRITER: { writer: true, soleTarget: false },
} as const;

export type AccessMode = keyof typeof modes;

export function isAccessMode(text: string | undefined): text is AccessMode {
  return text !== undefined && Object.hasOwn(modes, text);
}

export interface AccessRequest {
  readonly mode: AccessMode;
  /** The read-only flag of the request, or `ro` among the mount flags. */
  readonly readOnly: boolean;
  /** What the volume's own attributes say. */
  readonly access: VolumeAccess;
}

export interface AccessDecision {
  readonly writable: boolean;
  /** The volume may have one target on this node (second table of NodePublishVolume in the specification). */
  readonly soleTarget: boolean;
  /** Writable only where a writer cannot stop the pool. */
  readonly onlySafely: boolean;
}

/** Whether an access mode has a writer. */
export function isWriter(mode: AccessMode): boolean {
  return modes[mode].writer;
}

/**
 * Decides how to publish.
 * @throws {DriverError} writes-refused when a writer is asked for and the volume is not meant to be written.
 */
export function decideAccess({ mode, readOnly, access }: AccessRequest): AccessDecision {
  const { writer, soleTarget } = modes[mode];
  const wantsToWrite = writer && !readOnly;
  if (wantsToWrite && access === 'ro') {
    throw new DriverError(
      'writes-refused',
      `the access mode ${mode} asks for a writable volume, and this one is read-only: famfs volumes are unless they ` +
        'say otherwise. Use the access mode ReadOnlyMany in the claim and the volume, or set readOnly: true ' +
        'in the volume or the pod; where pods really have to write, set access: rw among the volumeAttributes ' +
        'and let the node allow it (--allow-writes of the mounter)',
    );
  }
  return { writable: wantsToWrite, soleTarget, onlySafely: wantsToWrite && access === 'rw-safe' };
}
