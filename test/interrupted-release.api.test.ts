// A release of Helm whose process was killed, brought back on a real API server, where pods never become ready.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { recoverInterruptedRelease } from '../e2e/interrupted-release.ts';
import { buildHelm, helmEnvironment, runHelm } from '../tools/chart/helm.ts';
import { ApiServer } from './api-server.ts';
import { waitUntil } from './wait-until.ts';

const configMap = `apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { turn: '{{ .Values.turn }}' }
`;
/** No pod is made here, so Helm waits for it until it is ended. */
const pod = `{{ if .Values.waits }}
apiVersion: v1
kind: Pod
metadata: { name: never-ready }
spec:
  containers: [{ name: main, image: none }]
{{ end }}`;

describe('a release that was interrupted', () => {
  const namespace = `interrupted-${randomBytes(4).toString('hex')}`;
  let server: ApiServer;
  let folder: string;
  let kubeconfig: string;
  const said: string[] = [];

  before(async () => {
    server = await ApiServer.start();
    folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-release-'));
    kubeconfig = path.join(folder, 'kubeconfig');
    writeFileSync(kubeconfig, server.kubeconfig());
    mkdirSync(path.join(folder, 'chart/templates'), { recursive: true });
    writeFileSync(path.join(folder, 'chart/Chart.yaml'), 'apiVersion: v2\nname: tried\nversion: 0.1.0\n');
    writeFileSync(path.join(folder, 'chart/values.yaml'), 'waits: false\nturn: 0\n');
    writeFileSync(path.join(folder, 'chart/templates/settings.yaml'), configMap);
    writeFileSync(path.join(folder, 'chart/templates/pod.yaml'), pod);
    const account = { metadata: { name: 'default' } };
    assert.equal(
      (await server.request('POST', '/api/v1/namespaces', { metadata: { name: namespace } })).status,
      201,
    );
    await server.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, account);
  });
  after(async () => {
    await server.request('DELETE', `/api/v1/namespaces/${namespace}`);
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  function helm(...args: string[]): string {
    const { status, stdout, stderr } = runHelm([...args, '--namespace', namespace], '', kubeconfig);
    if (status !== 0) throw new Error(stderr);
    return stdout;
  }

  const upgrade = (turn: number, waits = false): string[] => [
    ...['upgrade', '--install', 'tried', path.join(folder, 'chart'), '--wait=legacy', '--timeout=240s'],
    ...[`--set=turn=${turn}`, `--set=waits=${waits}`],
  ];

  async function interrupt(turn: number): Promise<void> {
    const args = [...upgrade(turn, true), '--namespace', namespace];
    const child = spawn(buildHelm(), args, { stdio: 'ignore', env: helmEnvironment(kubeconfig) });
    const isThere = async (): Promise<boolean> =>
      (await server.request('GET', `/api/v1/namespaces/${namespace}/pods/never-ready`)).status === 200;
    try {
      await waitUntil('Helm waits', isThere);
    } finally {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
  }

  const recover = (): void => recoverInterruptedRelease(helm, 'tried', (line) => said.push(line));
  const turn = async (): Promise<string | undefined> =>
    (await server.request('GET', `/api/v1/namespaces/${namespace}/configmaps/settings`)).body.data?.turn;

  test('at its installation is uninstalled, and can be installed', async () => {
    await interrupt(1);
    assert.throws(() => helm(...upgrade(2)), /another operation|pending|in progress/);
    recover();
    assert.deepEqual(said.splice(0), [
      'revision 1 of the release tried was interrupted (pending-install): uninstalling what there is of it',
    ]);
    assert.equal(await turn(), undefined);
    helm(...upgrade(2));
    assert.equal(await turn(), '2');
  });

  test('at an upgrade is what it was before, and can be upgraded', async () => {
    await interrupt(3);
    assert.equal(await turn(), '3');
    assert.throws(() => helm(...upgrade(4)), /another operation|pending|in progress/);
    recover();
    assert.deepEqual(said.splice(0), [
      'revision 2 of the release tried was interrupted (pending-upgrade): rolling back to revision 1',
    ]);
    assert.equal(await turn(), '2');
    helm(...upgrade(4));
    assert.equal(await turn(), '4');
  });

  test('is left alone when it was not, or is not there', () => {
    recover();
    helm('uninstall', 'tried');
    recover();
    assert.deepEqual(said, []);
  });
});
