// Real processes: tiny programs in the place of famfs and mkfs.famfs write down how they were called, and say what the
// real ones said.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { keyOf, readTranscripts } from '../../test/famfs-transcripts.ts';
import { DriverError } from '../errors.ts';
import { tryFileLock } from '../linux/file-lock.ts';
import type { CommandLocation } from './command-location.ts';
import { FamfsCommands, type FamfsCommandsOptions, type FinishedCommand } from './famfs-commands.ts';
import type { FamfsMode } from './famfs-mode.ts';

const device = '/dev/dax0.0';
const mountPoint = '/run/famfs/pool';
const creat = { mountPoint, path: 'v/abc/data', sizeBytes: 4096n, mode: 0o644, uid: 1000, gid: 1000 };

/** What a program wrote down about how it was called. */
interface Call {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly umask: number;
  readonly cwd: string;
  readonly files: readonly string[];
  readonly mountNamespace: string;
  readonly pid: number;
}

const program = `#!${process.execPath}
import fs from 'node:fs';
import path from 'node:path';
const folder = import.meta.dirname;
const linkOf = (file) => { try { return fs.readlinkSync(file); } catch { return ''; } };
const call = {
  argv: [path.basename(process.argv[1]), ...process.argv.slice(2)],
  env: process.env,
  umask: process.umask(),
  cwd: process.cwd(),
  files: fs.readdirSync('/proc/self/fd').map((fd) => linkOf('/proc/self/fd/' + fd)),
  mountNamespace: linkOf('/proc/self/ns/mnt'),
  pid: process.pid,
};
fs.writeFileSync(path.join(folder, 'call.tmp'), JSON.stringify(call));
fs.renameSync(path.join(folder, 'call.tmp'), path.join(folder, 'call.json'));
const says = JSON.parse(fs.readFileSync(path.join(folder, 'says.json'), 'utf8'));
if (fs.existsSync(path.join(folder, 'gate'))) fs.readFileSync(path.join(folder, 'gate'));
fs.writeSync(1, says.stdout);
fs.writeSync(2, says.stderr);
process.exitCode = says.exit;
`;

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-commands-'));
  writeFileSync(path.join(folder, 'program.mjs'), program);
  chmodSync(path.join(folder, 'program.mjs'), 0o755);
  for (const name of ['famfs', 'mkfs.famfs']) symlinkSync('program.mjs', path.join(folder, name));
  say({});
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** What the programs are to say, and with which status to end. */
function say(words: { stdout?: string; stderr?: string; exit?: number }): void {
  const all = { stdout: '', stderr: '', exit: 0, ...words };
  writeFileSync(path.join(folder, 'says.json'), JSON.stringify(all));
}

/** Lets the programs say what a recording says. */
function sayAs(key: string): void {
  const found = readTranscripts().find((transcript) => keyOf(transcript) === key);
  assert.ok(found !== undefined, key);
  say(found);
}

function commands(mode: FamfsMode, options: Partial<FamfsCommandsOptions> = {}): FamfsCommands {
  const location: CommandLocation = { kind: 'image' };
  return new FamfsCommands({ mode, location, famfsBinDir: folder, minMountTimeoutMs: 20_000, ...options });
}

function lastCall(): Call {
  return JSON.parse(readFileSync(path.join(folder, 'call.json'), 'utf8')) as Call;
}

function wasCalled(): boolean {
  return existsSync(path.join(folder, 'call.json'));
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'the condition never came true');
    await sleep(5);
  }
}

/** Programs stop at the gate until `openGate`. */
function closeGate(): void {
  assert.equal(spawnSync('mkfifo', [path.join(folder, 'gate')]).status, 0);
}

function openGate(): void {
  writeFileSync(path.join(folder, 'gate'), '');
}

/** Processes that watch over the program that was called last. */
function keepersOf(pid: number): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`--pid=${pid}\0`);
    } catch {
      return false;
    }
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
  const call = lastCall();
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
  assert.deepEqual(lastCall().argv, ['famfs', 'flush', `/run/${nasty}/${nasty}`]);
  assert.equal(lastCall().env.FAMFS_MODE, 'fuse');
});

test('mkfs runs the other program', async () => {
  sayAs('fuse:mkfs-new');
  const outcome = await commands('fuse').mkfs({ device });
  assert.deepEqual(lastCall().argv, ['mkfs.famfs', '--fuse', device]);
  assert.ok(outcome.kind === 'ok');
  assert.match(outcome.details.superblock.fileSystemUuid, /^[0-9a-f-]{36}$/);
});

