// The chart against a real API server: every object that it renders, what Pod Security says of its pods, what can never change, and a
// release from its first installation to what it leaves.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { csiDriverFieldsForGood } from '../tools/chart/for-good.ts';
import { foreignKinds } from '../tools/chart/foreign-kinds.ts';
import { chartFolder, type RenderedObject, renderChart, runHelm } from '../tools/chart/helm.ts';
import { valueFile, valueSets } from '../tools/chart/made-files.ts';
import { releasedCharts } from '../tools/chart/released-charts.ts';
import type { ApiAnswer } from './api-requester.ts';
import { ApiServer } from './api-server.ts';
import { waitUntil } from './wait-until.ts';

const applyHeaders = { 'content-type': 'application/apply-patch+yaml' };
let server: ApiServer;
/** Plural names by `GROUP/VERSION KIND`, and whether objects live in a namespace. */
const served = new Map<string, { readonly plural: string; readonly namespaced: boolean }>();

before(async () => {
  server = await ApiServer.start();
  await server.installCrds();
});
after(() => server.stop());

async function routeOf({ apiVersion, kind, metadata }: RenderedObject): Promise<string> {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  if (!served.has(`${apiVersion} ${kind}`)) {
    const { body } = await server.request('GET', root);
    for (const { name, kind: each, namespaced } of body.resources ?? [])
      if (!name.includes('/')) served.set(`${apiVersion} ${each}`, { plural: name, namespaced });
  }
  const found = served.get(`${apiVersion} ${kind}`);
  assert.ok(found !== undefined, `${apiVersion} ${kind} is not served`);
  const place = found.namespaced ? `namespaces/${metadata.namespace}/` : '';
  return `${root}/${place}${found.plural}/${metadata.name}`;
}

async function apply(object: RenderedObject, query = ''): Promise<ApiAnswer> {
  const route = `${await routeOf(object)}?fieldManager=chart-test&force=true&fieldValidation=Strict${query}`;
  return server.request('PATCH', route, object, { headers: applyHeaders });
}

async function makeNamespace(labels: Readonly<Record<string, string>> = {}): Promise<string> {
  const name = `chart-${randomBytes(5).toString('hex')}`;
  const { status } = await server.request('POST', '/api/v1/namespaces', { metadata: { name, labels } });
  assert.equal(status, 201);
  return name;
}

/** A pod is not taken without its account; that of pods that name none is made by a controller elsewhere. */
async function makeAccounts(namespace: string, objects: readonly RenderedObject[]): Promise<void> {
  await apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } });
  for (const object of objects.filter(({ kind }) => kind === 'ServiceAccount')) await apply(object);
}

describe('every object of the chart', () => {
  before(async () => {
    for (const crd of foreignKinds()) {
      assert.ok((await apply(crd)).status < 300);
      const { group, names, versions } = crd.spec;
      const route = `/apis/${group}/${versions[0].name}/${names.plural}`;
      await waitUntil(
        `${names.plural} are served`,
        async () => (await server.request('GET', route)).status === 200,
      );
    }
  });

  for (const name of valueSets) {
    test(`is taken by the API server, and no field of it is unknown (${name})`, async () => {
      const namespace = await makeNamespace();
      const objects = renderChart({
        namespace,
        valueFiles: [valueFile(name)],
        values: { namespaceOverride: namespace },
      });
      await makeAccounts(namespace, objects);
      for (const object of objects) {
        const { status, body } = await apply(object, '&dryRun=All');
        assert.ok(
          status === 200 || status === 201,
          `${object.kind} ${object.metadata.name}: ${body.message}`,
        );
      }
    });
  }
});

