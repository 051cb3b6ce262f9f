// What a pod without a volume takes, which the times of other pods are told in. Must not know any scenario.
import { median } from './stopwatch.ts';
import type { World } from './world.ts';

/** The first pod of a namespace sometimes waits for what Kubernetes gives every namespace: the median is none of those. */
const rounds = 3;

/**
 * Starts pods that are those of scenarios but for their volumes, one after the other on nodes of the scheduler's choice, and ends
 * them.
 * @returns milliseconds from a pod's creation until it is ready
 */
export async function timeWithoutVolume(world: World): Promise<number> {
  const times: number[] = [];
  const names = Array.from({ length: rounds }, (_, round) => `without-volume-${round}`);
  for (const name of names) {
    const begunMs = performance.now();
    await world.pod({ name });
    times.push(performance.now() - begunMs);
  }
  await Promise.all(names.map((name) => world.endPod(name)));
  return median(times);
}
