// What a node may write, asked of a real API server with the tokens that agents get there: its role, and the admission policy
// that tells one node from another.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { denied, granted, noRole } from '../../test/access-answers.ts';
import type { ApiAnswer } from '../../test/api-requester.ts';
import { ApiServer } from '../../test/api-server.ts';
import {
  agentToken,
  controllerToken,
  driverNamespace,
  nodeServiceAccount,
  tokenOf,
} from '../../test/driver-objects.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { newSlotName } from '../volumes/volume-record.ts';
import { apiVersion } from './api-object.ts';

type Json = Record<string, unknown>;

const root = '/apis/famfs.io/v1alpha1';
const claim = 'authentication.kubernetes.io/node-name';
const suffix = randomBytes(4).toString('hex');
const [nodeA, nodeB] = [`access-a-${suffix}`, `access-b-${suffix}`];
const uuid = '0ffe8bb4-b5a5-4f2a-9d0c-8d4ee5a1b2c3';

let server: ApiServer;
let uids: Readonly<Record<string, string>>;
let agentOfA: string;
let agentOfB: string;
let controller: string;
const made: string[] = [];

before(async () => {
  server = await ApiServer.start();
  await server.installAccess();
  agentOfA = await agentToken(server, nodeA);
  agentOfB = await agentToken(server, nodeB);
  controller = await controllerToken(server);
  const uidOf = async (name: string): Promise<string> =>
    (await server.request('GET', `/api/v1/nodes/${name}`)).body.metadata.uid;
  uids = { [nodeA]: await uidOf(nodeA), [nodeB]: await uidOf(nodeB) };
});
after(async () => {
  for (const route of made.reverse()) await server.request('DELETE', route);
  for (const name of [nodeA, nodeB]) {
    await server.request(
      'DELETE',
      `/api/v1/namespaces/${driverNamespace}/pods/famfs-csi-node-${name}?gracePeriodSeconds=0`,
    );
    await server.request('DELETE', `/api/v1/nodes/${name}`);
  }
  await server.stop();
});

function famfsNode(name: string, metadata: Json = {}): Json {
  const owner = { apiVersion: 'v1', kind: 'Node', name, uid: uids[name] ?? 'none' };
  return { apiVersion, kind: 'FamfsNode', metadata: { name, ownerReferences: [owner], ...metadata } };
}

function famfsVolume(nodeName: string): Json {
  const name = `access-${randomBytes(6).toString('hex')}`;
  const layout = { kind: 'file', fileCount: 1, fileSize: '64Mi', fileMode: '0644' };
  const volume = { name, id: `${uuid}.${newSlotName()}`, requiredSize: '64Mi', access: 'rw' };
  const spec = { poolName: 'models', poolUUID: uuid, nodeName, slot: newSlotName(), layout, volume };
  return { apiVersion, kind: 'FamfsVolume', metadata: { name }, spec };
}

async function makeVolume(nodeName: string): Promise<string> {
  const { status, body } = await server.request('POST', `${root}/famfsvolumes`, famfsVolume(nodeName), {
    token: controller,
  });
  assert.equal(status, 201, JSON.stringify(body));
  const route = `${root}/famfsvolumes/${body.metadata.name}`;
  made.push(route);
  return route;
}

/** Says of a volume that it is pending, as the agent does: by replacing the status of the object that it has read. */
async function tellPending(route: string, token: string): Promise<ApiAnswer> {
  const { body } = await server.request('GET', route);
  return server.request('PUT', `${route}/status`, { ...body, status: { phase: 'Pending' } }, { token });
}

const notItsNode = /may write no other FamfsNode than its own/;
const notItsVolume =
  /is made by the node \S+; the token was issued for the node \S+, which may not write its status/;
const noNode = /The token names no node, so it may write nothing/;
const notAllowed = /it may not (CREATE|UPDATE|DELETE) famfs\w+(\/\w+)?\./;
const notItsOwner = /is owned by its Node \S+ alone, and has no finalizers/;