describe('Pod Security', () => {
  /** What a namespace with a level has against the pods of the chart, by workload; the details are cut away. */
  async function violations(level: string, valueSet: string): Promise<Record<string, string[]>> {
    const namespace = await makeNamespace({ 'pod-security.kubernetes.io/enforce': level });
    const objects = renderChart({
      namespace,
      valueFiles: [valueFile(valueSet)],
      values: { namespaceOverride: namespace, fullnameOverride: 'famfs-csi' },
    });
    await makeAccounts(namespace, objects);
    const found: Record<string, string[]> = {};
    for (const { kind, metadata, spec } of objects) {
      if (kind !== 'Deployment' && kind !== 'DaemonSet' && kind !== 'Pod') continue;
      const podSpec = kind === 'Pod' ? spec : spec.template.spec;
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: metadata.name }, spec: podSpec };
      const route = `/api/v1/namespaces/${namespace}/pods?dryRun=All`;
      const { status, body } = await server.request('POST', route, pod);
      const text = /violates PodSecurity "[\w:.]+": (.*)$/s.exec(body.message ?? '')?.[1];
      assert.ok(
        status === 201 || (status === 403 && text !== undefined),
        `${metadata.name}: ${body.message}`,
      );
      found[metadata.name] = (text ?? '')
        .replaceAll(/ \((?:[^()]|\([^()]*\))*\)/g, '')
        .split(', ')
        .filter((word) => word !== '');
    }
    return found;
  }

  // Only where it is asked for, for hosts whose SELinux keeps containers from the sockets.
  const seLinux = (valueSet: string): readonly string[] => (valueSet === 'full' ? ['seLinuxOptions'] : []);
  const tests = ['famfs-csi-test-registration', 'famfs-csi-test-claim'];

  for (const valueSet of ['default', 'full', 'simulator']) {
    const nothing = Object.fromEntries(
      // The test of a claim is there where a class is named for it.
      ['famfs-csi-controller', ...tests.slice(0, valueSet === 'default' ? 1 : 2)].map((name) => [name, []]),
    );

    test(`baseline has nothing against the node but its folders of the host, and against the mounter what mounting takes (${valueSet})`, async () => {
      assert.deepEqual(await violations('baseline', valueSet), {
        ...nothing,
        'famfs-csi-node': ['hostPath volumes', ...seLinux(valueSet)],
        'famfs-csi-mounter': [
          // famfs runs in the host's namespaces, and who uses a mount is a process of the host.
          'host namespaces',
          'hostPath volumes',
          // Mounts reach the host (Bidirectional) from privileged containers alone.
          'privileged',
        ],
      });
    });

    test(`restricted has nothing against the controller and the tests, and against the others what they need (${valueSet})`, async () => {
      assert.deepEqual(await violations('restricted', valueSet), {
        ...nothing,
        'famfs-csi-node': [
          ...seLinux(valueSet),
          // The sockets of kubelet and mounter are files of the host …
          'restricted volume types',
          // … and belong to root.
          'runAsNonRoot != true',
          'runAsUser=0',
        ],
        'famfs-csi-mounter': [
          'host namespaces',
          'privileged',
          // Who is privileged has all capabilities, may gain any, and is filtered by nothing.
          'allowPrivilegeEscalation != false',
          'unrestricted capabilities',
          // Sockets, pools and devices are files of the host, and belong to root.
          'restricted volume types',
          'runAsNonRoot != true',
          'runAsUser=0',
          'seccompProfile',
        ],
      });
    });
  }
});

describe('the CSIDriver', () => {
  test('cannot be changed in the fields that are held to be for good', async () => {
    const [driver] = renderChart().filter(({ kind }) => kind === 'CSIDriver');
    assert.ok(driver !== undefined);
    try {
      assert.ok((await apply(driver)).status < 300);
      for (const field of csiDriverFieldsForGood) {
        const other = field === 'attachRequired' ? true : ['Persistent'];
        const { status, body } = await apply({ ...driver, spec: { ...driver.spec, [field]: other } });
        assert.equal(status, 422, field);
        assert.match(body.message, /immutable/);
      }
      for (const field of ['requiresRepublish', 'storageCapacity', 'seLinuxMount']) {
        const { status } = await apply({ ...driver, spec: { ...driver.spec, [field]: !driver.spec[field] } });
        assert.equal(status, 200, field);
      }
      assert.equal((await apply(driver)).status, 200);
    } finally {
      await server.request('DELETE', '/apis/storage.k8s.io/v1/csidrivers/csi.famfs.io');
    }
  });
});

