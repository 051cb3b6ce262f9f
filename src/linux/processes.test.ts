import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { closeFd, openPath } from './file-descriptor.ts';
import { mountIdOf, statmount } from './mount-id.ts';
import { mountFileSystem, mountFlags, unmount } from './mounts.ts';
import {
  commandLine,
  listProcesses,
  mountNamespaceOf,
  parseProcessState,
  processesHoldingMount,
  processState,
} from './processes.ts';

const { skip } = enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'processes-'));
after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

test('a process is found with its name, parent and state, and not once it has ended', async () => {
  const program = path.join(folder, 'a) Z (b');
  copyFileSync('/bin/sleep', program);
  const child = spawn(program, ['1000'], { stdio: 'ignore' });
  const pid = child.pid ?? 0;
  while (processState(pid)?.state !== 'S') await sleep(2);
  const state = processState(pid);
  assert.deepEqual([state?.pid, state?.comm, state?.parentPid], [pid, 'a) Z (b', process.pid]);
  assert.deepEqual(commandLine(pid), [program, '1000']);
  assert.ok(
    listProcesses().some((each) => each.pid === pid && each.startTimeTicks === state?.startTimeTicks),
  );
  await end(child);
  assert.equal(processState(pid), undefined);
  assert.equal(commandLine(pid), undefined);
});

test('a stopped process says so', async () => {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  child.kill('SIGSTOP');
  while (processState(child.pid ?? 0)?.state !== 'T') await sleep(2);
  await end(child);
});

test('text that is no process state is refused', () => {
  for (const text of ['', '1 (x', '1 (x) S', 'x y z'])
    assert.throws(() => parseProcessState(text), TypeError, text);
});

test('every mount namespace that holds a file system is named with a process', { skip }, async () => {
  const target = path.join(folder, 'held place');
  const second = path.join(folder, 'second');
  for (const directory of [target, second]) mkdirSync(directory);
  mountFileSystem({ source: '/dev/dax0.0', target, type: 'tmpfs' });
  mountFileSystem({ source: target, target: second, type: 'none', flags: mountFlags.bind });
  const { deviceMajor, deviceMinor } = deviceOf(target);
  const child = spawn('unshare', ['--mount', 'sh', '-c', 'echo ready; exec sleep 1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.ok(child.stdout !== null);
  await once(child.stdout, 'data');
  for (const place of [target, second]) unmount(place);
  const own = mountNamespaceOf('self');
  const [holder, ...others] = processesHoldingMount(deviceMajor, deviceMinor);
  assert.deepEqual(others, []);
  assert.notEqual(holder?.mountNamespace, own);
  assert.deepEqual(
    [holder?.pid, holder?.comm, holder?.mountPoints],
    [child.pid, 'sleep', [target, second]],
    'a copy in another namespace holds what is unmounted here',
  );
  await end(child);
  assert.deepEqual(processesHoldingMount(deviceMajor, deviceMinor), []);
});

function deviceOf(target: string): { deviceMajor: number; deviceMinor: number } {
  const fd = openPath(target);
  const info = statmount(mountIdOf(fd).mountId);
  closeFd(fd);
  assert.ok(info !== undefined);
  return info;
}
