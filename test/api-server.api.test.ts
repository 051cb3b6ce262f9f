import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { kubernetesVersion } from '../e2e/kubernetes-program.ts';
import { projectRoot } from '../tools/run-tool.ts';
import { ApiServer } from './api-server.ts';
import { waitUntil } from './wait-until.ts';

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('an API server of a test', () => {
  test('serves the release that go.mod names, knows its users, and leaves nothing behind', async () => {
    const server = await ApiServer.start({ own: true });
    const { folder, pids } = server;
    const { body } = await server.request('GET', '/version');
    assert.equal(body.gitVersion, kubernetesVersion());
    assert.equal((await server.request('GET', '/api/v1/nodes', undefined, { token: 'wrong' })).status, 401);
    assert.equal(pids.length, 2);
    assert.ok(existsSync(folder));
    await server.stop();
    assert.ok(!existsSync(folder));
    assert.deepEqual(pids.filter(isRunning), []);
    await assert.rejects(server.request('GET', '/version'));
  });

  test('crashes and comes back at the same address with what it had', async () => {
    const server = await ApiServer.start({ own: true });
    try {
      const name = 'kept';
      const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
      assert.equal((await server.request('POST', '/api/v1/namespaces', namespace)).status, 201);
      await server.crash();
      await assert.rejects(server.request('GET', '/version'));
      await server.recover();
      assert.equal((await server.request('GET', `/api/v1/namespaces/${name}`)).status, 200);
    } finally {
      await server.stop();
    }
  });

  test('ends with the process that started it, also when that is killed', async () => {
    const program = `
      import { ApiServer } from ${JSON.stringify(`${projectRoot}/test/api-server.ts`)};
      const { folder, pids } = await ApiServer.start({ own: true });
      console.log(JSON.stringify({ folder, pids }));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(child.stdout, 'data');
    const { folder, pids } = JSON.parse(String(line)) as { folder: string; pids: number[] };
    assert.ok(existsSync(folder));
    assert.deepEqual(pids.filter(isRunning), pids);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await waitUntil('the programs have ended', () => !pids.some(isRunning));
    await waitUntil('the folder is gone', () => !existsSync(folder));
  });
});
