// Real processes that lock a real file: see test/spoken-programs.ts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { keepersOf, until, useSpokenPrograms } from '../../test/spoken-programs.ts';
import { tryFileLock } from '../linux/file-lock.ts';
import { FamfsCommands, type FamfsCommandsOptions, type FinishedCommand } from './famfs-commands.ts';
import type { FamfsMode } from './famfs-mode.ts';

const device = '/dev/dax0.0';
const mountPoint = '/run/famfs/pool';
const programs = useSpokenPrograms();

function commands(mode: FamfsMode, options: Partial<FamfsCommandsOptions>): FamfsCommands {
  const location = { kind: 'image' } as const;
  return new FamfsCommands({
    mode,
    location,
    famfsBinDir: programs().folder,
    minMountTimeoutMs: 20_000,
    ...options,
  });
}

test('a lock that is handed over lives as long as the command', async () => {
  programs().closeGate();
  const lockPath = path.join(programs().folder, 'lock');
  const lock = tryFileLock(lockPath);
  assert.ok(lock !== undefined);
  const finished: FinishedCommand[] = [];
  const running = commands('standalone', { onFinished: (one) => finished.push(one) }).mount(
    { device, mountPoint },
    { lockFd: lock.fd },
  );
  await until(() => programs().wasCalled());
  lock.release();
  assert.ok(programs().lastCall().files.includes(lockPath));
  assert.equal(tryFileLock(lockPath), undefined, 'the command should hold the lock');
  programs().openGate();
  await running;
  const again = tryFileLock(lockPath);
  assert.ok(again !== undefined, 'nobody should hold the lock any more');
  again.release();
  assert.equal(finished[0]?.lockKept, true);
});

test('a command that starts a daemon does not inherit the lock, and yet it lives as long as the command', async () => {
  programs().closeGate();
  const lockPath = path.join(programs().folder, 'lock');
  const lock = tryFileLock(lockPath);
  assert.ok(lock !== undefined);
  const finished: FinishedCommand[] = [];
  const running = commands('fuse', { onFinished: (one) => finished.push(one) }).mount(
    { device, mountPoint },
    { lockFd: lock.fd },
  );
  await until(() => programs().wasCalled());
  const { pid, files } = programs().lastCall();
  assert.ok(!files.includes(lockPath), 'a daemon would inherit it from the command');
  lock.release();
  assert.equal(tryFileLock(lockPath), undefined, 'a keeper should hold the lock');
  assert.equal(keepersOf(pid).length, 1);
  programs().openGate();
  await running;
  const again = tryFileLock(lockPath);
  assert.ok(again !== undefined, 'nobody should hold the lock any more');
  again.release();
  assert.deepEqual(keepersOf(pid), []);
  assert.equal(finished[0]?.lockKept, true);
});

test('the keeper of a lock ends with the command when this process is gone', async () => {
  programs().closeGate();
  const lockPath = path.join(programs().folder, 'lock');
  const moduleUrl = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
  const script = `
    const { FamfsCommands } = await import(${moduleUrl('./famfs-commands.ts')});
    const { tryFileLock } = await import(${moduleUrl('../linux/file-lock.ts')});
    const lock = tryFileLock(${JSON.stringify(lockPath)});
    const run = new FamfsCommands({ mode: 'fuse', location: { kind: 'image' }, famfsBinDir: ${JSON.stringify(programs().folder)} });
    void run.mount({ device: '${device}', mountPoint: '${mountPoint}' }, { lockFd: lock.fd });
  `;
  const mounter = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
  await until(() => programs().wasCalled() && keepersOf(programs().lastCall().pid).length === 1);
  const { pid } = programs().lastCall();
  mounter.kill('SIGKILL');
  await until(() => mounter.signalCode !== null);
  assert.equal(tryFileLock(lockPath), undefined, 'the keeper should hold the lock');
  programs().openGate();
  await until(() => keepersOf(pid).length === 0);
  const again = tryFileLock(lockPath);
  assert.ok(again !== undefined);
  again.release();
});
