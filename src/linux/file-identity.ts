// Which file something is, whatever name it has and for whom (inode(7)).
import { statSync } from 'node:fs';

/** Device and inode of what a path leads to, symbolic links followed; undefined when it cannot be seen. */
export function identityOf(file: string): string | undefined {
  try {
    const { dev, ino } = statSync(file, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
