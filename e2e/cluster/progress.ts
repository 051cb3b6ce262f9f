// What a starting cluster says of itself, line by line, to whoever waits for it. Must not know how it starts.
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** The last line, after its time. */
export const readyLine = 'the cluster is ready';

const pollMs = 50;

export interface Waiting {
  readonly say: (line: string) => void;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** The cluster cannot become ready any more once this is false. */
  readonly isAlive: () => boolean;
}

/**
 * Waits until a cluster has said that it is ready, and passes on what it says.
 * @throws Error when it ends before, or takes too long; the signal's reason
 */
export async function followProgress(file: string, waiting: Waiting): Promise<void> {
  const giveUpAtMs = performance.now() + waiting.timeoutMs;
  let told = 0;
  for (;;) {
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
    for (const line of lines.slice(told)) waiting.say(line);
    told = lines.length;
    if (lines.at(-1)?.endsWith(readyLine)) return;
    waiting.signal?.throwIfAborted();
    if (!waiting.isAlive()) throw new Error('The cluster ended before it was ready.');
    if (performance.now() > giveUpAtMs)
      throw new Error(`The cluster is not ready after ${waiting.timeoutMs / 1000} s.`);
    await delay(pollMs);
  }
}
