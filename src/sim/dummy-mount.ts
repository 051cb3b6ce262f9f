// The temporary mount that famfs makes under /tmp to reach an unmounted device (mkfs.famfs, famfs fsck DEV). While
// the device is free the simulator only takes hold of it: the mount would be gone before anybody looked. Where the
// device is held, it is made, broken as it is, and stays. Must not know what is done with the device.
import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import type { CommandContext } from './command-context.ts';
import { readSuperblockBytes } from './device.ts';
import { type FamfsMode, hasKernelModule } from './famfs-mode.ts';
import { mountFuseMode, shownMountPoint, waitForRelease } from './mount-fuse.ts';
import { standaloneDummyProblem } from './mount-standalone.ts';
import type { NodeDevice } from './node.ts';
import { roleOfNode } from './pool-identity.ts';

const busy = -16;

/** Whose dummy mount it is: mkfs.famfs does without a superblock in standalone mode, famfs fsck does not. */
export interface DummyMountRequest {
  readonly device: NodeDevice;
  readonly mode: FamfsMode;
  readonly needsSuperblock: boolean;
}

/** Where a dummy mount would be seen. */
export interface DummyMount {
  readonly mountPoint: string;
  readonly shadow: string | undefined;
}

/**
 * Does `work` while the device is held by a dummy mount, and returns its result; or a famfs result, after messages,
 * when there can be no such mount. Directories in the temporary directory stay behind, as the real ones do.
 */
export async function withDummyMount(
  context: CommandContext,
  request: DummyMountRequest,
  onFailure: (result: number) => number,
  work: (dummy: DummyMount) => number,
): Promise<number> {
  const { device, mode } = request;
  const mountPoint = mkdtempSync(path.join(context.temporaryDirectory, 'famfs_dummy_'));
  const problem = mode === 'fuse' ? undefined : standaloneDummyProblem(context, device);
  if (problem !== undefined) return onFailure(problem);
  const isShown = mode === 'fuse' && shownMountPoint(context, device) !== undefined;
  const hold = isShown ? undefined : await holdDevice(context, device, mode);
  if (hold === undefined && mode === 'fuse') {
    const result = await mountFuseMode(context, { device, mountPoint, isDummy: true });
    context.complain(`famfs_dummy_mount: dummy mount failed for ${device.path} at ${mountPoint}`);
    return onFailure(result === 0 ? -1 : result);
  }
  if (hold === undefined) {
    context.complain(
      `famfs_dummy_mount_v1: mount failed for ${device.path} at ${mountPoint} (errno=${-busy})`,
    );
    return onFailure(busy);
  }
  try {
    const shadow =
      mode === 'fuse' ? mkdtempSync(path.join(context.temporaryDirectory, 'famfs_shadow_')) : undefined;
    const role = roleOfNode(context, readSuperblockBytes(device.device));
    if (role === 'none' && request.needsSuperblock && mode === 'standalone') {
      context.complain(`famfs_dummy_mount_v1: no valid famfs superblock on ${device.path}`);
      return onFailure(-1);
    }
    return work({ mountPoint, shadow });
  } finally {
    hold.release();
  }
}

async function holdDevice(
  context: CommandContext,
  device: NodeDevice,
  mode: FamfsMode,
): Promise<{ release: () => void } | undefined> {
  if (mode === 'fuse' && !hasKernelModule(context, 'fuse')) return undefined;
  await waitForRelease(context, device);
  const { tryHoldDevice } = await import('./device-holder.ts');
  return tryHoldDevice(context.node, device.name);
}
