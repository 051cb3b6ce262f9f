import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { refusal, reply } from '../../test/list-watch-server.ts';
import { reasonIs } from '../../test/reason-is.ts';
import { servedApi, type Thing, thing, things, thingsPath } from '../../test/served-api.ts';
import { waitUntil } from '../../test/wait-until.ts';
import type { DriverError, Reason } from '../errors.ts';
import { type LogFields, silentLogger } from '../observe/logger.ts';
import { ApiClient } from './api-client.ts';
import { statusOf } from './api-failure.ts';
import { KubeAccess } from './kube-access.ts';
import { leases, nodes, pathOf } from './resources.ts';

const always = (): boolean => true;

describe('a client of the API server', () => {
  test('writes and reads objects', async (context) => {
    const { client } = await servedApi(context);
    assert.equal(await client.get(things, 'a'), undefined);
    const made = await client.create<Thing>(things, thing('a', 1));
    assert.equal(made.spec.value, 1);
    assert.deepEqual(await client.get<Thing>(things, 'a'), made);
    const changed = await client.update<Thing>(things, { ...made, spec: { value: 2 } });
    assert.notEqual(changed.metadata.resourceVersion, made.metadata.resourceVersion);
    const patched = await client.mergePatch<Thing>(things, 'a', { spec: { value: 3 } });
    assert.equal(patched.spec.value, 3);
    await client.remove(things, 'a');
    assert.equal(await client.get(things, 'a'), undefined);
    await client.remove(things, 'a');
  });

  test('sends each write with the method, type and fields that the API wants', async (context) => {
    const { server, client } = await servedApi(context);
    const { metadata } = await client.create<Thing>(things, thing('a'));
    await client.updateStatus<Thing>(things, { ...thing('a'), metadata });
    await client.mergePatch(things, 'a', {}, { subresource: 'status' });
    await client.apply<Thing>(things, thing('b'), { fieldManager: 'me', force: true });
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' } };
    await client.create(leases, lease, { namespace: 'ours' });
    await client.remove(leases, 'l', {
      namespace: 'ours',
      uid: 'uid-/apis/coordination.k8s.io/v1/leases ours/l',
    });
    const sent = server.requests.map(({ method, path, query, headers }) =>
      [method, path, headers['content-type'] ?? '-', String(query)].join(' ').trim(),
    );
    const json = 'application/json';
    assert.deepEqual(sent, [
      `POST ${thingsPath} ${json}`,
      `PUT ${thingsPath}/a/status ${json}`,
      `PATCH ${thingsPath}/a/status application/merge-patch+json`,
      `PATCH ${thingsPath}/b application/apply-patch+yaml fieldManager=me&force=true`,
      `POST /apis/coordination.k8s.io/v1/namespaces/ours/leases ${json}`,
      `DELETE /apis/coordination.k8s.io/v1/namespaces/ours/leases/l ${json}`,
    ]);
    const { headers } = server.requests[0] ?? {};
    assert.equal(headers?.authorization, 'Bearer secret');
  });

  test('lists in pages, and says of each item what kind it is', async (context) => {
    const { server, client } = await servedApi(context);
    for (let index = 0; index < 1201; index += 1) server.put(thingsPath, thing(`t${index}`, index));
    const { items, resourceVersion } = await client.list<Thing>(things);
    assert.equal(items.length, 1201);
    assert.equal(resourceVersion, String(server.version));
    assert.ok(
      items.every(({ kind, apiVersion }) => kind === 'FamfsPool' && apiVersion === 'famfs.io/v1alpha1'),
    );
    assert.equal(server.requests.length, 3);
  });

  test('begins a list anew when its version is forgotten between two pages', async (context) => {
    const { server, client } = await servedApi(context);
    for (let index = 0; index < 600; index += 1) server.put(thingsPath, thing(`t${index}`, index));
    server.once(
      ({ query }) => query.has('continue'),
      (_, response) => {
        server.put(thingsPath, thing('late'));
        reply(response, refusal(410, 'Expired', 'too old'));
      },
    );
    assert.equal((await client.list(things)).items.length, 601);
  });

  test('selects by fields and namespace', async (context) => {
    const { server, client } = await servedApi(context);
    server.put(thingsPath, { ...thing('a'), spec: { value: 0, nodeName: 'x' } });
    server.put(thingsPath, { ...thing('b'), spec: { value: 0, nodeName: 'y' } });
    const { items } = await client.list(things, { fieldSelector: 'spec.nodeName=y' });
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ['b'],
    );
  });

  test('refuses names that would be another path', async (context) => {
    const { server, client } = await servedApi(context);
    for (const name of ['', '.', '..']) {
      await assert.rejects(client.get(things, name), reasonIs('invalid-argument'));
    }
    await client.get(things, '../nodes/a?watch=true');
    assert.equal(server.requests[0]?.path, `${thingsPath}/..%2Fnodes%2Fa%3Fwatch%3Dtrue`);
    assert.equal(pathOf(nodes, { name: 'a' }), '/api/v1/nodes/a');
  });
});

