// Real processes: see test/spoken-programs.ts. What concerns the lock is in lock-keeper.test.ts.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readlinkSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { keyOf, readTranscripts } from '../../test/famfs-transcripts.ts';
import { until, useSpokenPrograms } from '../../test/spoken-programs.ts';
import { DriverError } from '../errors.ts';
import { tryFileLock } from '../linux/file-lock.ts';
import type { CommandLocation } from './command-location.ts';
import { FamfsCommands, type FamfsCommandsOptions, type FinishedCommand } from './famfs-commands.ts';
import type { FamfsMode } from './famfs-mode.ts';

const device = '/dev/dax0.0';
const mountPoint = '/run/famfs/pool';
const creat = { mountPoint, path: 'v/abc/data', sizeBytes: 4096n, mode: 0o644, uid: 1000, gid: 1000 };
const programs = useSpokenPrograms();

function commands(mode: FamfsMode, options: Partial<FamfsCommandsOptions> = {}): FamfsCommands {
  const location: CommandLocation = { kind: 'image' };
  return new FamfsCommands({
    mode,
    location,
    famfsBinDir: programs().folder,
    minMountTimeoutMs: 20_000,
    ...options,
  });
}

test('a program gets exactly its words, umask 0, the mode, and nothing of this process', async () => {
  process.env.FAMFS_CSI_TEST_SECRET = 'secret';
  const umask = process.umask(0o022);
  try {
    await commands('standalone').creat(creat);
  } finally {
    process.umask(umask);
    delete process.env.FAMFS_CSI_TEST_SECRET;
  }
  const call = programs().lastCall();
  const words = [
    'famfs',
    'creat',
    '-s',
    '4096',
    '-m',
    '644',
    '-u',
    '1000',
    '-g',
    '1000',
    `${mountPoint}/v/abc/data`,
  ];
  assert.deepEqual(call.argv, words);
  assert.equal(call.umask, 0);
  assert.equal(call.cwd, '/');
  assert.equal(call.env.FAMFS_MODE, 'v1');
  assert.equal(call.env.LC_ALL, 'C');
  assert.equal(call.env.FAMFS_CSI_TEST_SECRET, undefined);
});

test('no shell reads the words', async () => {
  const nasty = '$(touch$IFS;x);`id`&|"\'*?#~famfs';
  await commands('fuse').flush({ mountPoint: `/run/${nasty}`, path: nasty });
  assert.deepEqual(programs().lastCall().argv, ['famfs', 'flush', `/run/${nasty}/${nasty}`]);
  assert.equal(programs().lastCall().env.FAMFS_MODE, 'fuse');
});

test('mkfs runs the other program', async () => {
  programs().sayAs('fuse:mkfs-new');
  const outcome = await commands('fuse').mkfs({ device });
  assert.deepEqual(programs().lastCall().argv, ['mkfs.famfs', '--fuse', device]);
  assert.ok(outcome.kind === 'ok');
  assert.match(outcome.details.superblock.fileSystemUuid, /^[0-9a-f-]{36}$/);
});

test('what the program says becomes the outcome of each method', async () => {
  const run = commands('standalone');
  programs().sayAs('v1:mount-ok-replay');
  const mounted = await run.mount({ device, mountPoint });
  assert.deepEqual(mounted.kind === 'ok' && mounted.details, { entries: 3, files: 2, directories: 1 });
  programs().sayAs('v1:logplay-new-client');
  const replayed = await run.logplay({ mountPoint });
  assert.deepEqual(replayed.kind === 'ok' && replayed.details, { entries: 20, files: 15, directories: 5 });
  programs().sayAs('v1:mkdir-client');
  const refused = await run.mkdir({ mountPoint, path: 'v', mode: 0o755, uid: 0, gid: 0 });
  assert.equal(refused.kind === 'failed' && refused.error.reason, 'not-master');
  programs().sayAs('v1:fsck-path');
  const checked = await run.fsck({ mountPoint });
  assert.equal(checked.kind === 'ok' && checked.details.files, 2);
  programs().sayAs('v1:cp-ok');
  const copied = await run.cp({ source: '/srv/one', mountPoint, path: 'copied' });
  assert.deepEqual(copied.kind === 'ok' && copied.details, { copiedPath: '/mnt/famfs/copied' });
  programs().sayAs('v1:verify-ok');
  const verified = await run.verify({ mountPoint, path: 'seeded', seed: 42 });
  assert.deepEqual(verified.kind === 'ok' && verified.details, { verifiedBytes: 3000000n });
  programs().sayAs('v1:creat-ok');
  assert.equal((await run.creat(creat)).kind, 'unproven');
  programs().say({ stdout: 'Successful dummy mount at /tmp/famfs_dummy_Ab12Cd\n' });
  const dummy = await run.dummyMount({ device });
  assert.deepEqual(dummy.kind === 'ok' && dummy.details, { mountPoint: '/tmp/famfs_dummy_Ab12Cd' });
});