const report = {
  ...{ systemUUID: uuid, driverVersion: '0.1.0', kernelRelease: '6.18.0', mode: 'fuse', launcher: 'systemd' },
  ...{
    famfsLocation: 'host',
    allowWrites: 'safe',
    allowFormat: 'never',
    devices: [],
    pools: [],
    publishedVolumeIDs: [],
    formats: [],
  },
  ...{ reportedAt: '2026-11-22T12:00:00Z', conditions: [] },
};
const applyHeaders = { 'content-type': 'application/apply-patch+yaml' };

describe("an agent, by its pod's token", () => {
  test('makes its own FamfsNode and reports it', async () => {
    const route = `${root}/famfsnodes/${nodeA}`;
    granted(await server.request('POST', `${root}/famfsnodes`, famfsNode(nodeA), { token: agentOfA }));
    made.push(route);
    const status = { apiVersion, kind: 'FamfsNode', metadata: { name: nodeA }, status: report };
    const applyRoute = `${route}/status?fieldManager=famfs-csi-agent&force=true`;
    granted(await server.request('PATCH', applyRoute, status, { token: agentOfA, headers: applyHeaders }));
    const { body } = await server.request('GET', route, undefined, { token: agentOfA });
    assert.equal(body.status.systemUUID, uuid);
    noRole(await server.request('PUT', `${route}/status`, body, { token: agentOfA }));
    granted(await server.request('GET', `/api/v1/nodes/${nodeA}`, undefined, { token: agentOfA }));
  });

  test('makes and reports no FamfsNode of another node', async () => {
    const ofB = famfsNode(nodeB);
    denied(await server.request('POST', `${root}/famfsnodes`, ofB, { token: agentOfA }), notItsNode);
    granted(await server.request('POST', `${root}/famfsnodes`, ofB, { token: agentOfB }));
    made.push(`${root}/famfsnodes/${nodeB}`);
    const route = `${root}/famfsnodes/${nodeB}/status`;
    denied(await server.request('PATCH', route, { status: report }, { token: agentOfA }), notItsNode);
    const applyRoute = `${route}?fieldManager=famfs-csi-agent&force=true`;
    const status = { apiVersion, kind: 'FamfsNode', metadata: { name: nodeB }, status: report };
    denied(
      await server.request('PATCH', applyRoute, status, { token: agentOfA, headers: applyHeaders }),
      notItsNode,
    );
    granted(await server.request('PATCH', route, { status: report }, { token: agentOfB }));
  });

  test('lets its FamfsNode be owned by its own Node alone', async () => {
    const name = nodeA;
    const tried = (metadata: Json): Promise<ApiAnswer> =>
      server.request('POST', `${root}/famfsnodes?dryRun=All`, famfsNode(name, metadata), { token: agentOfA });
    const mine = { apiVersion: 'v1', kind: 'Node', name: nodeA, uid: uids[nodeA] };
    const others = { apiVersion: 'v1', kind: 'Node', name: nodeB, uid: uids[nodeB] };
    denied(await tried({ ownerReferences: [] }), notItsOwner);
    denied(await tried({ ownerReferences: [others] }), notItsOwner);
    denied(await tried({ ownerReferences: [mine, others] }), notItsOwner);
    denied(await tried({ ownerReferences: [{ ...mine, kind: 'Pod' }] }), notItsOwner);
    denied(await tried({ finalizers: ['famfs.io/stay'] }), notItsOwner);
    const blocking = await tried({ ownerReferences: [{ ...mine, blockOwnerDeletion: true }] });
    denied(blocking, notItsOwner);
  });

  test('reports the volumes that it makes, and no others', async () => {
    const [ofA, ofB] = [await makeVolume(nodeA), await makeVolume(nodeB)];
    const pending = { status: { phase: 'Pending' } };
    granted(await tellPending(ofA, agentOfA));
    denied(await tellPending(ofB, agentOfA), notItsVolume);
    noRole(await server.request('PATCH', `${ofA}/status`, pending, { token: agentOfA }));
    const { body: foreign } = await server.request('GET', ofB, undefined, { token: agentOfA });
    // Naming itself in the same write does not help: what counts is what the controller has said.
    const claimed = { ...foreign, spec: { ...foreign.spec, nodeName: nodeA }, ...pending };
    denied(await server.request('PUT', `${ofB}/status`, claimed, { token: agentOfA }), notItsVolume);

    const { body: own } = await server.request('GET', ofA, undefined, { token: controller });
    const moved = { ...own, spec: { ...own.spec, nodeName: nodeB } };
    granted(await server.request('PUT', ofA, moved, { token: controller }));
    denied(await tellPending(ofA, agentOfA), notItsVolume);
    granted(await tellPending(ofA, agentOfB));
  });

  test('finds its volumes, and sees all pools and nodes', async () => {
    const route = await makeVolume(nodeB);
    const selector = `fieldSelector=spec.nodeName%3D${nodeB}`;
    const { status, body } = await server.request('GET', `${root}/famfsvolumes?${selector}`, undefined, {
      token: agentOfB,
    });
    assert.equal(status, 200);
    assert.ok(
      body.items.some(({ metadata }: { metadata: { name: string } }) => route.endsWith(metadata.name)),
    );
    for (const plural of ['famfspools', 'famfsnodes'])
      granted(await server.request('GET', `${root}/${plural}`, undefined, { token: agentOfA }));
  });

  test('has no role for anything else', async () => {
    const volume = await makeVolume(nodeA);
    const as = { token: agentOfA };
    const pool = {
      apiVersion,
      kind: 'FamfsPool',
      metadata: { name: 'mine' },
      spec: { fileSystemUUID: uuid },
    };
    noRole(await server.request('POST', `${root}/famfspools`, pool, as));
    noRole(await server.request('PATCH', `${root}/famfspools/any/status`, { status: {} }, as));
    noRole(await server.request('POST', `${root}/famfsvolumes`, famfsVolume(nodeA), as));
    noRole(await server.request('PATCH', volume, { spec: { nodeName: nodeB } }, as));
    noRole(await server.request('DELETE', volume, undefined, as));
    noRole(await server.request('DELETE', `${root}/famfsnodes/${nodeA}`, undefined, as));
    noRole(await server.request('PATCH', `/api/v1/nodes/${nodeA}`, { metadata: { labels: { a: 'b' } } }, as));
    noRole(await server.request('GET', '/api/v1/secrets', undefined, as));
    noRole(await server.request('GET', '/api/v1/pods', undefined, as));
  });

  test('writes nothing with a token that is bound to no node', async () => {
    const token = await tokenOf(server, nodeServiceAccount);
    denied(
      await server.request('POST', `${root}/famfsnodes?dryRun=All`, famfsNode(nodeA), { token }),
      noNode,
    );
    denied(await tellPending(await makeVolume(nodeA), token), noNode);
    granted(await server.request('GET', `${root}/famfspools`, undefined, { token }));
  });

  test('is as limited with a token that is bound to its Node itself', async () => {
    const token = await tokenOf(server, nodeServiceAccount, {
      ...{ apiVersion: 'v1', kind: 'Node', name: nodeA, uid: uids[nodeA] },
    });
    granted(await tellPending(await makeVolume(nodeA), token));
    const route = `${root}/famfsnodes?dryRun=All`;
    denied(await server.request('POST', route, famfsNode(nodeB), { token }), notItsNode);
  });
});

