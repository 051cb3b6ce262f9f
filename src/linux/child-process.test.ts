import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HungFileSystem } from '../../test/hung-file-system.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { runCommand } from './child-process.ts';
import { processState } from './processes.ts';

const { skipUnlessRoot } = enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'commands-'));
after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

/** Waits for a condition that other processes bring about. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

function bash(script: string, options: Parameters<typeof runCommand>[2] = {}) {
  return runCommand('bash', ['-c', script], options);
}

test('a command reports its exit status and what it wrote', async () => {
  const result = await bash('echo out; echo err >&2; exit 7');
  assert.equal(result.exitCode, 7);
  assert.equal(result.signal, null);
  assert.equal(result.stdout, 'out\n');
  assert.equal(result.stderr, 'err\n');
  assert.deepEqual(
    [result.timedOut, result.aborted, result.abandoned, result.outputTruncated],
    [false, false, false, false],
  );
});

test('arguments reach the program as they are, without a shell', async () => {
  const args = ['$(id)', '; rm', '*', '', "it's", 'a\nb', '--', '\u00e4\u20ac'];
  const result = await runCommand('printf', ['<%s>', ...args]);
  assert.equal(result.stdout, args.map((arg) => `<${arg}>`).join(''));
});

test('the environment is the fixed one and what was added', async () => {
  const result = await runCommand('env', [], { env: { FAMFS_MODE: 'v1' } });
  assert.deepEqual(result.stdout.trimEnd().split('\n').sort(), [
    'FAMFS_MODE=v1',
    'LC_ALL=C',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  ]);
});

test('a child stands in the root directory unless told otherwise', async () => {
  assert.equal((await runCommand('pwd', [])).stdout, '/\n');
  assert.equal((await runCommand('pwd', [], { cwd: folder })).stdout, `${folder}\n`);
});

test('standard input is empty, or the text that was given', async () => {
  assert.equal((await runCommand('cat', [])).stdout, '');
  const input = 'line\n'.repeat(100_000);
  assert.equal((await runCommand('cat', [], { input })).stdout, input);
});

test('input that the child does not read does no harm', async () => {
  const result = await runCommand('true', [], { input: 'x'.repeat(1 << 20) });
  assert.equal(result.exitCode, 0);
});

test("the umask is the child's alone", async () => {
  const mine = process.umask();
  const result = await bash('umask; : > made', { umask: 0o137, cwd: folder });
  assert.equal(result.stdout, '0137\n');
  assert.equal(process.umask(), mine);
  assert.equal((await bash('umask')).stdout, `0${mine.toString(8).padStart(3, '0')}\n`);
});

test('descriptors are inherited as 3, 4, … whatever their numbers are here, and no others', async () => {
  writeFileSync(path.join(folder, 'first'), 'one');
  writeFileSync(path.join(folder, 'second'), 'two');
  const fds = Array.from({ length: 12 }, () => openSync(path.join(folder, 'first'), 'r'));
  fds.push(openSync(path.join(folder, 'second'), 'r'));
  const inheritFds = fds.slice(-2).reverse();
  try {
    const result = await bash('cat <&3; cat <&4; readlink /proc/self/fd/*', { inheritFds });
    assert.match(result.stdout, /^twoone/);
    const inherited = result.stdout
      .split('\n')
      .filter((line) => line.endsWith('/first') || line.endsWith('/second'));
    assert.equal(inherited.length, 2);
  } finally {
    for (const fd of fds) closeSync(fd);
  }
});

test("all of a short child's output arrives, up to the limit, and is cut there", async () => {
  const whole = await bash('head -c 700000 /dev/zero; head -c 700000 /dev/zero >&2');
  assert.deepEqual(
    [whole.stdout.length, whole.stderr.length, whole.outputTruncated],
    [700_000, 700_000, false],
  );
  const cut = await bash('head -c 700000 /dev/zero; echo end', { maxOutputBytes: 1000 });
  assert.deepEqual([cut.exitCode, cut.stdout.length, cut.outputTruncated], [0, 1000, true]);
});

test('a program that is not there, or is none, is an error with a code', async () => {
  await assert.rejects(runCommand('/no/such/program', []), {
    name: 'SyscallError',
    code: 'ENOENT',
    syscall: 'spawn',
  });
  await assert.rejects(runCommand('no-such-program', []), { code: 'ENOENT', path: 'no-such-program' });
  await assert.rejects(runCommand(folder, []), { code: 'EACCES' });
});

test('an argument with a NUL byte is refused before anything starts', async () => {
  const mine = process.umask();
  await assert.rejects(runCommand('true', ['a\0b'], { umask: mine ^ 0o22 }));
  assert.equal(process.umask(), mine, 'the mask is put back on that way out as well');
});

test('the pid is told at once', async () => {
  let told = 0;
  const result = await bash('echo $$', { onSpawn: (pid) => (told = pid) });
  assert.equal(result.stdout, `${told}\n`);
  assert.equal(result.pid, told);
});

test('at the deadline the whole group is killed, also one that ignores SIGTERM', async () => {
  const result = await bash('trap "" TERM; sleep 1000 & echo $!; wait', { timeoutMs: 300 });
  assert.equal(result.signal, 'SIGKILL');
  assert.equal(result.exitCode, null);
  assert.deepEqual([result.timedOut, result.aborted, result.abandoned], [true, false, false]);
  const grandchild = Number(result.stdout);
  await until(() => isGone(grandchild));
});

test('a command that ends in time is not reported as too slow', async () => {
  const result = await runCommand('true', [], { timeoutMs: 60_000 });
  assert.deepEqual([result.exitCode, result.timedOut], [0, false]);
});

test('an abort ends the child', async () => {
  const controller = new AbortController();
  const result = await runCommand('sleep', ['1000'], {
    signal: controller.signal,
    onSpawn: () => controller.abort(),
  });
  assert.deepEqual([result.signal, result.aborted, result.timedOut], ['SIGKILL', true, false]);
});

test('when the one who is told the pid throws, the child does not run on', async () => {
  let pid = 0;
  const onSpawn = (spawned: number): void => {
    pid = spawned;
    throw new RangeError('cannot record it');
  };
  await assert.rejects(runCommand('sleep', ['1000'], { onSpawn }), RangeError);
  await until(() => isGone(pid));
});

test('nothing starts when the signal was aborted before', async () => {
  const marker = path.join(folder, 'started');
  const result = await runCommand('touch', [marker], { signal: AbortSignal.abort() });
  assert.deepEqual([result.pid, result.aborted], [null, true]);
  assert.equal(existsSync(marker), false);
});

test('a daemon that keeps the output open is not waited for', async () => {
  const result = await bash('sleep 1000 & echo $!; echo ready');
  const daemon = Number(result.stdout.split('\n')[0]);
  try {
    assert.equal(result.exitCode, 0);
    assert.match(result.stdout, /ready/);
    assert.equal(isGone(daemon), false);
  } finally {
    process.kill(daemon, 'SIGKILL');
  }
  await until(() => isGone(daemon));
});

test('a child that not even SIGKILL ends is given up, and keeps what it inherited', {
  skip: skipUnlessRoot,
}, async () => {
  const target = path.join(folder, 'hung');
  mkdirSync(target);
  const fileSystem = new HungFileSystem(target);
  const lock = openSync(path.join(folder, 'lock'), 'w');
  let pid = 0;
  try {
    const result = await runCommand('stat', [path.join(target, 'x')], {
      // Long enough for a slow machine to bring it there.
      timeoutMs: 3000,
      inheritFds: [lock],
      onSpawn: (spawned) => {
        pid = spawned;
        void fileSystem.takeRequest();
      },
    });
    assert.deepEqual(
      [result.timedOut, result.abandoned, result.exitCode, result.signal],
      [true, true, null, null],
    );
    assert.equal(processState(pid)?.state, 'D');
    assert.ok(readdirSync(`/proc/${pid}/fd`).includes('3'), 'it holds the lock still');
  } finally {
    closeSync(lock);
    fileSystem.end();
  }
  await until(() => isGone(pid));
});

test('a hundred commands at once all end and leave nothing', async () => {
  const results = await Promise.all(
    Array.from({ length: 100 }, (_, index) => runCommand('echo', [String(index)])),
  );
  assert.deepEqual(
    results.map((result) => result.stdout),
    results.map((_, index) => `${index}\n`),
  );
});

/** A zombie counts as gone: whose child it was has yet to look. */
function isGone(pid: number): boolean {
  const state = processState(pid);
  return state === undefined || state.state === 'Z';
}