test('the observer is told of each command with its outcome', async () => {
  const finished: FinishedCommand[] = [];
  programs().sayAs('fuse:creat-out-of-space');
  await commands('fuse', { onFinished: (one) => finished.push(one) }).creat(creat);
  assert.equal(finished.length, 1);
  assert.equal(finished[0]?.outcome.kind, 'failed');
  assert.equal(finished[0]?.result?.exitCode, 1);
  assert.equal(finished[0]?.request.name, 'creat');
});

test('a value that famfs would misread starts nothing', async () => {
  await assert.rejects(commands('fuse').creat({ ...creat, path: '../x' }), isReason('invalid-argument'));
  await assert.rejects(commands('fuse').mkfs({ device: '--force' }), isReason('invalid-argument'));
  await assert.rejects(
    commands('fuse').mount({ device, mountPoint: '/mnt/pool' }),
    isReason('invalid-argument'),
  );
  assert.equal(programs().wasCalled(), false);
});

function isReason(reason: string): (error: unknown) => boolean {
  return (error) => error instanceof DriverError && error.reason === reason;
}

test('a shadow directory has to be there and fresh', async () => {
  const shadowPath = path.join(programs().folder, 'shadow');
  const run = commands('fuse');
  await assert.rejects(run.mount({ device, mountPoint, shadowPath }), /does not exist where famfs runs/);
  mkdirSync(path.join(shadowPath, 'root'), { recursive: true });
  await assert.rejects(run.mount({ device, mountPoint, shadowPath }), /was used by a mount before/);
  assert.equal(programs().wasCalled(), false);
  rmSync(path.join(shadowPath, 'root'), { recursive: true });
  programs().sayAs('fuse:mount-ok-empty');
  assert.equal((await run.mount({ device, mountPoint, shadowPath })).kind, 'ok');
  assert.deepEqual(programs().lastCall().argv, [
    'famfs',
    'mount',
    '--fuse',
    `--shadow=${shadowPath}`,
    device,
    mountPoint,
  ]);
});

test('a program that is not there is famfs missing, one that is no program a permission missing', async () => {
  const missing = await commands('fuse', { famfsBinDir: path.join(programs().folder, 'absent') }).logplay({
    mountPoint,
  });
  assert.equal(missing.kind === 'failed' && missing.error.reason, 'famfs-missing');
  chmodSync(path.join(programs().folder, 'famfs'), 0o644);
  const refused = await commands('fuse').logplay({ mountPoint });
  assert.equal(refused.kind === 'failed' && refused.error.reason, 'permission-missing');
});

test('a program without a folder is looked for on the PATH', async () => {
  const outcome = await new FamfsCommands({ mode: 'fuse', location: { kind: 'image' } }).logplay({
    mountPoint: '/run/famfs/absent',
  });
  assert.equal(outcome.kind, 'failed');
});

test('a command that outlives its time is killed and called hung', async () => {
  programs().closeGate();
  const outcome = await commands('standalone').creat(creat, { timeoutMs: 300 });
  assert.equal(outcome.kind === 'failed' && outcome.error.reason, 'pool-hung');
});

test('a mount is never given less than its least time', async () => {
  programs().sayAs('fuse:mount-ok-empty');
  const usual = new FamfsCommands({
    mode: 'fuse',
    location: { kind: 'image' },
    famfsBinDir: programs().folder,
  });
  assert.equal((await usual.mount({ device, mountPoint }, { timeoutMs: 1 })).kind, 'ok');
  programs().closeGate();
  const outcome = await commands('fuse', { minMountTimeoutMs: 300 }).mount(
    { device, mountPoint },
    { timeoutMs: 1 },
  );
  assert.equal(outcome.kind === 'failed' && outcome.error.reason, 'pool-hung');
  assert.equal(outcome.leftovers.mountMayRemain, true);
});

test('a copy ends when its caller withdraws', async () => {
  programs().closeGate();
  const caller = new AbortController();
  const running = commands('fuse').cp({ source: '/srv/x', mountPoint, path: 'x' }, { signal: caller.signal });
  await until(() => programs().wasCalled());
  caller.abort();
  const outcome = await running;
  assert.equal(outcome.kind === 'unproven' && outcome.error.reason, 'cancelled');
  assert.ok(!existsSync(`/proc/${programs().lastCall().pid}`));
});

