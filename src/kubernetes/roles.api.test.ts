// The roles that the chart gives the driver's processes, asked of a real API server: what each may do, and that it is no more.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { denied, granted, noRole } from '../../test/access-answers.ts';
import type { ApiAnswer } from '../../test/api-requester.ts';
import { ApiServer } from '../../test/api-server.ts';
import {
  controllerServiceAccount,
  controllerToken,
  driverNamespace,
  nodeServiceAccount,
} from '../../test/driver-objects.ts';
import { rightsUsedBy } from '../../test/used-rights.ts';
import { newSlotName } from '../volumes/volume-record.ts';
import { apiVersion } from './api-object.ts';

type Json = Record<string, unknown>;

const root = '/apis/famfs.io/v1alpha1';
const uuid = '0ffe8bb4-b5a5-4f2a-9d0c-8d4ee5a1b2c3';

let server: ApiServer;
let as: { readonly token: string };
const made: string[] = [];

before(async () => {
  server = await ApiServer.start();
  await server.installAccess();
  as = { token: await controllerToken(server) };
});
after(async () => {
  for (const route of made.reverse()) await server.request('DELETE', route);
  await server.stop();
});

describe('the controller, by its token', () => {
  test('makes and deletes records, and leaves what nodes report to the nodes', async () => {
    const name = `roles-${randomBytes(6).toString('hex')}`;
    const layout = { kind: 'file', fileCount: 1, fileSize: '64Mi', fileMode: '0644' };
    const volume = { name, id: `${uuid}.${newSlotName()}`, requiredSize: '64Mi', access: 'rw' };
    const spec = {
      poolName: 'models',
      poolUUID: uuid,
      nodeName: 'node-a',
      slot: newSlotName(),
      layout,
      volume,
    };
    const record = { apiVersion, kind: 'FamfsVolume', metadata: { name }, spec };
    const route = `${root}/famfsvolumes/${name}`;
    granted(await server.request('POST', `${root}/famfsvolumes`, record, as));
    noRole(await server.request('PATCH', `${route}/status`, { status: { phase: 'Ready' } }, as));
    granted(await server.request('DELETE', route, undefined, as));
    const node = { apiVersion, kind: 'FamfsNode', metadata: { name } };
    noRole(await server.request('POST', `${root}/famfsnodes`, node, as));
    noRole(await server.request('PATCH', `${root}/famfsnodes/any/status`, { status: {} }, as));
  });

  test('says how a pool is and keeps it, and changes nothing of what the administrator says', async () => {
    const beyond = (answer: ApiAnswer): void =>
      denied(answer, /may put the finalizer famfs\.io\/pool/, 'famfs-csi-controller');
    const name = `roles-${randomBytes(6).toString('hex')}`;
    const pool = { apiVersion, kind: 'FamfsPool', metadata: { name }, spec: { fileSystemUUID: uuid } };
    noRole(await server.request('POST', `${root}/famfspools`, pool, as));
    granted(await server.request('POST', `${root}/famfspools`, pool));
    const route = `${root}/famfspools/${name}`;
    made.push(route);
    for (const change of [
      { spec: { writes: 'Allowed' } },
      { metadata: { annotations: { 'famfs.io/reset': uuid } } },
      { metadata: { labels: { a: 'b' } } },
      { metadata: { finalizers: ['example.com/other'] } },
      { metadata: { finalizers: ['famfs.io/pool', 'example.com/other'] } },
    ])
      beyond(await server.request('PATCH', route, change, as));
    granted(await server.request('PATCH', route, { metadata: { finalizers: ['famfs.io/pool'] } }, as));
    granted(
      await server.request('PATCH', route, {
        metadata: { finalizers: ['example.com/other', 'famfs.io/pool'] },
      }),
    );
    beyond(await server.request('PATCH', route, { metadata: { finalizers: [] } }, as));
    granted(await server.request('PATCH', route, { metadata: { finalizers: ['example.com/other'] } }, as));
    granted(await server.request('PATCH', route, { metadata: { finalizers: [] } }));
    const status = { apiVersion, kind: 'FamfsPool', metadata: { name }, status: { master: 'node-a' } };
    const headers = { 'content-type': 'application/apply-patch+yaml' };
    const applyRoute = `${route}/status?fieldManager=controller`;
    granted(await server.request('PATCH', applyRoute, status, { ...as, headers }));
  });
});

describe('the roles', () => {
  const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
  const resources = [
    ...['famfspools', 'famfsnodes', 'famfsvolumes'].flatMap((name) => [
      ...[`famfs.io/${name}`, `famfs.io/${name}/status`, `famfs.io/${name}/finalizers`],
    ]),
    ...['nodes', 'nodes/status', 'nodes/proxy', 'persistentvolumes', 'persistentvolumeclaims', 'events'].map(
      (name) => `/${name}`,
    ),
    ...['pods', 'pods/exec', 'secrets', 'configmaps', 'namespaces', 'serviceaccounts/token'].map(
      (name) => `/${name}`,
    ),
    ...['storage.k8s.io/csinodes', 'storage.k8s.io/storageclasses', 'storage.k8s.io/volumeattachments'],
    ...['coordination.k8s.io/leases', 'rbac.authorization.k8s.io/clusterroles'],
    'apiextensions.k8s.io/customresourcedefinitions',
    'admissionregistration.k8s.io/validatingadmissionpolicies',
  ];

  async function may(account: string, resourceAttributes: Json): Promise<boolean> {
    const user = `system:serviceaccount:${driverNamespace}:${account}`;
    const groups = [
      'system:serviceaccounts',
      `system:serviceaccounts:${driverNamespace}`,
      'system:authenticated',
    ];
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user, groups, resourceAttributes },
    };
    const route = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    return (await server.request('POST', route, review)).body.status.allowed;
  }

  for (const account of [nodeServiceAccount, controllerServiceAccount]) {
    test(`give ${account} exactly what it uses`, async () => {
      const found: string[] = [];
      for (const each of resources) {
        const [group = '', resource = '', subresource = ''] = each.split('/');
        const answers = await Promise.all(
          verbs.map((verb) => may(account, { group, resource, subresource, verb, namespace: '', name: '' })),
        );
        found.push(...verbs.filter((_, index) => answers[index]).map((verb) => `${verb} ${each}`));
      }
      // Leases are granted in one namespace.
      const used = rightsUsedBy(account).filter((right) => !right.endsWith('/leases'));
      assert.deepEqual(found.sort(), used);
    });
  }

  test('give the controller one Lease in its own namespace', async () => {
    const lease = (verb: string, name: string, namespace = driverNamespace): Promise<boolean> =>
      may(controllerServiceAccount, {
        group: 'coordination.k8s.io',
        resource: 'leases',
        verb,
        name,
        namespace,
      });
    assert.ok(await lease('create', ''));
    for (const verb of ['get', 'update']) {
      assert.ok(await lease(verb, controllerServiceAccount));
      assert.ok(!(await lease(verb, 'another')));
      assert.ok(!(await lease(verb, controllerServiceAccount, 'kube-system')));
    }
    assert.ok(!(await lease('delete', controllerServiceAccount)));
  });
});