test('what the program says becomes the outcome of each method', async () => {
  const run = commands('standalone');
  sayAs('v1:mount-ok-replay');
  const mounted = await run.mount({ device, mountPoint });
  assert.deepEqual(mounted.kind === 'ok' && mounted.details, { entries: 3, files: 2, directories: 1 });
  sayAs('v1:logplay-new-client');
  const replayed = await run.logplay({ mountPoint });
  assert.deepEqual(replayed.kind === 'ok' && replayed.details, { entries: 20, files: 15, directories: 5 });
  sayAs('v1:mkdir-client');
  const refused = await run.mkdir({ mountPoint, path: 'v', mode: 0o755, uid: 0, gid: 0 });
  assert.equal(refused.kind === 'failed' && refused.error.reason, 'not-master');
  sayAs('v1:fsck-path');
  const checked = await run.fsck({ mountPoint });
  assert.equal(checked.kind === 'ok' && checked.details.files, 2);
  sayAs('v1:cp-ok');
  const copied = await run.cp({ source: '/srv/one', mountPoint, path: 'copied' });
  assert.deepEqual(copied.kind === 'ok' && copied.details, { copiedPath: '/mnt/famfs/copied' });
  sayAs('v1:verify-ok');
  const verified = await run.verify({ mountPoint, path: 'seeded', seed: 42 });
  assert.deepEqual(verified.kind === 'ok' && verified.details, { verifiedBytes: 3000000n });
  sayAs('v1:creat-ok');
  assert.equal((await run.creat(creat)).kind, 'unproven');
  say({ stdout: 'Successful dummy mount at /tmp/famfs_dummy_Ab12Cd\n' });
  const dummy = await run.dummyMount({ device });
  assert.deepEqual(dummy.kind === 'ok' && dummy.details, { mountPoint: '/tmp/famfs_dummy_Ab12Cd' });
});

test('the observer is told of each command with its outcome', async () => {
  const finished: FinishedCommand[] = [];
  sayAs('fuse:creat-out-of-space');
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
  assert.equal(wasCalled(), false);
});

function isReason(reason: string): (error: unknown) => boolean {
  return (error) => error instanceof DriverError && error.reason === reason;
}

test('a shadow directory has to be there and fresh', async () => {
  const shadowPath = path.join(folder, 'shadow');
  const run = commands('fuse');
  await assert.rejects(run.mount({ device, mountPoint, shadowPath }), /does not exist where famfs runs/);
  mkdirSync(path.join(shadowPath, 'root'), { recursive: true });
  await assert.rejects(run.mount({ device, mountPoint, shadowPath }), /was used by a mount before/);
  assert.equal(wasCalled(), false);
  rmSync(path.join(shadowPath, 'root'), { recursive: true });
  sayAs('fuse:mount-ok-empty');
  assert.equal((await run.mount({ device, mountPoint, shadowPath })).kind, 'ok');
  assert.deepEqual(lastCall().argv, [
    'famfs',
    'mount',
    '--fuse',
    `--shadow=${shadowPath}`,
    device,
    mountPoint,
  ]);
});

test('a program that is not there is famfs missing, one that is no program a permission missing', async () => {
  const missing = await commands('fuse', { famfsBinDir: path.join(folder, 'absent') }).logplay({
    mountPoint,
  });
  assert.equal(missing.kind === 'failed' && missing.error.reason, 'famfs-missing');
  chmodSync(path.join(folder, 'famfs'), 0o644);
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
  closeGate();
  const outcome = await commands('standalone').creat(creat, { timeoutMs: 300 });
  assert.equal(outcome.kind === 'failed' && outcome.error.reason, 'pool-hung');
});

test('a mount is never given less than its least time', async () => {
  sayAs('fuse:mount-ok-empty');
  const usual = new FamfsCommands({ mode: 'fuse', location: { kind: 'image' }, famfsBinDir: folder });
  assert.equal((await usual.mount({ device, mountPoint }, { timeoutMs: 1 })).kind, 'ok');
  closeGate();
  const outcome = await commands('fuse', { minMountTimeoutMs: 300 }).mount(
    { device, mountPoint },
    { timeoutMs: 1 },
  );
  assert.equal(outcome.kind === 'failed' && outcome.error.reason, 'pool-hung');
  assert.equal(outcome.leftovers.mountMayRemain, true);
});

