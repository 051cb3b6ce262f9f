// Calls that have to end within a time, on a machine that may not let caller and server run. Knows no call.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds that the main thread of a process was ready to run and had no processor (proc(5), schedstat). */
export function waitedForProcessorMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
}

const mostTries = 20;
/** A process that waits for another finds it late in more ways than the kernel counts for the two. */
const lateness = 4;

/**
 * Makes a call that has `deadlineMs`. One that is late because others had the processor is made again, with as much time
 * more as these processes had to wait for it.
 * @param pids whose waiting counts, besides this process
 */
export async function inTime<Outcome>(
  { deadlineMs, pids }: { readonly deadlineMs: number; readonly pids: readonly number[] },
  call: (timeoutMs: number) => Promise<Outcome>,
  isLate: (outcome: Outcome) => boolean,
): Promise<Outcome> {
  const waitedMs = (): number =>
    [process.pid, ...pids].reduce((sum, pid) => sum + waitedForProcessorMs(pid), 0);
  let graceMs = 0;
  for (let tries = 1; ; tries++) {
    const before = waitedMs();
    const outcome = await call(deadlineMs + graceMs);
    if (!isLate(outcome)) return outcome;
    const waited = waitedMs() - before;
    if (waited < deadlineMs / lateness || tries === mostTries) return outcome;
    graceMs = Math.max(graceMs, waited * lateness);
    await sleep(50);
  }
}
