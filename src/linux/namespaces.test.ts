import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { type CommandOptions, runCommand } from './child-process.ts';
import { inNamespacesOf } from './namespaces.ts';

const { skip } = enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'namespaces-'));
after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

test('what is put into namespaces cannot become an option of nsenter', () => {
  assert.deepEqual(inNamespacesOf({ pid: 1 }, '--target', ['-x']), {
    file: 'nsenter',
    args: ['--target', '1', '--mount', '--net', '--ipc', '--uts', '--', '--target', '-x'],
  });
  const entry = { pid: 7, namespaces: ['net'], nsenter: '/opt/nsenter' } as const;
  assert.deepEqual(inNamespacesOf(entry, 'id', []), {
    file: '/opt/nsenter',
    args: ['--target', '7', '--net', '--', 'id'],
  });
  for (const pid of [0, -1, 1.5, Number.NaN])
    assert.throws(() => inNamespacesOf({ pid }, 'id', []), TypeError);
});

describe('a command in the namespaces of another process', { skip }, () => {
  let other: ChildProcess | undefined;
  const inside = path.join(folder, 'inside');

  before(async () => {
    mkdirSync(inside);
    const script = 'mount -t tmpfs inner "$0" && touch "$0/only-here" && echo ready && exec sleep 1000';
    const options = [
      '--mount',
      '--net',
      '--ipc',
      '--uts',
      '--propagation',
      'private',
      'sh',
      '-c',
      script,
      inside,
    ];
    other = spawn('unshare', options, { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(other.stdout !== null);
    await once(other.stdout, 'data');
  });

  after(async () => {
    if (other === undefined) return;
    const exited = once(other, 'exit');
    other.kill('SIGKILL');
    await exited;
  });

  function run(file: string, args: readonly string[], options: CommandOptions = {}) {
    const argv = inNamespacesOf({ pid: other?.pid ?? 0 }, file, args);
    return runCommand(argv.file, argv.args, options);
  }

  test('is in all of them and sees what is mounted there', async () => {
    assert.equal(existsSync(path.join(inside, 'only-here')), false);
    assert.equal((await run('ls', [inside])).stdout, 'only-here\n');
    for (const name of ['mnt', 'net', 'ipc', 'uts']) {
      const { stdout } = await run('readlink', [`/proc/self/ns/${name}`]);
      assert.equal(stdout.trim(), readlinkSync(`/proc/${other?.pid}/ns/${name}`), name);
      assert.notEqual(stdout.trim(), readlinkSync(`/proc/self/ns/${name}`), name);
    }
  });

  test('stands in the root directory there, whatever directory it was started in', async () => {
    assert.equal((await run('pwd', [], { cwd: folder })).stdout, '/\n');
  });

  test('has the umask, environment and descriptors that it was given', async () => {
    writeFileSync(path.join(folder, 'passed'), 'through');
    const fd = openSync(path.join(folder, 'passed'), 'r');
    const script = 'umask; echo $FAMFS_MODE; cat <&3';
    const options = { umask: 0, env: { FAMFS_MODE: 'v1' }, inheritFds: [fd] };
    const { stdout } = await run('sh', ['-c', script], options).finally(() => closeSync(fd));
    assert.equal(stdout, '0000\nv1\nthrough');
  });

  test('is the very process that was started, so the deadline reaches it', async () => {
    let pid = 0;
    const told = await run('sh', ['-c', 'echo $$'], { onSpawn: (spawned) => (pid = spawned) });
    assert.equal(told.stdout, `${pid}\n`);
    const late = await run('sleep', ['1000'], { timeoutMs: 200 });
    assert.deepEqual([late.timedOut, late.signal], [true, 'SIGKILL']);
  });

  test('that is not there fails in the way of nsenter, not of the spawn', async () => {
    const result = await run('/no/such/program', []);
    assert.notEqual(result.exitCode, 0);
    assert.match(result.stderr, /no\/such\/program.*No such file/);
  });
});