describe('what the API server refuses', () => {
  const cases: readonly [number, string, Reason][] = [
    [400, 'BadRequest', 'api-invalid'],
    [401, 'Unauthorized', 'api-forbidden'],
    [403, 'Forbidden', 'api-forbidden'],
    [404, 'NotFound', 'record-conflict'],
    [404, '', 'api-unavailable'],
    [409, 'Conflict', 'record-conflict'],
    [409, 'AlreadyExists', 'record-conflict'],
    [410, 'Expired', 'api-unavailable'],
    [415, 'UnsupportedMediaType', 'api-invalid'],
    [422, 'Invalid', 'api-invalid'],
    [429, 'TooManyRequests', 'api-unavailable'],
    [500, 'InternalError', 'api-unavailable'],
    [503, '', 'api-unavailable'],
    [504, 'Timeout', 'api-unavailable'],
  ];
  for (const [status, statusReason, reason] of cases) {
    test(`${status} ${statusReason} is ${reason}, with the words of the server`, async (context) => {
      const { server, client } = await servedApi(context);
      const answer = refusal(status, statusReason, 'these are the words');
      for (let count = 0; count < 2; count += 1)
        server.once(always, (_, response) => reply(response, answer));
      await assert.rejects(client.mergePatch(things, 'a', {}), (error: DriverError) => {
        assert.equal(statusOf(error), status);
        assert.equal(error.details.statusReason, statusReason);
        return reasonIs(reason, /patch famfspools "a".*these are the words/)(error);
      });
    });
  }

  test('a kind that is not served is no missing object', async (context) => {
    const { client } = await servedApi(context);
    const unknown = { ...things, plural: 'unknowns' };
    await assert.rejects(client.get(unknown, 'a'), reasonIs('api-unavailable', /404 page not found/));
    await assert.rejects(client.remove(unknown, 'a'), reasonIs('api-unavailable'));
  });

  test('an answer that is not JSON is a failure', async (context) => {
    const { server, client } = await servedApi(context);
    server.once(always, (_, response) => response.end('<html>'));
    await assert.rejects(client.get(things, 'a'), reasonIs('api-unavailable', /not JSON: <html>/));
  });

  test('what is too old to be updated, or of another life, is a conflict', async (context) => {
    const { server, client } = await servedApi(context);
    const made = await client.create<Thing>(things, thing('a'));
    server.put(thingsPath, thing('a', 5));
    await assert.rejects(client.update(things, made), reasonIs('record-conflict'));
    await assert.rejects(client.remove(things, 'a', { uid: 'another' }), reasonIs('record-conflict'));
    await assert.rejects(
      client.remove(things, 'a', { resourceVersion: made.metadata.resourceVersion }),
      reasonIs('record-conflict'),
    );
    await assert.rejects(
      client.create(things, thing('a')),
      reasonIs('record-conflict', /create famfspools "a"/),
    );
  });
});

