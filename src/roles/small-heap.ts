// Keeps the heap of a process small that has little to keep. Knows nothing of what it is for.
import { setFlagsFromString } from 'node:v8';

/**
 * Trades processor for memory, for a process that serves many small calls: all that a call makes is garbage when it has
 * ended. V8 otherwise lets the young generation grow to 64 MiB and the old one to a multiple of what is used as long as
 * callers are many: a flood of calls took 200 MiB that were not in use. Now the young one stays as it is after the
 * start, and the old one is collected when it has grown by a fifth.
 *
 * To be called when a process has started: V8 takes no code out of a cache that was made under other flags, so what is loaded of Node.js
 * itself after this is compiled from its source. A start is some megabytes, which matter to neither generation.
 */
export function keepHeapSmall(): void {
  for (const { flag, small } of smallHeapFlags) setFlagsFromString(`${flag}=${small}`);
}

/** The flags of V8 that do it, with the values that they have otherwise. */
export const smallHeapFlags = [
  { flag: '--semi-space-growth-factor', small: 1, usual: 2 },
  { flag: '--heap-growing-percent', small: 20, usual: 0 },
] as const;

/**
 * What the environment of a process with a small heap holds besides: one arena for all threads of malloc(3) (mallopt(3),
 * M_ARENA_MAX). With an arena for each, native memory goes on growing for tens of thousands of calls, as each keeps what its
 * busiest moment took: a mounter then has 42 MiB instead of 38. The C library reads it before a program begins, so it
 * can only be given by whoever starts the process; the image does.
 */
export const smallHeapEnvironment: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' };
