// Waiting for a condition instead of for a time.
import { setTimeout as sleep } from 'node:timers/promises';

/** A look may be dear, such as one at all processes, so that it is taken the less often the longer the waiting has been. */
const shortestPauseMs = 5;
const longestPauseMs = 100;
const pauseShare = 0.2;
/** A machine that is busy with other tests, and has half a processor for this one, is slow. */
const limitMs = 180_000;

/** Settles when the condition holds (or no longer throws); fails, naming it, when it never does. */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = limitMs,
): Promise<void> {
  const begunAt = Date.now();
  for (;;) {
    if (await condition()) return;
    const waitedMs = Date.now() - begunAt;
    if (waitedMs > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await sleep(Math.min(Math.max(waitedMs * pauseShare, shortestPauseMs), longestPauseMs));
  }
}
