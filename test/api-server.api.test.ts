import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { kubernetesVersion } from '../e2e/kubernetes-program.ts';
import { projectRoot } from '../tools/run-tool.ts';
import { ApiRequester } from './api-requester.ts';
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

/** Whom the server takes the user of a kubeconfig for, that names a client certificate. */
async function whoIs(kubeconfig: string): Promise<{ name: string; groups: string[] }> {
  const { clusters, users } = JSON.parse(kubeconfig);
  const [{ cluster }, { user }] = [clusters[0], users[0]];
  const text = (base64: string): string => Buffer.from(base64, 'base64').toString();
  const client = { cert: text(user['client-certificate-data']), key: text(user['client-key-data']) };
  const requester = new ApiRequester(cluster.server, text(cluster['certificate-authority-data']), client);
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const route = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const { body } = await requester.request('POST', route, review, {});
  const { username, groups } = body.status.userInfo;
  return { name: username, groups: groups.sort() };
}

describe('an API server of a test', () => {
  test('serves the release that go.mod names, knows its users, and leaves nothing behind', async () => {
    const server = await ApiServer.start({ own: true });
    const { folder, pids } = server;
    const { body } = await server.request('GET', '/version');
    assert.equal(body.gitVersion, kubernetesVersion());
    assert.equal((await server.request('GET', '/api/v1/nodes', undefined, { token: 'wrong' })).status, 401);
    const groups = ['famfs-testers', 'a/b+c=d'];
    assert.deepEqual(await whoIs(server.kubeconfig({ name: 'alice', groups })), {
      name: 'alice',
      groups: [...groups, 'system:authenticated'].sort(),
    });
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
    const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
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
