// What kind of file system a path is on, by the number that statfs(2) gives.
import { statfsSync } from 'node:fs';

/** TMPFS_MAGIC of linux/magic.h. */
const tmpfsMagic = 0x01021994;

/** @throws the error of statfs(2), as ENOENT for a path that is not there */
export function isTmpfs(directory: string): boolean {
  return statfsSync(directory).type === tmpfsMagic;
}