describe('a cluster with a release', () => {
  const uuid = '4da8f6be-8dbd-4bfc-bad2-3c0f78ba87bf';
  const chart = ['famfs-csi', chartFolder, '--values', '-'];
  let own: ApiServer;
  let kubeconfig: string;

  before(async () => {
    own = await ApiServer.start({ own: true });
    kubeconfig = path.join(own.folder, 'kubeconfig');
    writeFileSync(kubeconfig, own.kubeconfig());
  });
  after(() => own.stop());

  /** Runs Helm on it, with values or none. */
  function helm(values: unknown, ...args: string[]): string {
    const { status, stdout, stderr } = runHelm(
      [...args, '--namespace', 'famfs-csi'],
      JSON.stringify(values),
      kubeconfig,
    );
    assert.equal(status, 0, stdout + stderr);
    return stdout;
  }

  test('has its pools at once, keeps them and their kinds when it goes, and comes back to them', async () => {
    const values = (writes: string) => ({
      pools: [{ name: 'shelf', fileSystemUUID: uuid, writes }],
      storageClasses: [{ name: 'famfs' }],
    });
    const pool = async () => (await own.request('GET', '/apis/famfs.io/v1alpha1/famfspools/shelf')).body;

    const notes = helm(values('Forbidden'), 'install', '--create-namespace', ...chart);
    assert.match(notes, /helm -n famfs-csi test famfs-csi/);
    const made = await pool();
    assert.equal(made.spec.fileSystemUUID, uuid);

    helm(values('Allowed'), 'upgrade', ...chart);
    const upgraded = await pool();
    assert.equal(upgraded.metadata.uid, made.metadata.uid, 'it is the same object');
    assert.equal(upgraded.spec.writes, 'Allowed');
    assert.match(helm({}, 'get', 'manifest', 'famfs-csi'), /kind: FamfsPool/);

    helm({}, 'uninstall', 'famfs-csi');
    assert.equal((await pool()).metadata.uid, made.metadata.uid);
    const left = await own.request('GET', '/apis/storage.k8s.io/v1/csidrivers/csi.famfs.io');
    assert.equal(left.status, 404);
    for (const kind of ['famfspools', 'famfsnodes', 'famfsvolumes'])
      await waitUntil(
        `${kind} are served still`,
        async () => (await own.request('GET', `/apis/famfs.io/v1alpha1/${kind}`)).status === 200,
      );

    helm(values('Forbidden'), 'install', ...chart);
    assert.equal((await pool()).metadata.uid, made.metadata.uid);
    assert.equal((await pool()).spec.writes, 'Forbidden');
    helm({}, 'uninstall', 'famfs-csi');
  });

  for (const { version, file } of releasedCharts()) {
    test(`of ${version} is upgraded to this chart and back: pools, kinds and the CSIDriver are the same objects, and nothing is refused`, async () => {
      const values = {
        pools: [{ name: 'shelf', fileSystemUUID: uuid, writes: 'Allowed' }],
        storageClasses: [{ name: 'famfs', parameters: { pool: 'shelf' } }],
      };
      const uids = () =>
        Promise.all(
          [
            '/apis/famfs.io/v1alpha1/famfspools/shelf',
            '/apis/storage.k8s.io/v1/csidrivers/csi.famfs.io',
            '/apis/storage.k8s.io/v1/storageclasses/famfs',
            '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/famfsvolumes.famfs.io',
            '/apis/apps/v1/namespaces/famfs-csi/daemonsets/famfs-csi-mounter',
          ].map(async (route) => {
            const { status, body } = await own.request('GET', route);
            assert.equal(status, 200, route);
            return body.metadata.uid;
          }),
        );
      const from = ['famfs-csi', file, '--values', '-'];
      helm(values, 'install', '--create-namespace', ...from);
      const before = await uids();
      helm(values, 'upgrade', ...chart);
      assert.deepEqual(await uids(), before);
      helm(values, 'upgrade', ...from);
      assert.deepEqual(await uids(), before);
      helm({}, 'uninstall', 'famfs-csi');
    });
  }

  test('keeps memory and sockets from pods when it is told to, and takes those of the driver', async () => {
    helm({ devicePolicy: { enabled: true } }, 'upgrade', '--install', '--create-namespace', ...chart);
    for (const namespace of ['default', 'famfs-csi', 'kube-system'])
      await own.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, {
        metadata: { name: 'default' },
      });
    const create = async (hostPath: string, namespace = 'default') => {
      const volumes = [
        { name: 'scratch', emptyDir: {} },
        { name: 'host', hostPath: { path: hostPath } },
      ];
      const spec = { containers: [{ name: 'a', image: 'a' }], volumes };
      const route = `/api/v1/namespaces/${namespace}/pods?dryRun=All`;
      return own.request('POST', route, { metadata: { generateName: 'a-' }, spec });
    };
    await waitUntil('the policy is in force', async () => (await create('/dev/dax0.0')).status === 403);
    for (const place of [
      ...['/dev/dax1.0', '/dev//./dax0.0', '/run/famfs', '/run/famfs/pools/x', '/run/famfs-csi/mounter.sock'],
      ...['/var/lib/kubelet/plugins/csi.famfs.io', '/var/run/famfs/', '/dev/shm/famfs-csi-sim/dax0.0'],
    ]) {
      const { status, body } = await create(place);
      assert.equal(status, 403, place);
      assert.match(body.message, /famfs memory and the sockets of its driver are not for pods/);
    }
    for (const place of ['/dev', '/dev/daxes', '/run/famfsd', '/var/log']) {
      const { status, body } = await create(place);
      assert.equal(status, 201, `${place}: ${body.message}`);
    }
    for (const trusted of ['famfs-csi', 'kube-system'])
      assert.equal((await create('/dev/dax0.0', trusted)).status, 201, trusted);
  });
});
