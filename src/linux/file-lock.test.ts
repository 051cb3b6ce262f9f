import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fstatSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { runCommand } from './child-process.ts';
import { acquireFileLock, tryFileLock } from './file-lock.ts';

enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'locks-'));
let files = 0;
after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

function newPath(): string {
  return path.join(folder, `lock-${files++}`);
}

/** Another process that holds the lock from when this resolves until it is killed. */
async function otherHolder(file: string): Promise<ChildProcess> {
  const child = spawn('flock', ['--no-fork', file, 'sh', '-c', 'echo held; exec sleep 1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.ok(child.stdout !== null);
  await once(child.stdout, 'data');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

test('a lock is held once, within one process too', () => {
  const file = newPath();
  const lock = tryFileLock(file);
  assert.ok(lock !== undefined);
  assert.equal(tryFileLock(file), undefined);
  lock.release();
  lock.release();
  const next = tryFileLock(file);
  assert.ok(next !== undefined);
  next.release();
});

test('the lock file is made for its owner alone and stays', () => {
  const file = newPath();
  const previous = process.umask(0);
  try {
    tryFileLock(file)?.release();
  } finally {
    process.umask(previous);
  }
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('a link in the place of the lock file is refused', () => {
  const file = newPath();
  symlinkSync('/etc/passwd', file);
  assert.throws(() => tryFileLock(file), { code: 'ELOOP' });
});

test('a released lock has no descriptor any more', () => {
  const lock = tryFileLock(newPath());
  assert.ok(lock !== undefined);
  const { fd } = lock;
  lock.release();
  assert.throws(() => lock.fd, TypeError);
  assert.throws(() => fstatSync(fd), { code: 'EBADF' });
});

test('another process that holds it is waited for', async () => {
  const file = newPath();
  const holder = await otherHolder(file);
  assert.equal(tryFileLock(file), undefined);
  let acquired = false;
  const waiting = acquireFileLock(file).then((lock) => {
    acquired = true;
    return lock;
  });
  await sleep(20);
  assert.equal(acquired, false);
  await end(holder);
  (await waiting).release();
});

test('waiting ends with ETIMEDOUT, or with the reason of the signal, and leaves nothing locked', async () => {
  const file = newPath();
  const held = await acquireFileLock(file);
  await assert.rejects(acquireFileLock(file, { timeoutMs: 30 }), { code: 'ETIMEDOUT', path: file });
  const controller = new AbortController();
  const waiting = acquireFileLock(file, { signal: controller.signal });
  const reason = new RangeError('withdrawn');
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  held.release();
  (await acquireFileLock(file, { timeoutMs: 0 })).release();
});

test('a child that was given the descriptor holds the lock when its parent lets go', async () => {
  const file = newPath();
  const lock = await acquireFileLock(file);
  const controller = new AbortController();
  const child = runCommand('sleep', ['1000'], { inheritFds: [lock.fd], signal: controller.signal });
  lock.release();
  assert.equal(tryFileLock(file), undefined);
  controller.abort();
  await child;
  (await acquireFileLock(file)).release();
});

test('a child that was not given it does not', async () => {
  const file = newPath();
  const lock = await acquireFileLock(file);
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  lock.release();
  const next = tryFileLock(file);
  assert.ok(next !== undefined);
  next.release();
  await end(child);
});

test('of many who want it, in two processes, one has it at a time and all get it', async () => {
  const file = newPath();
  let holders = 0;
  let most = 0;
  const mine = Array.from({ length: 20 }, async () => {
    using _lock = await acquireFileLock(file);
    holders++;
    most = Math.max(most, holders);
    await sleep(1);
    holders--;
  });
  const others = runCommand('sh', ['-c', `for i in 1 2 3 4 5; do flock ${file} true || exit 1; done`]);
  await Promise.all(mine);
  assert.equal((await others).exitCode, 0);
  assert.equal(most, 1);
});
