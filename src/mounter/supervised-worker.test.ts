import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { WorkerProcess } from '../linux/worker-process.ts';
import { SupervisedWorker } from './supervised-worker.ts';

enterPrivateMounts();
after(assertNothingLeaked);

const moduleAt = (relative: string): string => JSON.stringify(path.join(import.meta.dirname, relative));
const program = `
  const { serveParent } = await import(${moduleAt('../linux/worker-process.ts')});
  const { answerOf } = await import(${moduleAt('worker-answer.ts')});
  const { DriverError } = await import(${moduleAt('../errors.ts')});
  const { SyscallError } = await import(${moduleAt('../linux/syscall-error.ts')});
  serveParent((body) => answerOf(() => {
    if (body === 'pid') return process.pid;
    if (body === 'refuse') throw new DriverError('pool-dead', 'It is dead.', { details: { entry: 7n } });
    if (body === 'fail') throw new SyscallError('umount2', 16, '/x');
    if (body === 'die') process.exit(3);
    if (body === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    return { echo: body };
  }));`;

let worker: SupervisedWorker;
let started: WorkerProcess[];

beforeEach(() => {
  started = [];
  worker = new SupervisedWorker(() => {
    const process_ = new WorkerProcess([process.execPath, '--input-type=module', '--eval', program], {
      env: {},
    });
    started.push(process_);
    return process_;
  }, 'The mount of pool P does not answer');
});
afterEach(() => worker.close());

const patienceMs = 20_000;

test('answers come back as they were given, bigints included', async () => {
  assert.deepEqual(await worker.request({ size: 1n << 60n }, patienceMs), { echo: { size: 1n << 60n } });
  assert.equal(started.length, 1);
});

test("a worker's refusal keeps its reason, message and details, and the worker goes on", async () => {
  await assert.rejects(worker.request('refuse', patienceMs), {
    name: 'DriverError',
    reason: 'pool-dead',
    message: 'It is dead.',
    details: { entry: 7n },
  });
  await assert.rejects(worker.request('fail', patienceMs), {
    reason: 'internal',
    details: { syscall: 'umount2', code: 'EBUSY' },
  });
  await worker.request('pid', patienceMs);
  assert.equal(started.length, 1);
});

test('one that dies is replaced at the next request', async () => {
  const first = await worker.request('pid', patienceMs);
  await assert.rejects(worker.request('die', patienceMs), { reason: 'internal' });
  assert.notEqual(await worker.request('pid', patienceMs), first);
});

test('one that somebody kills is no surprise, and replaced at the next request', async () => {
  const first = await worker.request('pid', patienceMs);
  const blocked = worker.request('block', patienceMs);
  process.kill(Number(first), 'SIGKILL');
  await assert.rejects(blocked, { reason: 'operation-pending', message: /has been killed.*next try/ });
  assert.notEqual(await worker.request('pid', patienceMs), first);
});

test('one that cannot be started is tried anew at the next request', async () => {
  let program = '/no/such/program';
  const late = new SupervisedWorker(
    () => new WorkerProcess([program], { env: {} }),
    'The mount does not answer',
  );
  await assert.rejects(late.request('pid', patienceMs), {
    reason: 'internal',
    message: /cannot be started.*ENOENT/,
  });
  program = '/bin/true';
  await assert.rejects(late.request('pid', patienceMs), { reason: 'internal', message: /exited with 0/ });
});

test('one that blocks is given up, all its requests with it, and replaced when it has ended', async () => {
  const first = await worker.request('pid', patienceMs);
  const waiting = [worker.request('block', 50), worker.request('pid', 50)];
  for (const end of await Promise.allSettled(waiting)) {
    assert.equal(end.status, 'rejected');
    assert.equal(end.reason.reason, 'pool-hung');
    assert.match(end.reason.message, /^The mount of pool P does not answer/);
  }
  await waitUntil('the blocked one has ended', () => !worker.isStuck);
  assert.notEqual(await worker.request('pid', patienceMs), first);
});

test('no second one is started while one that was given up has not ended', async () => {
  const stuck = { abandoned: true, exited: false, request: () => assert.fail(), kill: () => undefined };
  let starts = 0;
  const stubborn = new SupervisedWorker(() => {
    starts++;
    return stuck as unknown as WorkerProcess;
  }, 'The mount of pool P does not answer');
  await assert.rejects(stubborn.request('pid', patienceMs));
  for (let call = 0; call < 3; call++) {
    await assert.rejects(stubborn.request('pid', patienceMs), {
      reason: 'pool-hung',
      message: /has not come back/,
    });
    stubborn.restart();
  }
  assert.equal(starts, 1);
  stuck.exited = true;
  await assert.rejects(stubborn.request('pid', patienceMs));
  assert.equal(starts, 2);
});

test('after a restart the next request is answered by a fresh one at once', async () => {
  const first = await worker.request('pid', patienceMs);
  worker.restart();
  assert.notEqual(await worker.request('pid', patienceMs), first);
  await waitUntil('the first has ended', () => started[0]?.exited === true);
});

test('after its end nothing is started any more', async () => {
  await worker.request('pid', patienceMs);
  worker.close();
  await assert.rejects(worker.request('pid', patienceMs), { reason: 'shutting-down' });
  await waitUntil('the process has ended', () => started[0]?.exited === true);
});
