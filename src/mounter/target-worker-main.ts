// The worker process that takes targets away. It belongs to no pool: a target may hold a mount of a dead one.
import { serveParent } from '../linux/worker-process.ts';
import { BindRecords } from './bind-record.ts';
import type { TargetVerbs } from './pool-verbs.ts';
import { unbindTarget } from './unbind.ts';
import { answerOf } from './worker-answer.ts';

/** What the worker is told when it starts. */
export interface TargetWorkerSettings {
  readonly allowedRoots: readonly string[];
  readonly recordDirectory: string;
}

/** Serves the mounter on this process's message channel until the mounter goes. */
export function runTargetWorker(settings: TargetWorkerSettings): void {
  const records = new BindRecords(settings.recordDirectory);
  serveParent((body) => {
    const { target, volumeId } = body as TargetVerbs['unbind']['request'];
    return answerOf(() => unbindTarget(target, volumeId, settings.allowedRoots, records));
  });
}
