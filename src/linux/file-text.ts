// The text of files that the kernel or a host may have or not, such as those of /proc.
import { readFileSync } from 'node:fs';

/** Empty for a file that is not there or cannot be read. */
export function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