describe('a kubelet', () => {
  test('gets tokens of the agent on its own node alone, so nobody who has a node gets those of another', async () => {
    const asked = async (kubelet: string, podOf: string): Promise<ApiAnswer> => {
      const pod = `/api/v1/namespaces/${driverNamespace}/pods/famfs-csi-node-${podOf}`;
      const { name, uid } = (await server.request('GET', pod)).body.metadata;
      const route = `/api/v1/namespaces/${driverNamespace}/serviceaccounts/${nodeServiceAccount}/token`;
      const spec = { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid } };
      const headers = { 'impersonate-user': `system:node:${kubelet}`, 'impersonate-group': 'system:nodes' };
      return server.request('POST', route, { spec }, { headers });
    };
    // The authorizer of nodes learns of a pod a moment after it is there.
    await waitUntil('the kubelet may', async () => (await asked(nodeA, nodeA)).status === 201);
    assert.equal((await asked(nodeA, nodeB)).status, 403);
    assert.equal((await asked(nodeB, nodeA)).status, 403);
  });
});

describe('the admission policy, behind a role that allows everything', () => {
  /** As the agent of a node with every right that RBAC can give. */
  function asNode(names: readonly string[]): { headers: Readonly<Record<string, string>> } {
    const [name] = names;
    return {
      headers: {
        'impersonate-user': `system:serviceaccount:${driverNamespace}:${nodeServiceAccount}`,
        'impersonate-group': 'system:masters',
        ...(name === undefined ? {} : { [`impersonate-extra-${encodeURIComponent(claim)}`]: name }),
      },
    };
  }

  test('lets a node change its own FamfsNode, and delete none', async () => {
    const route = `${root}/famfsnodes/${nodeA}`;
    granted(await server.request('PATCH', route, { metadata: { labels: { a: 'b' } } }, asNode([nodeA])));
    denied(
      await server.request('PATCH', route, { metadata: { labels: { a: 'c' } } }, asNode([nodeB])),
      notItsNode,
    );
    denied(
      await server.request('PATCH', route, { metadata: { ownerReferences: null } }, asNode([nodeA])),
      notItsOwner,
    );
    denied(await server.request('DELETE', route, undefined, asNode([nodeA])), notAllowed);
    denied(await server.request('DELETE', `${root}/famfsnodes`, undefined, asNode([nodeA])), notAllowed);
  });

  test('lets a node write of a volume nothing but the status', async () => {
    const route = await makeVolume(nodeA);
    const as = asNode([nodeA]);
    granted(await server.request('PATCH', `${route}/status`, { status: { phase: 'Pending' } }, as));
    denied(await server.request('PATCH', route, { spec: { nodeName: nodeB } }, as), notAllowed);
    denied(await server.request('PATCH', route, { metadata: { finalizers: null } }, as), notAllowed);
    denied(await server.request('DELETE', route, undefined, as), notAllowed);
    denied(await server.request('POST', `${root}/famfsvolumes`, famfsVolume(nodeA), as), notAllowed);
  });

  test('lets a node write nothing of a pool', async () => {
    const name = `access-${suffix}`;
    const pool = { apiVersion, kind: 'FamfsPool', metadata: { name }, spec: { fileSystemUUID: uuid } };
    granted(await server.request('POST', `${root}/famfspools`, pool));
    const route = `${root}/famfspools/${name}`;
    made.push(route);
    const as = asNode([nodeA]);
    denied(await server.request('POST', `${root}/famfspools?dryRun=All`, pool, as), notAllowed);
    denied(await server.request('PATCH', route, { spec: { writes: 'Allowed' } }, as), notAllowed);
    denied(await server.request('PATCH', `${route}/status`, { status: { master: nodeA } }, as), notAllowed);
    denied(await server.request('DELETE', route, undefined, as), notAllowed);
  });

  test('lets a token without a node write nothing', async () => {
    const route = await makeVolume(nodeA);
    const as = asNode([]);
    denied(await server.request('PATCH', `${route}/status`, { status: { phase: 'Pending' } }, as), noNode);
    denied(await server.request('POST', `${root}/famfsnodes?dryRun=All`, famfsNode(nodeA), as), noNode);
    denied(await server.request('DELETE', `${root}/famfsnodes/${nodeA}`, undefined, as), noNode);
  });

  test('says nothing to anybody else', async () => {
    const route = await makeVolume(nodeA);
    granted(await server.request('PATCH', `${route}/status`, { status: { phase: 'Pending' } }));
    const { body } = await server.request('GET', route, undefined, { token: controller });
    body.spec.nodeName = nodeB;
    granted(await server.request('PUT', route, body, { token: controller }));
  });
});
