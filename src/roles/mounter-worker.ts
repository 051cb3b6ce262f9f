// Composition root of a pool's worker process. Not for people: the mounter starts it with a message channel.
import { nameEffectRole } from '../linux/effect-point.ts';
import { type PoolWorkerSettings, runPoolWorker } from '../mounter/pool-worker-main.ts';
import { keepHeapSmall } from './small-heap.ts';

/** Runs the worker that `argv[0]`, a JSON order of the mounter, describes, until the mounter goes. */
export function runMounterWorker(argv: readonly string[]): void {
  keepHeapSmall();
  nameEffectRole('worker');
  runPoolWorker(JSON.parse(argv[0] ?? '') as PoolWorkerSettings);
}
