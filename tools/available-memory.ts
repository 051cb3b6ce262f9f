// What a figure that needs much memory looks at before it takes it.
import { readFileSync } from 'node:fs';

/** How many bytes programs can take without swapping: what is free, and caches that can be given up (proc(5), MemAvailable). */
export function availableBytes(): number {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return Number(kib) * 1024;
}
