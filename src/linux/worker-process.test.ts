import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HungFileSystem } from '../../test/hung-file-system.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { runCommand } from './child-process.ts';
import { processState } from './processes.ts';
import { errorCodeOf } from './syscall-error.ts';
import { type WorkerError, WorkerProcess } from './worker-process.ts';

const { skipUnlessRoot } = enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'workers-'));
const program = path.join(folder, 'worker.ts');
writeFileSync(
  program,
  `import { readFileSync } from 'node:fs';
  import { setTimeout as sleep } from 'node:timers/promises';
  import { serveParent } from ${JSON.stringify(path.join(import.meta.dirname, 'worker-process.ts'))};
  serveParent(async (body) => {
    if (body.exit !== undefined) process.exit(body.exit);
    if (body.delayMs !== undefined) await sleep(body.delayMs);
    for (const endsAt = Date.now() + (body.spinMs ?? 0); Date.now() < endsAt; );
    if (body.read !== undefined) readFileSync(body.read);
    return body.echo;
  });
`,
);
after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

function startWorker(servers?: () => number[]): WorkerProcess {
  return new WorkerProcess([process.execPath, '--disable-warning=ExperimentalWarning', program], {
    env: { LC_ALL: 'C' },
    ...(servers === undefined ? {} : { servers }),
  });
}

async function untilGone(pid: number): Promise<void> {
  while (processState(pid) !== undefined) await sleep(5);
}

async function end(worker: WorkerProcess): Promise<void> {
  worker.kill();
  await untilGone(worker.pid ?? 0);
}

test('a worker answers what it is asked, in whatever order it is done, with big integers whole', async () => {
  const worker = startWorker();
  const slow = worker.request({ echo: 'slow', delayMs: 60 }, 10_000);
  const value = { size: 1n << 60n, paths: ['a', undefined] };
  assert.deepEqual(await worker.request({ echo: value }, 10_000), value);
  assert.equal(await slow, 'slow');
  await end(worker);
});

test('a worker that is too slow is ended, and everybody who waits for it is told', async () => {
  const worker = startWorker();
  const pid = worker.pid ?? 0;
  await worker.request({ echo: 1 }, 10_000);
  const waiting = worker.request({ delayMs: 100_000 }, 100_000);
  const late = worker.request({ delayMs: 100_000 }, 30);
  await assert.rejects(late, { name: 'WorkerError', failure: 'timed-out' });
  await assert.rejects(waiting, { name: 'WorkerError' });
  assert.equal(worker.abandoned, true);
  await assert.rejects(worker.request({ echo: 2 }, 1000), { failure: 'exited' });
  await untilGone(pid);
});

test('a worker that ends tells everybody who waits for it', async () => {
  const worker = startWorker();
  await assert.rejects(worker.request({ exit: 3 }, 10_000), { failure: 'exited', message: /3/ });
  assert.equal(worker.exited, true);
  await untilGone(worker.pid ?? 0);
});

test('a worker that cannot be started fails its requests, not its parent', async () => {
  const worker = new WorkerProcess(['/no/such/program'], { env: {} });
  for (let call = 0; call < 2; call++) {
    await assert.rejects(worker.request({}, 10_000), (error: WorkerError) => {
      assert.equal(error.failure, 'not-started');
      assert.equal(errorCodeOf(error.cause), 'ENOENT');
      return true;
    });
  }
  assert.equal(worker.exited, true);
  worker.kill();
});

test('a worker for which there is no descriptor left fails its requests, and the next one works', async () => {
  const script = `
    const { openSync, closeSync } = await import('node:fs');
    const { WorkerProcess } = await import(${JSON.stringify(path.join(import.meta.dirname, 'worker-process.ts'))});
    const taken = [];
    const take = () => { for (;;) try { taken.push(openSync('/dev/null')); } catch { return; } };
    const start = () => new WorkerProcess([process.execPath, '--disable-warning=ExperimentalWarning', ${JSON.stringify(program)}], { env: {} });
    take();
    const failure = await start().request({}, 10000).catch((error) => error);
    for (const fd of taken) closeSync(fd);
    const worker = start();
    const echo = await worker.request({ echo: 'hello' }, 10000);
    worker.kill();
    console.log(failure.failure, failure.cause.code, echo);`;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module'];
  const { stdout, stderr } = await runCommand('prlimit', ['--nofile=64:64', ...node, '--eval', script]);
  assert.equal(stdout, 'not-started EMFILE hello\n', stderr);
});

test('a worker that is stuck in the kernel is given up while it still exists', {
  skip: skipUnlessRoot,
}, async () => {
  const target = path.join(folder, 'hung');
  mkdirSync(target);
  const fileSystem = new HungFileSystem(target);
  const worker = startWorker();
  const pid = worker.pid ?? 0;
  await worker.request({ echo: 'ready' }, 10_000);
  const stuck = worker.request({ read: path.join(target, 'x') }, 500);
  await Promise.all([fileSystem.takeRequest(), assert.rejects(stuck, { failure: 'timed-out' })]);
  assert.deepEqual([worker.abandoned, worker.exited], [true, false]);
  assert.notEqual(processState(pid), undefined);
  fileSystem.end();
  await untilGone(pid);
});

describe('a worker that gives no sign of life', () => {
  it('has longer while it works, and is given up in the end', async () => {
    const worker = startWorker();
    await worker.request({ echo: 'ready' }, 10_000);
    assert.equal(await worker.request({ spinMs: 900, echo: 'late' }, 600), 'late');
    await assert.rejects(worker.request({ spinMs: 1_000_000 }, 200), {
      failure: 'timed-out',
      message: 'no sign of life for 600 ms',
    });
    await untilGone(worker.pid ?? 0);
  });

  it('has longer while what it waits for works, and no longer when that has stopped', {
    skip: skipUnlessRoot,
  }, async () => {
    const target = path.join(folder, 'served');
    mkdirSync(target);
    const fileSystem = new HungFileSystem(target);
    const server = spawn(process.execPath, ['--eval', 'for (;;);']);
    const serverPid = server.pid ?? assert.fail();
    for (const [signal, silence] of [
      ['SIGSTOP', /for (600|900|1200|1500) ms/],
      ['SIGCONT', /for 1800 ms/],
    ] as const) {
      server.kill(signal);
      await waitUntil(
        'the server has obeyed',
        () => (processState(serverPid)?.state === 'T') === (signal === 'SIGSTOP'),
      );
      const worker = startWorker(() => [serverPid]);
      await worker.request({ echo: 'ready' }, 10_000);
      await assert.rejects(worker.request({ read: path.join(target, 'x') }, 600), {
        message: silence,
      });
      await untilGone(worker.pid ?? 0);
    }
    fileSystem.end();
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  });
});
