// Composition root of the mounter's worker processes. Not for people: the mounter starts it with a message channel.
import { type PoolWorkerSettings, runPoolWorker } from '../mounter/pool-worker-main.ts';
import { runTargetWorker, type TargetWorkerSettings } from '../mounter/target-worker-main.ts';

/** What a worker process is started as. */
export type WorkerOrder =
  | ({ readonly kind: 'pool' } & PoolWorkerSettings)
  | ({ readonly kind: 'target' } & TargetWorkerSettings);

/** Runs the worker that `argv[0]`, a JSON order of the mounter, describes, until the mounter goes. */
export function runMounterWorker(argv: readonly string[]): void {
  const order = JSON.parse(argv[0] ?? '') as WorkerOrder;
  if (order.kind === 'pool') runPoolWorker(order);
  else runTargetWorker(order);
}
