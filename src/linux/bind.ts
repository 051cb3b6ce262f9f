// A bind mount as one atomic step: prepared while it is attached nowhere, then attached as it shall be. Knows no
// volumes and no paths: both ends are descriptors that the caller has reached under its own rules.
import { atEffect } from './effect-point.ts';
import { closeFd } from './file-descriptor.ts';
import { mountIdOf } from './mount-id.ts';
import { mountAttributes, moveMount, openTree, setMountAttributes } from './mounts.ts';

/** What a bind shall be; an attribute that is not given stays as the source mount has it. */
export interface CloneAttributes {
  readonly readOnly?: boolean;
  readonly nosuid?: boolean;
  readonly nodev?: boolean;
  readonly noexec?: boolean;
}

export interface CloneOrder {
  /** names the directory or file that becomes the root of the new mount */
  readonly sourceFd: number;
  /** names the directory (or file, for a file) to attach it on */
  readonly targetFd: number;
  readonly attributes: CloneAttributes;
  /**
   * Called with the id of the mount when it is complete but attached nowhere: the place for a record of it that must
   * exist before it does. When it throws, nothing is attached.
   */
  readonly beforeAttach?: (mountId: bigint) => void;
  /** What effect points call it (effect-point.ts). */
  readonly label?: string;
}

/**
 * Attaches a private copy of what `sourceFd` names at `targetFd` (open_tree(2), mount_setattr(2), move_mount(2)).
 * There is no moment at which it is visible with other attributes, and no path is resolved: what is bound, and where,
 * was settled when the descriptors were opened. The copy takes no part in propagation from its source, but is
 * propagated to copies of the target's mount. The descriptors stay the caller's; close them before unmounting, since
 * a descriptor on a mount keeps it busy.
 *
 * @returns the unique id of the new mount
 * @throws SyscallError, and whatever `beforeAttach` throws; nothing is attached then
 */
export function attachClone(order: CloneOrder): { mountId: bigint } {
  const { sourceFd, targetFd, attributes, beforeAttach, label = 'mount' } = order;
  const treeFd = atEffect(`clone ${label}`, () => openTree(sourceFd, { clone: true }));
  try {
    setMountAttributes(treeFd, { ...attributeChange(attributes), propagation: 'private' });
    const { mountId } = mountIdOf(treeFd);
    beforeAttach?.(mountId);
    atEffect(`attach ${label}`, () => moveMount(treeFd, targetFd));
    return { mountId };
  } finally {
    // While it is attached nowhere this ends the copy; afterwards it merely stops keeping it busy.
    closeFd(treeFd);
  }
}

function attributeChange(attributes: CloneAttributes): { set: number; clear: number } {
  let set = 0;
  let clear = 0;
  for (const name of ['readOnly', 'nosuid', 'nodev', 'noexec'] as const) {
    if (attributes[name] === true) set |= mountAttributes[name];
    if (attributes[name] === false) clear |= mountAttributes[name];
  }
  return { set, clear };
}
