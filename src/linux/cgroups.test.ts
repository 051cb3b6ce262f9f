import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import {
  cgroupsOf,
  createCgroup,
  findCgroupHierarchies,
  moveToCgroup,
  parseCgroupMembership,
  processesInCgroup,
  removeCgroup,
} from './cgroups.ts';

enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'cgroups-'));
after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

test('the groups of a process are read, of either version and of both at once', () => {
  assert.deepEqual(parseCgroupMembership('0::/system.slice/a:b.scope\n'), [
    { version: 2, controllers: [], path: '/system.slice/a:b.scope' },
  ]);
  const hybrid = '5:cpu,cpuacct:/\n1:name=systemd:/init.scope\n0::/init.scope\n';
  assert.deepEqual(parseCgroupMembership(hybrid), [
    { version: 1, controllers: ['cpu', 'cpuacct'], path: '/' },
    { version: 1, controllers: ['name=systemd'], path: '/init.scope' },
    { version: 2, controllers: [], path: '/init.scope' },
  ]);
  assert.throws(() => parseCgroupMembership('nonsense\n'), TypeError);
});

test('what is longer than the kernel ever writes is refused in the words of any other foreign text', () => {
  assert.throws(() => parseCgroupMembership('0::/\n'.repeat(200_000)), {
    name: 'TypeError',
    message: /^not a \/proc\/PID\/cgroup: 1000000 characters/,
  });
});

test('every hierarchy that this process is in and that is mounted is found once', () => {
  const keys = findCgroupHierarchies().map((each) => `${each.version} ${each.controllers.join(',')}`);
  const known = new Set(cgroupsOf('self').map((each) => `${each.version} ${each.controllers.join(',')}`));
  assert.equal(new Set(keys).size, keys.length);
  for (const key of keys) assert.ok(known.has(key), key);
  assert.equal(
    findCgroupHierarchies(process.pid)[0]?.directory.startsWith(`/proc/${process.pid}/root/`),
    true,
  );
});

test('a name that leads elsewhere is refused', () => {
  const hierarchies = [{ version: 2, controllers: [], directory: folder }] as const;
  for (const name of ['', '..', '../x', 'a/../b', '/a', 'a//b', '.', 'a\0', 'a b']) {
    assert.throws(() => createCgroup(hierarchies, name), TypeError, JSON.stringify(name));
  }
});

test('a version 1 cpuset takes over the processors and nodes of what is above it', () => {
  const directory = path.join(folder, 'cpuset');
  mkdirSync(directory);
  writeFileSync(path.join(directory, 'cpuset.cpus'), '0-3\n');
  writeFileSync(path.join(directory, 'cpuset.mems'), '0\n');
  createCgroup([{ version: 1, controllers: ['cpuset'], directory }], 'ours/pool');
  assert.equal(readFileSync(path.join(directory, 'ours/pool/cpuset.cpus'), 'utf8'), '0-3\n');
  assert.equal(readFileSync(path.join(directory, 'ours/cpuset.mems'), 'utf8'), '0\n');
});

function reasonToSkip(): string | false {
  const hierarchies = findCgroupHierarchies();
  if (hierarchies.length === 0) return 'no control groups are mounted here';
  try {
    for (const { directory } of hierarchies) accessSync(directory, constants.W_OK);
    return false;
  } catch {
    return 'control groups are not writable here; needs root on a machine of its own';
  }
}

describe('a control group of our own', { skip: reasonToSkip() }, () => {
  const name = `famfs-csi-test-${process.pid}`;

  test('takes a process out of where it was started, holds it, and goes when it is empty', async () => {
    const hierarchies = findCgroupHierarchies();
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const pid = child.pid ?? 0;
    try {
      createCgroup(hierarchies, `${name}/pool`);
      createCgroup(hierarchies, `${name}/pool`);
      moveToCgroup(hierarchies, `${name}/pool`, pid);
      const memberships = cgroupsOf(pid).filter((each) => isAmong(hierarchies, each.controllers));
      for (const membership of memberships)
        assert.equal(membership.path, `/${name}/pool`, membership.controllers.join());
      assert.equal(memberships.length, hierarchies.length);
      assert.deepEqual(processesInCgroup(hierarchies, `${name}/pool`), [pid]);
      assert.throws(() => removeCgroup(hierarchies, `${name}/pool`), { code: 'EBUSY' });
    } finally {
      await end(child);
      removeCgroup(hierarchies, `${name}/pool`);
      removeCgroup(hierarchies, name);
    }
    removeCgroup(hierarchies, name);
    assert.deepEqual(processesInCgroup(hierarchies, `${name}/pool`), []);
    for (const { directory } of hierarchies) assert.equal(existsSync(path.join(directory, name)), false);
  });

  test('does not take a process that has gone, nor any when it was not made', () => {
    const hierarchies = findCgroupHierarchies();
    assert.throws(() => moveToCgroup(hierarchies, name, process.pid), { code: 'ENOENT' });
    createCgroup(hierarchies, name);
    try {
      assert.throws(() => moveToCgroup(hierarchies, name, 2 ** 22 - 1), { code: 'ESRCH' });
    } finally {
      removeCgroup(hierarchies, name);
    }
  });
});

function isAmong(
  hierarchies: ReturnType<typeof findCgroupHierarchies>,
  controllers: readonly string[],
): boolean {
  return hierarchies.some((each) => each.controllers.join() === controllers.join());
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
