// The program of a SupervisedThread.
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { answerOfError, phase, type ThreadAnswer, type ThreadStart } from './supervised-thread.ts';
import { superviseThisThread } from './system-call-filter.ts';

const { module, phases, orders } = workerData as ThreadStart;
const { serve } = (await import(module)) as { readonly serve: (order: unknown) => unknown };

Atomics.store(phases, 1, superviseThisThread());
for (;;) {
  Atomics.wait(phases, 0, phase.idle);
  const order = receiveMessageOnPort(orders)?.message;
  const answer = work(order);
  Atomics.store(phases, 0, phase.answered);
  orders.postMessage(answer);
  Atomics.store(phases, 0, phase.idle);
}

function work(order: unknown): ThreadAnswer {
  try {
    return { ok: true, value: serve(order) };
  } catch (error) {
    return answerOfError(error);
  }
}
