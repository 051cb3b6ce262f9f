import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { listProcesses, processState } from '../../src/linux/processes.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { isRunning, makeCluster, removeCluster } from './cluster.ts';
import { ClusterFolder, sharedCache } from './cluster-folder.ts';
import { currentBootId, isAlive, readRecord, recordProcess, writeRecord } from './cluster-record.ts';
import { missingPackages } from './needed-programs.ts';

const missing = missingPackages();
const needsRoot = process.getuid?.() === 0 ? undefined : 'a cluster needs root';
const needsPrograms = missing.length === 0 ? undefined : `without ${missing.join(', ')} there are no nodes`;
const patienceMs = 60_000;

// Kubernetes is stood in for by a program that does nothing: this is about what a cluster leaves, not about what it does.
describe('a cluster on this machine', { skip: needsRoot ?? needsPrograms ?? false }, () => {
  const folder = new ClusterFolder(`test-${process.pid}`);
  let kubernetes: string;
  let place: string;
  let maker: ChildProcess | undefined;

  before(() => {
    mkdirSync(sharedCache, { recursive: true });
    place = mkdtempSync(path.join(sharedCache, 'test-'));
    kubernetes = path.join(place, 'kubernetes');
    writeFileSync(kubernetes, '#!/bin/sh\nexec sleep 1000000\n');
    chmodSync(kubernetes, 0o755);
  });
  afterEach(async () => {
    maker?.kill('SIGKILL');
    await removeCluster(folder);
  });
  after(() => {
    rmSync(place, { recursive: true });
    rmSync(folder.lock, { force: true });
  });

  /** A process that makes the cluster; it waits for ever, since what stands in for Kubernetes does not answer. */
  function startMaker(): ChildProcess {
    const modules = path.join(import.meta.dirname);
    const code = `import { makeCluster } from ${JSON.stringify(path.join(modules, 'cluster.ts'))};
import { ClusterFolder } from ${JSON.stringify(path.join(modules, 'cluster-folder.ts'))};
await makeCluster(new ClusterFolder('${folder.name}'), { kubernetes: '${kubernetes}', images: [] }, { say() {} });`;
    return spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  async function untilContainerdRuns(): Promise<void> {
    const file = folder.pidFile('node-b.containerd');
    await waitUntil('both nodes have come up', () => existsSync(file), patienceMs);
  }

  function assertNothingLeft(): void {
    assert.ok(!existsSync(folder.path));
    assert.deepEqual(globSync(`/sys/fs/cgroup/**/${folder.cgroup}`), []);
    assert.deepEqual(
      listProcesses().filter(({ comm, parentPid }) => comm === 'unshare' && parentPid === maker?.pid),
      [],
    );
  }

  test('lives on when who made it is killed, and is found and removed by the next command', async () => {
    maker = startMaker();
    await untilContainerdRuns();
    const record = readRecord(folder.record);
    assert.ok(record?.init !== undefined);
    const ended = once(maker, 'exit');
    maker.kill('SIGKILL');
    await ended;
    assert.ok(isRunning(folder));
    assert.equal(await removeCluster(folder), true);
    assert.ok(!isAlive(record.maker) && !isAlive(record.init));
    assertNothingLeft();
    assert.equal(await removeCluster(folder), false);
  });

  test('whose first process was killed is not taken for running, and the rest of it can be removed', async () => {
    maker = startMaker();
    await untilContainerdRuns();
    const record = readRecord(folder.record);
    assert.ok(record?.init !== undefined);
    maker.kill('SIGKILL');
    process.kill(record.maker.pid, 'SIGKILL');
    await waitUntil('all of it has ended', () => !isAlive(record.maker), patienceMs);
    assert.ok(!isRunning(folder));
    await removeCluster(folder);
    assertNothingLeft();
  });

  test('leaves nothing when its making is interrupted', async () => {
    const interrupted = new AbortController();
    const parts = { kubernetes, images: [] };
    const making = makeCluster(folder, parts, { say: () => {}, signal: interrupted.signal });
    await Promise.race([untilContainerdRuns(), making]);
    interrupted.abort(new Error('enough'));
    await assert.rejects(making, /enough/);
    assertNothingLeft();
  });

  test('is not mistaken for another process that has the number of its first one', async () => {
    const innocent = spawn('sleep', ['1000000'], { stdio: 'ignore' });
    try {
      await once(innocent, 'spawn');
      const { pid } = recordProcess(innocent.pid ?? 0);
      mkdirSync(folder.path, { recursive: true });
      const earlier = { pid, startTimeTicks: '1' };
      writeRecord(folder.record, {
        bootId: currentBootId(),
        maker: earlier,
        init: earlier,
        groupsBefore: [],
      });
      assert.ok(!isRunning(folder));
      await removeCluster(folder);
      assert.equal(processState(pid)?.state, 'S');
      assert.ok(!existsSync(folder.path));
    } finally {
      innocent.kill('SIGKILL');
    }
  });
});
