// Who on this machine has a device mounted, in any mount namespace. The kernel lets one mount hold a device, and what
// famfs says when it is not the one is misleading (famfs-kernel 3), so the driver looks first.
import { realpathSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { type MountTableEntry, readMountTable } from '../linux/mount-table.ts';
import { processesWithOpen } from '../linux/open-files.ts';
import { type MountHolder, processesHolding } from '../linux/processes.ts';

/** A device's names: as configured and as famfs resolves it. */
export function deviceSources(devicePath: string): ReadonlySet<string> {
  const sources = new Set([devicePath]);
  try {
    sources.add(realpathSync(devicePath));
  } catch {
    // A device that is just going away; its configured name is all there is to look for.
  }
  return sources;
}

/** Mounts whose source is the device, with one process for each namespace that holds one. */
export function holdersOfDevice(devicePath: string): MountHolder[] {
  const sources = deviceSources(devicePath);
  return processesHolding((entry) => sources.has(entry.source));
}

/**
 * Mounts of one superblock that stay when the one at `mountPoint` of this process's namespace is unmounted: binds, and
 * the copies that another namespace keeps for itself. A copy that the unmount reaches by propagation is no holder.
 */
export function holdersOfSuperblock(
  deviceMajor: number,
  deviceMinor: number,
  mountPoint: string,
): MountHolder[] {
  const isOfSuperblock = (entry: MountTableEntry): boolean =>
    entry.deviceMajor === deviceMajor && entry.deviceMinor === deviceMinor;
  const ownTable = readMountTable();
  const own = ownTable.findLast((entry) => entry.mountPoint === mountPoint && isOfSuperblock(entry));
  const ownGroups = own === undefined ? new Set<string>() : peerGroupsAbove(own, ownTable);
  return processesHolding((entry, table) => {
    if (!isOfSuperblock(entry) || entry.mountId === own?.mountId) return false;
    const goesWithIt =
      entry.root === own?.root && [...peerGroupsAbove(entry, table)].some((group) => ownGroups.has(group));
    return !goesWithIt;
  });
}

/** The peer groups of the mount that an entry is mounted on: an unmount there reaches whoever shares one (mount_namespaces(7)). */
function peerGroupsAbove(entry: MountTableEntry, table: readonly MountTableEntry[]): Set<string> {
  const parent = table.find(({ mountId }) => mountId === entry.parentMountId);
  const groups = parent?.optionalFields.flatMap(
    (field) => /^(?:shared|master):(\d+)$/.exec(field)?.[1] ?? [],
  );
  return new Set(groups);
}

/** The sentence that names who holds something. */
export function describeHolders(holders: readonly MountHolder[]): string {
  return holders
    .slice(0, 3)
    .map((holder) => `${holder.comm} (pid ${holder.pid}) at ${holder.mountPoints.join(', ')}`)
    .join('; ');
}

/** @throws DriverError `pool-held-elsewhere` naming the holders */
export function refuseHeldDevice(devicePath: string): void {
  const holders = holdersOfDevice(devicePath);
  if (holders.length === 0) return;
  throw new DriverError(
    'pool-held-elsewhere',
    `Device ${devicePath} is mounted already, by ${describeHolders(holders)}; only one mount on a machine can hold it. Unmount it there.`,
  );
}

/**
 * A virtual machine, or whatever else works on a device by itself, holds no mount. In famfs mode the kernel maps the device
 * for nobody (famfs-kernel 1), so whoever uses it has it open.
 * @throws DriverError `device-in-use` naming the processes
 */
export async function refuseOpenDevice(device: {
  readonly name: string;
  readonly path: string;
}): Promise<void> {
  const sources = deviceSources(device.path);
  // Another mount namespace may have a /dev of its own; the name in it is the kernel's everywhere.
  const open = await processesWithOpen((file) => sources.has(file) || file.endsWith(`/dev/${device.name}`));
  if (open.length === 0) return;
  const who = open.slice(0, 3).map(({ comm, pid }) => `${comm} (pid ${pid})`);
  throw new DriverError(
    'device-in-use',
    `Device ${device.name} is open in ${who.join(', ')}. Nothing is formatted under a process that uses the memory; end it if the device is really meant.`,
  );
}