describe('a client whose API server is in trouble', () => {
  test('waits as long as the server asks for, and asks again', async (context) => {
    const { server, client } = await servedApi(context);
    const answer = refusal(429, 'TooManyRequests', 'busy', { 'retry-after': '0' });
    for (let count = 0; count < 3; count += 1) server.once(always, (_, response) => reply(response, answer));
    await client.create(things, thing('a'));
    assert.equal(client.requests.total({ verb: 'create', code: '429' }), 3);
    assert.equal(client.requests.total({ verb: 'create', resource: 'famfspools', code: '201' }), 1);
  });

  test('does not wait longer than its caller has time', async (context) => {
    const { server, client } = await servedApi(context, { timeoutMs: 2000 });
    const answer = refusal(429, 'TooManyRequests', 'busy', { 'retry-after': '20' });
    server.once(always, (_, response) => reply(response, answer));
    await assert.rejects(client.get(things, 'a'), reasonIs('api-unavailable', /within 2000 ms/));
  });

  test('gives up on a server that does not answer, or does not end its answer', async (context) => {
    const { server, client } = await servedApi(context, { timeoutMs: 2000 });
    server.once(always, () => {});
    await assert.rejects(client.get(things, 'a'), reasonIs('api-unavailable', /within 2000 ms/));
    server.once(always, (_, response) => void response.writeHead(200).write('{"kind":'));
    await assert.rejects(client.get(things, 'a'), reasonIs('api-unavailable', /within 2000 ms/));
    assert.equal(await client.get(things, 'a'), undefined);
  });

  test('ends a request whose caller gave up, before and while it runs', async (context) => {
    const { server, client } = await servedApi(context);
    await assert.rejects(client.get(things, 'a', { signal: AbortSignal.abort() }), reasonIs('cancelled'));
    const controller = new AbortController();
    server.once(always, () => controller.abort());
    await assert.rejects(client.get(things, 'a', { signal: controller.signal }), reasonIs('cancelled'));
    await waitUntil('the connection is gone', () => server.connections === 0);
  });

  test('reports a connection that breaks before or in an answer', async (context) => {
    const { server, client } = await servedApi(context);
    server.once(always, (_, response) => void response.destroy());
    await assert.rejects(client.create(things, thing('a')), reasonIs('api-unavailable'));
    server.once(always, (_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{');
      setImmediate(() => response.destroy());
    });
    await assert.rejects(client.get(things, 'a'), reasonIs('api-unavailable'));
    assert.equal(client.requests.total({ code: 'error' }), 1);
  });

  test('asks once more on a new connection when a kept one was closed under it, except to create', async (context) => {
    const { server, client } = await servedApi(context);
    await client.get(things, 'a');
    assert.equal(server.connections, 1);
    server.once(always, (_, response) => void response.destroy());
    assert.equal(await client.get(things, 'a'), undefined);
    server.once(always, (_, response) => void response.destroy());
    await assert.rejects(client.create(things, thing('a')), reasonIs('api-unavailable'));
  });

  test('says so when there is no server at all', async (context) => {
    const { server, client } = await servedApi(context);
    await server.stop();
    await assert.rejects(client.get(things, 'a'), reasonIs('api-unavailable', /ECONNREFUSED/));
    await server.listen(0);
  });

  test('sends nothing more once it is closed', async (context) => {
    const { server, client } = await servedApi(context);
    await client.get(things, 'a');
    server.once(always, () => client.close());
    await assert.rejects(client.get(things, 'a'));
    await assert.rejects(client.get(things, 'a'), reasonIs('shutting-down'));
    assert.equal(server.requests.length, 2);
  });

  test('passes on what the server warns of, once', async (context) => {
    const { server } = await servedApi(context);
    const warnings: unknown[] = [];
    const log = {
      ...silentLogger,
      warn: (_: string, fields?: LogFields) => void warnings.push(fields?.warning),
    };
    const client = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig()), log });
    for (let count = 0; count < 3; count += 1) {
      const headers = { warning: '299 - "unknown field spec.x"' };
      server.once(always, (_, response) => reply(response, { status: 200, body: thing('a'), headers }));
      await client.get(things, 'a');
    }
    assert.deepEqual(warnings, ['299 - "unknown field spec.x"']);
    client.close();
  });

  test('keeps its connections: many requests one after the other use one', async (context) => {
    const { server, client } = await servedApi(context);
    const ports = new Set<number>();
    for (let count = 0; count < 20; count += 1) {
      server.once(always, (_, response) => {
        ports.add(response.socket?.remotePort ?? 0);
        reply(response, { status: 200, body: thing('a') });
      });
      await client.get(things, 'a');
    }
    assert.equal(ports.size, 1);
  });
});

describe('credentials', () => {
  test('are read again when the server does not accept them', async (context) => {
    const { server } = await servedApi(context);
    const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-access-'));
    context.after(() => rmSync(folder, { recursive: true }));
    const file = path.join(folder, 'kubeconfig');
    writeFileSync(file, server.kubeconfig('old'));
    const client = new ApiClient({ access: KubeAccess.from({ kubeconfig: file }) });
    await client.get(things, 'a');
    writeFileSync(file, server.kubeconfig('new'));
    server.once(
      ({ headers }) => headers.authorization === 'Bearer old',
      (_, response) => reply(response, refusal(401, 'Unauthorized', 'who?')),
    );
    assert.equal(await client.get(things, 'a'), undefined);
    const tokens = server.requests.map(({ headers }) => headers.authorization);
    assert.deepEqual(tokens, ['Bearer old', 'Bearer old', 'Bearer new']);
    client.close();
  });

  test('of a pod are in a file that is replaced, and may end in a newline', async (context) => {
    const { server } = await servedApi(context);
    const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-access-'));
    context.after(() => rmSync(folder, { recursive: true }));
    const tokenFile = path.join(folder, 'token');
    const config = JSON.parse(server.kubeconfig()) as { users: object[] };
    // As KubeConfig says it when it is loaded in a pod.
    config.users = [
      { name: 'test', user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } } },
    ];
    writeFileSync(tokenFile, 'first\n');
    const client = new ApiClient({ access: KubeAccess.fromText(JSON.stringify(config)) });
    await client.get(things, 'a');
    writeFileSync(tokenFile, 'second\n');
    const end = server.always(
      ({ headers }) => headers.authorization === 'Bearer first',
      (_, response) => reply(response, refusal(401, 'Unauthorized', 'expired')),
    );
    assert.equal(await client.get(things, 'a'), undefined);
    end();
    rmSync(tokenFile);
    assert.equal(await client.get(things, 'a'), undefined);
    assert.equal(server.requests.at(-1)?.headers.authorization, 'Bearer second');
    client.close();
  });

  test('that lead nowhere are mistakes of the configuration', () => {
    assert.throws(
      () => KubeAccess.fromFile('/nowhere/kubeconfig'),
      reasonIs('config-invalid', /kubeconfig file/),
    );
    assert.throws(
      () => KubeAccess.fromText('{"clusters":[],"users":[],"contexts":[]}'),
      reasonIs('config-invalid'),
    );
    assert.throws(() => KubeAccess.from({}), reasonIs('config-invalid', /no pod/));
  });
});
