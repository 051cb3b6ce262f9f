// Mounts a pool in standalone mode as `famfs mount --nofuse` does, with its words for every failure (famfs reference
// 1.2, famfs kernel reference 2 and 12). Must not know options.
import { DriverError } from '../errors.ts';
import { parseSuperblock } from '../famfs/superblock.ts';
import type { CommandContext } from './command-context.ts';
import { isStandaloneModuleLoaded } from './famfs-mode.ts';
import { addMetaDirectory, addMetaLog, shownMountPoint, waitForRelease } from './mount-fuse.ts';
import { readLogThrough, readSuperblockThrough } from './mounted-pool.ts';
import type { NodeDevice } from './node.ts';
import { roleOfNode } from './pool-identity.ts';
import { replayLog } from './replay-log.ts';
import type { SimulatedMount } from './simulated-mount.ts';
import { spawnDaemon } from './spawn-daemon.ts';

const busy = 16;
const noSuchDevice = -19;

/** Mounts; returns 0, or famfs's result after its messages. A log that does not replay leaves the mount in place. */
export async function mountStandaloneMode(
  context: CommandContext,
  device: NodeDevice,
  mountPoint: string,
): Promise<number> {
  const mount = await mountModule(context, device, mountPoint);
  if (typeof mount === 'number') {
    context.complain(`famfs mount: mount returned -1; errno ${mount}`);
    context.complain(
      `mount fail\n: ${mount === busy ? 'Device or resource busy' : 'Operation not permitted'}`,
    );
    return -1;
  }
  const found = { mount, mountPoint, rootWithin: '/' };
  addMetaDirectory(mount);
  const superblock = readSuperblockThrough(found);
  const role = superblock === undefined ? 'none' : roleOfNode(context, superblock);
  if (superblock === undefined || role === 'none') {
    context.complain(`famfs_mkmeta_standalone: no valid superblock on ${device.path} - run mkfs.famfs first`);
    context.complain('famfs mount: err -1 from mkmeta; unmounting');
    const { unmount } = await import('../linux/mounts.ts');
    unmount(mountPoint);
    return -1;
  }
  addMetaLog(mount, parseSuperblock(superblock).logLengthBytes, role === 'master');
  const log = readLogThrough(found);
  if (log === undefined) {
    context.complain(`famfs_logplay: failed to open log file for filesystem ${mountPoint}`);
    return -1;
  }
  return replayLog(context, mount, superblock, log, { isDryRun: false, asClient: false });
}

/** The dummy mount of the standalone mode: superblock and log, and no replay. It stays until it is unmounted. */
export async function mountStandaloneDummy(
  context: CommandContext,
  device: NodeDevice,
  mountPoint: string,
): Promise<number> {
  const problem = standaloneDummyProblem(context, device);
  if (problem !== undefined) return problem;
  const mount = await mountModule(context, device, mountPoint);
  if (typeof mount === 'number') {
    context.complain(
      `famfs_dummy_mount_v1: mount failed for ${device.path} at ${mountPoint} (errno=${mount})`,
    );
    return -mount;
  }
  addMetaDirectory(mount);
  const superblock = readSuperblockThrough({ mount, mountPoint, rootWithin: '/' });
  const role = superblock === undefined ? 'none' : roleOfNode(context, superblock);
  if (superblock === undefined || role === 'none') {
    context.complain(`famfs_dummy_mount_v1: no valid famfs superblock on ${device.path}`);
    const { unmount } = await import('../linux/mounts.ts');
    unmount(mountPoint);
    return -1;
  }
  addMetaLog(mount, parseSuperblock(superblock).logLengthBytes, role === 'master');
  return 0;
}

/** Why there can be no dummy mount in standalone mode, as famfs's result after a message; undefined when there can. */
export function standaloneDummyProblem(context: CommandContext, device: NodeDevice): number | undefined {
  const shown = shownMountPoint(context, device);
  if (shown !== undefined) {
    context.complain(`famfs_dummy_mount_v1: cannot mount while ${device.path} is mounted on ${shown}`);
    return -1;
  }
  if (isStandaloneModuleLoaded(context)) return undefined;
  context.complain('famfs_dummy_mount_v1: famfs kernel module is not loaded');
  return noSuchDevice;
}

/** mount(2) of the module: the mount, still empty, or the errno it failed with. */
async function mountModule(
  context: CommandContext,
  device: NodeDevice,
  mountPoint: string,
): Promise<SimulatedMount | number> {
  await waitForRelease(context, device);
  try {
    return await spawnDaemon({ node: context.node, source: device.path, mountPoint, mode: 'standalone' });
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    if (error.reason === 'pool-held-elsewhere') return busy;
    context.complain(`famfs simulator: ${error.message}`);
    return 1;
  }
}
