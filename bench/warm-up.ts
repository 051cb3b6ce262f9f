// A node plugin lives for weeks; what is measured is not its first seconds. So servers work before they are measured,
// all of them alike, once a run.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Bench } from './figure.ts';
import { type Load, runClient } from './go-client.ts';
import type { Subject } from './subject.ts';

const warm = new WeakSet<Subject>();
/** Calls that do nothing, for each cycle: they are quick, and what is compiled is decided by how often it ran. */
const callsACycle = 5;

/** Has driver and peer publish and unpublish until their code is compiled and their caches are filled. */
export async function warmUpServers({ driver, peer, effort, places, progress }: Bench): Promise<void> {
  const cycles = effort.serverWarmUpCycles;
  const cold = [driver, peer].filter((subject) => !warm.has(subject));
  if (cycles === 0 || cold.length === 0) return;
  progress(`warming up: ${cycles} cycles of either server`);
  const targets = path.join(places.kubeletDir, 'warm-up');
  mkdirSync(targets, { recursive: true });
  for (const subject of cold) {
    await runClient(subject, 'cycle', targets, { inFlight: 8, cycles });
    await runClient(subject, 'capabilities', targets, warmUpLoad({ effort }));
    warm.add(subject);
  }
}

/** Of calls that do nothing. */
export function warmUpLoad({ effort }: Pick<Bench, 'effort'>): Load {
  return { inFlight: 8, cycles: Math.max(effort.serverWarmUpCycles * callsACycle, 1) };
}
