// What `helm test` runs, against a real API server and a real file: that it passes where all is well, and says what is not.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { chartFolder } from '../tools/chart/helm.ts';
import { ApiServer } from './api-server.ts';

const scripts = path.join(chartFolder, 'files/tests');
const suffix = randomBytes(4).toString('hex');

async function run(script: string, env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [path.join(scripts, script)], { stdio: 'pipe', env });
  const [said, blamed, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { status, said, blamed };
}

describe('the test of the registration', () => {
  const namespace = `chart-tests-${suffix}`;
  const node = `chart-tests-${suffix}`;
  const labels = { 'app.kubernetes.io/name': 'famfs-csi', 'app.kubernetes.io/instance': 'famfs-csi' };
  let server: ApiServer;
  let folder: string;

  async function make(route: string, object: unknown, status?: unknown): Promise<void> {
    const answer = await server.request('POST', route, object);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    const { name } = answer.body.metadata;
    if (status === undefined) return;
    const headers = { 'content-type': 'application/merge-patch+json' };
    const patched = await server.request('PATCH', `${route}/${name}/status`, { status }, { headers });
    assert.equal(patched.status, 200, JSON.stringify(patched.body));
  }

  const pod = (component: string) => ({
    metadata: { name: component, labels: { ...labels, 'app.kubernetes.io/component': component } },
    spec: { nodeName: node, containers: [{ name: component, image: 'famfs-csi' }] },
  });

  function registration() {
    const { hostname, port } = new URL(server.url);
    return run('registration.mjs', {
      ...{ SERVICE_ACCOUNT_DIR: folder, KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
      RELEASE_NAMESPACE: namespace,
      RELEASE_SELECTOR: Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
      TIMEOUT_SECONDS: '0',
    });
  }

  before(async () => {
    // A CSIDriver is of the whole cluster, and another file is about that.
    server = await ApiServer.start({ own: true });
    await server.installCrds();
    folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-chart-tests-'));
    const kubeconfig = JSON.parse(server.kubeconfig());
    const authority: string = kubeconfig.clusters[0].cluster['certificate-authority-data'];
    writeFileSync(path.join(folder, 'ca.crt'), Buffer.from(authority, 'base64'));
    writeFileSync(path.join(folder, 'token'), `${kubeconfig.users[0].user.token}\n`);
    await make('/api/v1/namespaces', { metadata: { name: namespace } });
    await make(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: 'default' } });
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await server.stop();
  });

  test('tells all that is missing, and passes when nothing is', async () => {
    const none = await registration();
    assert.equal(none.status, 1);
    assert.match(none.blamed, /csidrivers\/csi\.famfs\.io: 404/);

    const spec = { attachRequired: false };
    await make('/apis/storage.k8s.io/v1/csidrivers', { metadata: { name: 'csi.famfs.io' }, spec });
    assert.match(
      (await registration()).blamed,
      /No pod of the controller is ready\.\nThe driver runs on no node/,
    );

    const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
    await make('/api/v1/nodes', { metadata: { name: node } });
    await make(`/api/v1/namespaces/${namespace}/pods`, pod('controller'), ready);
    await make(`/api/v1/namespaces/${namespace}/pods`, pod('node'));
    assert.equal(
      (await registration()).blamed,
      `${node}: the driver is not registered with kubelet.\n${node}: the agent has not reported; there is no FamfsNode.\n`,
    );

    const drivers = [{ name: 'csi.famfs.io', nodeID: node, topologyKeys: [] }];
    await make('/apis/storage.k8s.io/v1/csinodes', { metadata: { name: node }, spec: { drivers } });
    const report = { apiVersion: 'famfs.io/v1alpha1', kind: 'FamfsNode', metadata: { name: node } };
    await make('/apis/famfs.io/v1alpha1/famfsnodes', report);
    assert.equal((await registration()).blamed, `${node}: the FamfsNode is not ready: it does not say why\n`);

    const { body } = await server.request('GET', `/apis/famfs.io/v1alpha1/famfsnodes/${node}`);
    const status = {
      ...{ systemUUID: '', driverVersion: '1', kernelRelease: '6', mode: 'fuse', launcher: 'systemd' },
      ...{
        famfsLocation: 'host',
        allowWrites: 'never',
        allowFormat: 'never',
        reportedAt: '2026-01-01T00:00:00Z',
      },
      ...{ devices: [], pools: [], publishedVolumeIDs: [], formats: [] },
      conditions: [
        {
          ...{ type: 'Ready', status: 'True', reason: 'MounterServes', message: 'It serves.' },
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    };
    const route = `/apis/famfs.io/v1alpha1/famfsnodes/${node}/status`;
    const put = await server.request('PUT', route, { ...body, status });
    assert.equal(put.status, 200, JSON.stringify(put.body));
    const well = await registration();
    assert.equal(well.blamed, '');
    assert.deepEqual([well.status, well.said], [0, `The driver is registered and ready on ${node}.\n`]);
  });
});

test('the test of a claim takes a file of zeros that is large enough, and no other', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-chart-tests-'));
  try {
    const file = path.join(folder, 'data');
    const claim = () => run('claim.mjs', { VOLUME_FILE: file, WANTED_BYTES: '65536' });
    assert.match((await claim()).blamed, /ENOENT/);
    writeFileSync(file, '');
    truncateSync(file, 65535);
    assert.match((await claim()).blamed, /has 65535 bytes, where the claim asked for 65536/);
    truncateSync(file, 65536);
    const { status, said } = await claim();
    assert.deepEqual([status, said.includes('65536 bytes')], [0, true]);
    writeFileSync(file, Buffer.concat([Buffer.alloc(65535), Buffer.from([1])]));
    assert.match((await claim()).blamed, /is not zero at 61440/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
