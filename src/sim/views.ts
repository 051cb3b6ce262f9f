// Mounts without a FUSE server, for kernels and users that passthrough is closed to: a directory of hard links to
// the device's files, on the device's own tmpfs, bound to the mount point. The bytes are as truly shared; what a
// daemon would answer (refused names, its death) is not shown. Knows the links' folder, not who makes the links.
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { readMountTable } from '../linux/mount-table.ts';
import { mountFileSystem, mountFlags } from '../linux/mounts.ts';
import type { SimulatedDevice } from './device.ts';

/** Makes the directory for the links of one mount. It lies inside of the device, since links do not cross mounts. */
export function createView(device: SimulatedDevice, id: string): string {
  const view = path.join(device.directory, 'views', id);
  mkdirSync(view, { recursive: true, mode: 0o755 });
  return view;
}

/** Removes the directory with the links; the files they name stay. */
export function removeView(view: string): void {
  rmSync(view, { recursive: true, force: true });
}

/**
 * Binds a view to its mount point with the flags of the mode.
 * @throws SyscallError — EPERM without CAP_SYS_ADMIN in the user namespace that owns the mount namespace
 */
export function bindView(view: string, mountPoint: string, flags: number): void {
  mountFileSystem({ source: view, target: mountPoint, type: 'none', flags: mountFlags.bind });
  const remount = mountFlags.bind | mountFlags.remount | flags;
  mountFileSystem({ source: 'none', target: mountPoint, type: 'none', flags: remount });
}

/** Whether any line of this process's mount table still shows a view or a directory of it. */
export function isViewMounted(id: string): boolean {
  const marker = `/views/${id}`;
  return readMountTable().some(({ root }) => root.endsWith(marker) || root.includes(`${marker}/`));
}
