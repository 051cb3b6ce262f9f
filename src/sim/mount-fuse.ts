// Mounts a pool in fuse mode as `famfs mount --fuse` does, step by step and with its words for every failure
// (famfs reference 1.2). Must not know options.
import { mkdtempSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import { logOffsetBytes, parseSuperblock } from '../famfs/superblock.ts';
import { atEffect } from '../linux/effect-point.ts';
import type { CommandContext } from './command-context.ts';
import { hasKernelModule } from './famfs-mode.ts';
import { readLogThrough, readSuperblockThrough } from './mounted-pool.ts';
import type { NodeDevice } from './node.ts';
import { roleOfNode } from './pool-identity.ts';
import { replayLog } from './replay-log.ts';
import { addDirectory, addFile, createShadow } from './shadow.ts';
import { findMountsOfDevice, type SimulatedMount } from './simulated-mount.ts';
import { spawnDaemon } from './spawn-daemon.ts';

/** What famfs answers when a failed mount could not be taken away either. */
export const stillMounted = 99;
const unmountTries = 10;
const releasePollMs = 5;
const releaseWaitMs = 1000;

/** A mount to be made. `isDummy` stops before the replay and does without a superblock. */
export interface FuseMountRequest {
  readonly device: NodeDevice;
  readonly mountPoint: string;
  readonly shadow?: string | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly allowOther?: boolean;
  readonly defaultPermissions?: boolean;
  readonly isDummy: boolean;
}

/** Mounts; returns 0, or famfs's result after its messages. 99 leaves a mount behind, as the real one does. */
export async function mountFuseMode(context: CommandContext, request: FuseMountRequest): Promise<number> {
  const { device, mountPoint } = request;
  const shown = shownMountPoint(context, device);
  if (shown !== undefined) {
    context.complain(`famfs_mount_fuse: cannot mount while ${device.path} is mounted on ${shown}`);
    return -1;
  }
  const shadow = prepareShadow(context, request.shadow);
  if (shadow === undefined) return -1;
  const mount = await startDaemon(context, request, shadow);
  if (mount === undefined) {
    context.complain(
      `famfs_mount_fuse: famfs_fused appears to have crashed (no response on ${path.join(shadow, 'sock')})`,
    );
    context.complain('famfs_mount_fuse: unmounting due to error');
    context.complain(`famfs_mount_fuse: umount failed for ${mountPoint} (errno=22)`);
    return stillMounted;
  }
  addMetaDirectory(mount);
  const found = { mount, mountPoint, rootWithin: '/' };
  const superblock = readSuperblockThrough(found);
  if (superblock === undefined) {
    const file = path.join(mountPoint, '.meta/.superblock');
    context.complain(
      `famfs_mmap_whole_file: mmap(${file}) not readable ** Kernel and libfuse are likely incompatible! **`,
    );
    context.complain('famfs_mount_fuse: failed to mmap superblock file');
    return await giveUp(context, mountPoint);
  }
  const role = roleOfNode(context, superblock);
  if (role === 'none') {
    if (request.isDummy) return 0;
    context.complain('famfs_mount_fuse: unmounting due to error');
    const { unmount } = await import('../linux/mounts.ts');
    unmount(mountPoint);
    return -1;
  }
  addMetaLog(mount, parseSuperblock(superblock).logLengthBytes, role === 'master');
  if (request.isDummy) return 0;
  const log = readLogThrough(found);
  const options = { isDryRun: false, asClient: false };
  if (log !== undefined && replayLog(context, mount, superblock, log, options) === 0) return 0;
  context.complain('famfs_mount_fuse: failed to play the log');
  return await giveUp(context, mountPoint);
}

/** Where famfs's own, textual look at the mount table finds a device mounted: at paths that say "famfs" only. */
export function shownMountPoint(context: CommandContext, device: NodeDevice): string | undefined {
  const mounts = findMountsOfDevice(context.node, device.name);
  const shown = mounts.find(
    ({ mount, mountPoint }) => mount.mode === 'standalone' || mountPoint.includes('famfs'),
  );
  return shown?.mountPoint;
}

/**
 * Waits until the daemon of a mount that was just taken away has let go of the device, which the kernel of a real
 * node does within milliseconds. Does not wait for a mount that this process can see.
 */
export async function waitForRelease(context: CommandContext, device: NodeDevice): Promise<void> {
  const { isDeviceHeld } = await import('./device-holder.ts');
  const deadline = performance.now() + releaseWaitMs;
  while (isDeviceHeld(context.node, device.name) && performance.now() < deadline) {
    if (findMountsOfDevice(context.node, device.name).length > 0) return;
    await delay(releasePollMs);
  }
}

/** Adds `.meta` with the superblock, which is how the bytes of both become visible in a mount. */
export function addMetaDirectory(mount: SimulatedMount): void {
  addDirectory(mount, '.meta', { mode: 0o755, uid: 0, gid: 0 });
  const superblock = { sizeBytes: logOffsetBytes, mode: 0o644, uid: 0, gid: 0 };
  addFile(mount, '.meta/.superblock', {
    ...superblock,
    extents: [{ offsetBytes: 0n, lengthBytes: logOffsetBytes }],
  });
}

/** Adds `.meta/.log`, writable by its owner on the master only. */
export function addMetaLog(mount: SimulatedMount, logLengthBytes: bigint, isMaster: boolean): void {
  const log = { sizeBytes: logLengthBytes, mode: isMaster ? 0o644 : 0o444, uid: 0, gid: 0 };
  addFile(mount, '.meta/.log', {
    ...log,
    extents: [{ offsetBytes: logOffsetBytes, lengthBytes: logLengthBytes }],
  });
}

/** Ten vain tries to unmount, for as long as the context's patience says; the mount stays. */
export async function giveUp(context: CommandContext, mountPoint: string): Promise<number> {
  context.complain('famfs_mount_fuse: unmounting due to error');
  for (let attempt = 1; attempt <= unmountTries; attempt += 1) {
    // Each wait is twice the one before, as in famfs.
    await delay((context.patienceMs * 2 ** (attempt - 1)) / (2 ** unmountTries - 1));
    context.print(`famfs_umount: retry ${attempt}`);
  }
  context.complain(`famfs_mount_fuse: umount failed for ${mountPoint} (errno=16)`);
  return stillMounted;
}

function prepareShadow(context: CommandContext, wanted: string | undefined): string | undefined {
  const shadow = wanted ?? makeShadowDirectory(context);
  try {
    if (statSync(shadow).isDirectory()) {
      createShadow(shadow);
      return shadow;
    }
  } catch {
    // Whatever is wrong with it, famfs has one message.
  }
  context.complain(`famfs_mount_fuse: failed to create shadow root path ${path.join(shadow, 'root')}`);
  return undefined;
}

function makeShadowDirectory(context: CommandContext): string {
  return atEffect('mkdir shadow', () => mkdtempSync(path.join(context.temporaryDirectory, 'famfs_shadow_')));
}

async function startDaemon(
  context: CommandContext,
  request: FuseMountRequest,
  shadow: string,
): Promise<SimulatedMount | undefined> {
  if (!hasKernelModule(context, 'fuse')) return undefined;
  await waitForRelease(context, request.device);
  const { timeoutSeconds, allowOther = true, defaultPermissions = true } = request;
  try {
    return await spawnDaemon({
      node: context.node,
      source: request.device.path,
      mountPoint: request.mountPoint,
      shadow,
      mode: 'fuse',
      allowOther,
      defaultPermissions,
      ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    });
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    context.complain(`famfs simulator: ${error.message}`);
    return undefined;
  }
}
