import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { type DetachedOptions, startDetached } from './detached-process.ts';
import { processState } from './processes.ts';

enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'detached-'));
const logPath = path.join(folder, 'log');
after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

function start(script: string, options: Partial<DetachedOptions> = {}) {
  const argv = ['/bin/sh', '-c', script];
  return startDetached({
    argv,
    env: { GIVEN: 'yes' },
    logPath,
    isReady: (line) => line === 'ready',
    ...options,
  });
}

async function end(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  while (processState(pid) !== undefined) await sleep(5);
}

test('a process that says it is ready goes on, in a session of its own, and leads its group', async () => {
  const { pid, line } = await start('echo ready >&3; exec 3>&-; exec sleep 1000');
  assert.equal(line, 'ready');
  assert.equal(processState(pid)?.processGroup, pid);
  await end(pid);
});

test("what it writes goes to the log, which is its owner's alone", async () => {
  const { pid } = await start('echo to stdout; echo to stderr >&2; pwd; echo ready >&3; exec sleep 1000');
  assert.equal(readFileSync(logPath, 'utf8'), 'to stdout\nto stderr\n/\n');
  assert.equal(statSync(logPath).mode & 0o777, 0o600);
  await end(pid);
});

test('one that reports a failure has ended by the time that is known', async () => {
  const { pid, line } = await start('echo "cannot mount" >&3');
  assert.equal(line, 'cannot mount');
  assert.equal(processState(pid), undefined);
});

test('one that ends without a word has no line', async () => {
  const { pid, line } = await start('exit 1');
  assert.equal(line, undefined);
  assert.equal(processState(pid), undefined);
});

test('it inherits the descriptors that are named, the environment that is given, and the name', async () => {
  writeFileSync(path.join(folder, 'passed'), 'through\n');
  const fd = openSync(path.join(folder, 'passed'), 'r');
  const script = 'read word <&4; echo "$word $GIVEN $HOME $0" >&3';
  const { line } = await start(script, { inheritFds: [fd] }).finally(() => closeSync(fd));
  assert.equal(line, 'through yes  /bin/sh');
});

test('a program that is not there is an error', async () => {
  await assert.rejects(start('', { argv: ['/no/such/program'] }), { code: 'ENOENT' });
});
