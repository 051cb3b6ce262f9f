// What the controller may change of a Node, asked of a real API server with its token: what this driver put there, taken away.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { denied, granted, noRole } from '../../test/access-answers.ts';
import type { ApiAnswer } from '../../test/api-requester.ts';
import { ApiServer } from '../../test/api-server.ts';
import { controllerServiceAccount, controllerToken, driverNamespace } from '../../test/driver-objects.ts';
import { topologyKey } from '../volumes/pool-topology.ts';
import { startUpTaintKey } from './node-reconciler.ts';

type Json = Record<string, unknown>;

const policy = 'famfs-csi-controller-nodes';
const name = `controller-nodes-${randomBytes(4).toString('hex')}`;
const route = `/api/v1/nodes/${name}`;
const keys = [
  topologyKey('0ffe8bb4-b5a5-4f2a-9d0c-8d4ee5a1b2c3'),
  topologyKey('1ffe8bb4-b5a5-4f2a-9d0c-8d4ee5a1b2c3'),
] as const;
const others: Json = { 'kubernetes.io/hostname': 'a', 'topology.famfs.io/zone': 'z' };
const startUp = { key: startUpTaintKey, value: 'true', effect: 'NoExecute' };
const foreign = { key: 'example.com/broken', effect: 'NoSchedule' };

let server: ApiServer;
let as: { readonly token: string };

before(async () => {
  server = await ApiServer.start();
  await server.installAccess();
  as = { token: await controllerToken(server) };
});
after(async () => {
  await server.request('DELETE', route);
  await server.stop();
});
beforeEach(async () => {
  await server.request('DELETE', route);
  const labels = { ...others, [keys[0]]: 'true', [keys[1]]: 'true' };
  const metadata = { name, labels, annotations: { 'example.com/note': 'mine' } };
  const spec = { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'], taints: [foreign, startUp] };
  granted(await server.request('POST', '/api/v1/nodes', { metadata, spec }));
  // A new Node gets a taint of the server's own.
  granted(await server.request('PATCH', route, { spec: { taints: [foreign, startUp] } }));
});

const change = (patch: Json, who: object = as): Promise<ApiAnswer> =>
  server.request('PATCH', route, patch, who);
const labels = (given: Json): Promise<ApiAnswer> => change({ metadata: { labels: given } });
const taints = (...given: Json[]): Promise<ApiAnswer> => change({ spec: { taints: given } });

async function current(): Promise<{ labels: Json; taints: Json[]; resourceVersion: string }> {
  const { metadata, spec } = (await server.request('GET', route)).body;
  return { labels: metadata.labels, taints: spec.taints, resourceVersion: metadata.resourceVersion };
}

describe('the controller, by its token', () => {
  test('takes labels of pools and the start-up taint from a Node, in one write and one by one', async () => {
    const { resourceVersion, taints: before } = await current();
    const kept = before.filter(({ key }) => key !== startUpTaintKey);
    const patch = { metadata: { resourceVersion, labels: { [keys[0]]: null } }, spec: { taints: kept } };
    granted(await change(patch));
    const once = await current();
    assert.deepEqual(once.labels, { ...others, [keys[1]]: 'true' });
    assert.deepEqual(once.taints, kept);
    granted(await labels({ [keys[1]]: null }));
    assert.deepEqual((await current()).labels, others);
  });

  test('takes the last taint and the last label of a Node', async () => {
    granted(await change({ metadata: { labels: { ...nulls(others), [keys[1]]: null } } }, {}));
    granted(await change({ spec: { taints: [startUp] } }, {}));
    granted(await change({ metadata: { labels: { [keys[0]]: null } }, spec: { taints: [] } }));
    const { labels: left, taints: none } = await current();
    assert.deepEqual([left, none], [undefined, undefined]);
  });

  test('neither adds nor changes a label, and takes none that is not of a pool', async () => {
    const said = /take away those that begin with topology\.famfs\.io\/pool-/;
    const pool = topologyKey('2ffe8bb4-b5a5-4f2a-9d0c-8d4ee5a1b2c3');
    for (const given of [
      ...[{ [pool]: 'true' }, { [keys[0]]: 'false' }, { 'node-role.kubernetes.io/control-plane': '' }],
      ...[{ 'kubernetes.io/hostname': null }, { 'topology.famfs.io/zone': null }],
      { [keys[0]]: null, 'kubernetes.io/hostname': 'b' },
    ])
      denied(await labels(given), said, policy);
  });

  test('neither adds nor changes a taint, and takes none that is not of this driver', async () => {
    const said = /take away csi\.famfs\.io\/agent-not-ready/;
    const { taints: now } = await current();
    const [ours] = now.filter(({ key }) => key === startUpTaintKey);
    assert.ok(ours !== undefined);
    denied(await taints(ours), said, policy);
    denied(await taints(), said, policy);
    denied(await taints(foreign, { ...ours, value: 'false' }), said, policy);
    denied(await taints(foreign, { ...ours, effect: 'NoSchedule' }), said, policy);
    denied(await taints({ ...foreign, effect: 'PreferNoSchedule' }, ours), said, policy);
    denied(await taints(foreign, ours, { key: 'example.com/new', effect: 'NoSchedule' }), said, policy);
    granted(await taints(foreign));
    denied(await taints(foreign, ours), said, policy);
  });

  test('changes nothing else of a Node', async () => {
    const said = /change nothing of a Node but its labels and its taints/;
    for (const patch of [
      ...[{ spec: { unschedulable: true } }, { spec: { providerID: 'cloud://other' } }],
      { metadata: { annotations: { 'example.com/note': 'yours' } } },
      { metadata: { annotations: null } },
      { metadata: { finalizers: ['example.com/stay'] } },
      { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'a', uid: 'b' }] } },
    ])
      denied(await change(patch), said, policy);
    // What comes with the status in a write of the whole is not taken.
    granted(await change({ status: { conditions: [] }, metadata: { labels: { [keys[0]]: null } } }));
  });

  test('has no role to make, delete or report a Node', async () => {
    noRole(await server.request('POST', '/api/v1/nodes', { metadata: { name: `${name}-2` } }, as));
    noRole(await server.request('DELETE', route, undefined, as));
    noRole(await server.request('PATCH', `${route}/status`, { status: { phase: 'Running' } }, as));
  });
});

describe('the admission policy, behind a role that allows everything', () => {
  const headers = {
    'impersonate-user': `system:serviceaccount:${driverNamespace}:${controllerServiceAccount}`,
    'impersonate-group': 'system:masters',
  };

  test('lets the controller neither make, delete nor report a Node', async () => {
    const said = /it may not (CREATE|DELETE|UPDATE) nodes(\/status)?\./;
    const made = await server.request(
      'POST',
      '/api/v1/nodes?dryRun=All',
      { metadata: { name: 'a' } },
      { headers },
    );
    denied(made, said, policy);
    denied(await server.request('DELETE', `${route}?dryRun=All`, undefined, { headers }), said, policy);
    const status = { status: { nodeInfo: { architecture: 'other' } } };
    denied(await server.request('PATCH', `${route}/status`, status, { headers }), said, policy);
  });

  test('says nothing to anybody else', async () => {
    granted(await change({ metadata: { labels: { a: 'b' } }, spec: { unschedulable: true } }, {}));
    granted(
      await server.request('PATCH', `${route}/status`, { status: { nodeInfo: { architecture: 'x' } } }),
    );
  });
});

function nulls(of: Json): Json {
  return Object.fromEntries(Object.keys(of).map((key) => [key, null]));
}