test('a copy ends when its caller withdraws', async () => {
  closeGate();
  const caller = new AbortController();
  const running = commands('fuse').cp({ source: '/srv/x', mountPoint, path: 'x' }, { signal: caller.signal });
  await until(wasCalled);
  caller.abort();
  const outcome = await running;
  assert.equal(outcome.kind === 'unproven' && outcome.error.reason, 'cancelled');
  assert.ok(!existsSync(`/proc/${lastCall().pid}`));
});

test('a mount goes on when its caller withdraws', async () => {
  closeGate();
  sayAs('v1:mount-ok-empty');
  const caller = new AbortController();
  const running = commands('standalone').mount({ device, mountPoint }, { signal: caller.signal });
  await until(wasCalled);
  caller.abort();
  openGate();
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
  assert.equal(wasCalled(), false);
});

test('a lock that is handed over lives as long as the command', async () => {
  closeGate();
  const lockPath = path.join(folder, 'lock');
  const lock = tryFileLock(lockPath);
  assert.ok(lock !== undefined);
  const finished: FinishedCommand[] = [];
  const running = commands('standalone', { onFinished: (one) => finished.push(one) }).mount(
    { device, mountPoint },
    { lockFd: lock.fd },
  );
  await until(wasCalled);
  lock.release();
  assert.ok(lastCall().files.includes(lockPath));
  assert.equal(tryFileLock(lockPath), undefined, 'the command should hold the lock');
  openGate();
  await running;
  const again = tryFileLock(lockPath);
  assert.ok(again !== undefined, 'nobody should hold the lock any more');
  again.release();
  assert.equal(finished[0]?.lockKept, true);
});

test('a command that starts a daemon does not inherit the lock, and yet it lives as long as the command', async () => {
  closeGate();
  const lockPath = path.join(folder, 'lock');
  const lock = tryFileLock(lockPath);
  assert.ok(lock !== undefined);
  const finished: FinishedCommand[] = [];
  const running = commands('fuse', { onFinished: (one) => finished.push(one) }).mount(
    { device, mountPoint },
    { lockFd: lock.fd },
  );
  await until(wasCalled);
  const { pid, files } = lastCall();
  assert.ok(!files.includes(lockPath), 'a daemon would inherit it from the command');
  lock.release();
  assert.equal(tryFileLock(lockPath), undefined, 'a keeper should hold the lock');
  assert.equal(keepersOf(pid).length, 1);
  openGate();
  await running;
  const again = tryFileLock(lockPath);
  assert.ok(again !== undefined, 'nobody should hold the lock any more');
  again.release();
  assert.deepEqual(keepersOf(pid), []);
  assert.equal(finished[0]?.lockKept, true);
});

test('the keeper of a lock ends with the command when this process is gone', async () => {
  closeGate();
  const lockPath = path.join(folder, 'lock');
  const moduleUrl = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
  const script = `
    const { FamfsCommands } = await import(${moduleUrl('./famfs-commands.ts')});
    const { tryFileLock } = await import(${moduleUrl('../linux/file-lock.ts')});
    const lock = tryFileLock(${JSON.stringify(lockPath)});
    const run = new FamfsCommands({ mode: 'fuse', location: { kind: 'image' }, famfsBinDir: ${JSON.stringify(folder)} });
    void run.mount({ device: '${device}', mountPoint: '${mountPoint}' }, { lockFd: lock.fd });
  `;
  const mounter = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
  await until(() => wasCalled() && keepersOf(lastCall().pid).length === 1);
  const { pid } = lastCall();
  mounter.kill('SIGKILL');
  await until(() => mounter.signalCode !== null);
  assert.equal(tryFileLock(lockPath), undefined, 'the keeper should hold the lock');
  openGate();
  await until(() => keepersOf(pid).length === 0);
  const again = tryFileLock(lockPath);
  assert.ok(again !== undefined);
  again.release();
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
    const lockPath = path.join(folder, 'lock');
    const lock = tryFileLock(lockPath);
    assert.ok(lock !== undefined);
    await run.creat(creat, { lockFd: lock.fd });
    lock.release();
    const call = lastCall();
    assert.equal(call.mountNamespace, namespaceOfHost());
    assert.equal(call.argv.at(-1), `${mountPoint}/v/abc/data`);
    assert.deepEqual([call.umask, call.cwd, call.env.FAMFS_MODE], [0, '/', 'v1']);
    assert.ok(call.files.includes(lockPath));
    rmSync(path.join(folder, 'famfs'));
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
