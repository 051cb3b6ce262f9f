import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { runCommand } from '../linux/child-process.ts';
import { tryFileLock } from '../linux/file-lock.ts';
import { SyscallError } from '../linux/syscall-error.ts';
import { abortable, CommandQueue } from './command-queue.ts';

enterPrivateMounts();
after(assertNothingLeaked);

let folder: string;
let lockPath: string;
let queue: CommandQueue;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'queue-'));
  lockPath = path.join(folder, 'lock');
  queue = new CommandQueue(lockPath);
});
afterEach(() => rmSync(folder, { recursive: true }));

test('work goes one at a time and in the order it came, also after a failure', async () => {
  const events: string[] = [];
  const work = (name: string) =>
    queue.run(async () => {
      events.push(`${name} begins`);
      await nextTurn();
      events.push(`${name} ends`);
      if (name === 'b') throw new Error('b fails');
    });
  await Promise.allSettled([work('a'), work('b'), work('c')]);
  assert.deepEqual(events, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});

test('two queues on one file, as two mounters have, do not overlap either', async () => {
  const other = new CommandQueue(lockPath);
  let running = 0;
  const work = async () => {
    assert.equal(++running, 1);
    await nextTurn();
    running--;
  };
  await Promise.all(Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? queue : other).run(work)));
});

test('a holder outside makes it pool-busy after the wait, with the file to look at, and never runs the work', async () => {
  const lock = tryFileLock(lockPath);
  await assert.rejects(
    queue.run(async () => assert.fail('it ran beside the holder'), { timeoutMs: 30 }),
    { reason: 'pool-busy', message: new RegExp(lockPath) },
  );
  assert.equal(await queue.tryRun(async () => 'ran'), undefined);
  lock?.release();
  assert.equal(await queue.run(async () => 'ran'), 'ran');
});

test('a timeout that comes out of the work itself is not taken for a busy lock', async () => {
  const error = new SyscallError('connect', 110);
  await assert.rejects(
    queue.run(async () => {
      throw error;
    }),
    error,
  );
});

test('work that can wait is not begun while anybody is at it or in line', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const running = queue.run(() => promise);
  assert.equal(await queue.tryRun(async () => 'ran'), undefined);
  resolve();
  await running;
  assert.equal(await queue.tryRun(async () => 'ran'), 'ran');
});

test('who gives up in the line leaves it, and those behind go on', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = queue.run(() => promise);
  const withdrawn = new AbortController();
  const second = queue.run(async () => assert.fail('it was withdrawn'), { signal: withdrawn.signal });
  const third = queue.run(async () => 'third');
  withdrawn.abort(new Error('withdrawn'));
  await assert.rejects(second, /withdrawn/);
  resolve();
  await first;
  assert.equal(await third, 'third');
});

test('the command that inherits the lock keeps it when the mounter is killed', async () => {
  const queueModule = JSON.stringify(path.join(import.meta.dirname, 'command-queue.ts'));
  const commandModule = JSON.stringify(path.join(import.meta.dirname, '../linux/child-process.ts'));
  const program = `
    const { CommandQueue } = await import(${queueModule});
    const { runCommand } = await import(${commandModule});
    await new CommandQueue(${JSON.stringify(lockPath)}).run((lockFd) =>
      runCommand('sleep', ['1000'], { inheritFds: [lockFd], onSpawn: (pid) => console.log(pid) }));`;
  const mounter = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(mounter.stdout, 'data');
  const commandPid = Number(String(line).trim());
  mounter.kill('SIGKILL');
  await once(mounter, 'exit');
  assert.equal(tryFileLock(lockPath), undefined, 'the command still runs');
  process.kill(commandPid, 'SIGKILL');
  assert.equal(await queue.run(async () => 'free', { timeoutMs: 10_000 }), 'free');
});

test('the lock is not handed to children that are not given it', async () => {
  const left = await queue.run(async (lockFd) => {
    const { stdout } = await runCommand('ls', ['-l', '/proc/self/fd']);
    assert.ok(lockFd > 2);
    return stdout.includes(lockPath);
  });
  assert.equal(left, false);
});

test('waiting can be given up at once, while the work goes on', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const withdrawn = new AbortController();
  const waiting = abortable(promise, withdrawn.signal);
  withdrawn.abort(new Error('out of time'));
  await assert.rejects(waiting, /out of time/);
  await assert.rejects(abortable(promise, withdrawn.signal), /out of time/);
  resolve('done');
  assert.equal(await abortable(promise, undefined), 'done');
});