test('a mount goes on when its caller withdraws', async () => {
  programs().closeGate();
  programs().sayAs('v1:mount-ok-empty');
  const caller = new AbortController();
  const running = commands('standalone').mount({ device, mountPoint }, { signal: caller.signal });
  await until(() => programs().wasCalled());
  caller.abort();
  programs().openGate();
  assert.equal((await running).kind, 'ok');
});

test('nothing is begun for a caller that has withdrawn', async () => {
  const signal = AbortSignal.abort();
  await assert.rejects(commands('fuse').mount({ device, mountPoint }, { signal }), isReason('cancelled'));
  await assert.rejects(commands('fuse').logplay({ mountPoint }, { signal }), isReason('cancelled'));
  const late = new DriverError('deadline-exceeded', 'Too late.');
  await assert.rejects(
    commands('fuse').creat(creat, { signal: AbortSignal.abort(late) }),
    isReason('deadline-exceeded'),
  );
  assert.equal(programs().wasCalled(), false);
});

test('a launcher is given the command for here and for inside, and its result is judged', async () => {
  const { stdout, stderr } = readTranscripts().find((one) => keyOf(one) === 'fuse:mount-ok-empty') ?? {};
  const seen: unknown[] = [];
  const outcome = await commands('fuse', {
    location: { kind: 'host', hostPid: 1 },
    famfsBinDir: '/opt/famfs',
  }).mount(
    { device, mountPoint },
    {
      launch: async ({ argv, argvInside }, { umask, env }) => {
        seen.push(argv, argvInside, umask, env);
        const ending = { exitCode: 0, signal: null, timedOut: false, aborted: false, abandoned: false };
        return {
          ...ending,
          stdout: stdout ?? '',
          stderr: stderr ?? '',
          outputTruncated: false,
          durationMs: 1,
          pid: 1,
        };
      },
    },
  );
  const inside = ['/opt/famfs/famfs', 'mount', '--fuse', device, mountPoint];
  const enter = ['nsenter', '--target', '1', '--mount', '--net', '--ipc', '--uts', '--'];
  assert.deepEqual(seen, [[...enter, ...inside], inside, 0, { FAMFS_MODE: 'fuse' }]);
  assert.equal(outcome.kind, 'ok');
});

const canUnshare = spawnSync('unshare', ['--mount', '--uts', 'true']).status === 0;
const skip = canUnshare ? false : 'needs a root that may make mount namespaces';

test('at the location host a program runs in the namespaces of the host process', { skip }, async () => {
  const host = spawn('unshare', ['--mount', '--uts', '--propagation', 'private', 'sleep', 'infinity'], {
    stdio: 'ignore',
  });
  try {
    const own = readlinkSync('/proc/self/ns/mnt');
    const namespaceOfHost = () => readlinkSync(`/proc/${host.pid}/ns/mnt`);
    await until(() => namespaceOfHost() !== own);
    const location: CommandLocation = { kind: 'host', hostPid: host.pid ?? 0 };
    const run = commands('standalone', { location });
    const lockPath = path.join(programs().folder, 'lock');
    const lock = tryFileLock(lockPath);
    assert.ok(lock !== undefined);
    await run.creat(creat, { lockFd: lock.fd });
    lock.release();
    const call = programs().lastCall();
    assert.equal(call.mountNamespace, namespaceOfHost());
    assert.equal(call.argv.at(-1), `${mountPoint}/v/abc/data`);
    assert.deepEqual([call.umask, call.cwd, call.env.FAMFS_MODE], [0, '/', 'v1']);
    assert.ok(call.files.includes(lockPath));
    rmSync(path.join(programs().folder, 'famfs'));
    const missing = await run.logplay({ mountPoint });
    assert.equal(missing.kind === 'failed' && missing.error.reason, 'famfs-missing');
  } finally {
    host.kill('SIGKILL');
    await until(() => host.signalCode !== null);
  }
});

test('a host process that is not there is told as such', { skip }, async () => {
  const outcome = await commands('fuse', { location: { kind: 'host', hostPid: 2 ** 22 } }).logplay({
    mountPoint,
  });
  assert.equal(outcome.kind === 'failed' && outcome.error.reason, 'permission-missing');
  await assert.rejects(
    commands('fuse', { location: { kind: 'host', hostPid: 0 } }).logplay({ mountPoint }),
    isReason('config-invalid'),
  );
});
