// Waiting for a condition instead of for a time.
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 5;
/** A machine that is busy with other tests, and has half a processor for this one, is slow. */
const limitMs = 90_000;

/** Settles when the condition holds (or no longer throws); fails, naming it, when it never does. */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = limitMs,
): Promise<void> {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > giveUpAt) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await sleep(pollMs);
  }
}
