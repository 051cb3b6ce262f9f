// The client, the cache, the election and events against a real API server, with a proxy in between that cuts, refuses, delays
// and mutes. What only the real server can tell: versions, conflicts, apply, selectors, bookmarks, validation.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, type TestContext, test } from 'node:test';
import { ApiServer } from '../../test/api-server.ts';
import { FaultProxy, type ProxiedRequest } from '../../test/fault-proxy.ts';
import { refusal } from '../../test/list-watch-server.ts';
import { reasonIs } from '../../test/reason-is.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { silentLogger } from '../observe/logger.ts';
import { ApiClient } from './api-client.ts';
import { statusOf } from './api-failure.ts';
import type { ApiObject } from './api-object.ts';
import { type EventObject, EventRecorder } from './event-recorder.ts';
import { KubeAccess } from './kube-access.ts';
import { LeaderElection, type Lease } from './lease.ts';
import { ObjectCache } from './object-cache.ts';
import { type ApiResource, events, leases, nodes } from './resources.ts';
import { type WatchTiming, watchTiming } from './watch-loop.ts';

interface ConfigMap extends ApiObject {
  readonly kind: 'ConfigMap';
  readonly data?: Readonly<Record<string, string>>;
}

/** A kind that any API server has, with nothing that validates it. */
const configMaps: ApiResource = {
  ...{ group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true },
};
const suffix = randomBytes(4).toString('hex');
const namespace = `plumbing-${suffix}`;
const quick = { ...watchTiming, firstBackOffMs: 20, longestBackOffMs: 200 };

let server: ApiServer;

before(async () => {
  server = await ApiServer.start();
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
  assert.equal((await server.request('POST', '/api/v1/namespaces', body)).status, 201);
});
after(async () => {
  await server.request('DELETE', `/api/v1/namespaces/${namespace}`);
  await server.stop();
});

interface Line {
  readonly proxy: FaultProxy;
  readonly client: ApiClient;
}

/** A client behind a proxy; when the test is over, no connection is left. */
async function line(context: TestContext, afterwards: () => Promise<void> = async () => {}): Promise<Line> {
  const proxy = await FaultProxy.start(server.kubeconfig());
  const client = new ApiClient({ access: KubeAccess.fromText(proxy.kubeconfig()) });
  context.after(async () => {
    await afterwards();
    client.close();
    await waitUntil('the client has no connection left', () => proxy.connections === 0);
    await proxy.stop();
  });
  return { proxy, client };
}

function configMap(name: string, data: Record<string, string> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data };
}

function direct(context: TestContext): ApiClient {
  const client = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig()) });
  context.after(() => client.close());
  return client;
}

describe('a client of a real API server', () => {
  test('writes, reads, lists and removes over TLS', async (context) => {
    const client = direct(context);
    const name = `crud-${suffix}`;
    assert.equal(await client.get(configMaps, name, { namespace }), undefined);
    const made = await client.create<ConfigMap>(configMaps, configMap(name, { a: '1' }));
    await assert.rejects(
      client.create(configMaps, configMap(name)),
      reasonIs('record-conflict', /already exists/),
    );
    const changed = await client.update<ConfigMap>(configMaps, { ...made, data: { a: '2' } });
    await assert.rejects(client.update(configMaps, made), reasonIs('record-conflict', /modified/));
    const patched = await client.mergePatch<ConfigMap>(configMaps, name, { data: { b: '3' } }, { namespace });
    assert.deepEqual(patched.data, { a: '2', b: '3' });
    const { items } = await client.list<ConfigMap>(configMaps, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
    });
    assert.deepEqual(
      items.map(({ kind, data }) => [kind, data]),
      [['ConfigMap', { a: '2', b: '3' }]],
    );
    const { uid, resourceVersion } = changed.metadata;
    await assert.rejects(
      client.remove(configMaps, name, { namespace, uid: 'another' }),
      reasonIs('record-conflict'),
    );
    await assert.rejects(
      client.remove(configMaps, name, { namespace, resourceVersion }),
      reasonIs('record-conflict'),
    );
    await client.remove(configMaps, name, { namespace, uid });
    await client.remove(configMaps, name, { namespace, uid });
    await assert.rejects(
      client.mergePatch(configMaps, name, {}, { namespace }),
      reasonIs('record-conflict', /not found/),
    );
  });

  test('owns what it applies: another manager needs force, and what is left out goes', async (context) => {
    const client = direct(context);
    const name = `apply-${suffix}`;
    const mine = { fieldManager: 'mine' };
    await client.apply<ConfigMap>(configMaps, configMap(name, { a: '1', b: '1' }), mine);
    const theirs = { fieldManager: 'theirs' };
    await assert.rejects(
      client.apply<ConfigMap>(configMaps, configMap(name, { a: '2' }), theirs),
      reasonIs('record-conflict', /conflict with "mine"/),
    );
    const forced = await client.apply<ConfigMap>(configMaps, configMap(name, { a: '2' }), {
      ...theirs,
      force: true,
    });
    assert.deepEqual(forced.data, { a: '2', b: '1' });
    const less = await client.apply<ConfigMap>(configMaps, configMap(name), mine);
    assert.deepEqual(less.data, { a: '2' });
  });

  test('reads a list in pages, of one version', async (context) => {
    const { proxy, client } = await line(context);
    const names = Array.from({ length: 520 }, (_, index) => `page-${suffix}-${index}`);
    for (let from = 0; from < names.length; from += 50) {
      await Promise.all(
        names.slice(from, from + 50).map((name) =>
          client.create<ConfigMap>(configMaps, {
            ...configMap(name),
            metadata: { name, namespace, labels: { pages: suffix } },
          }),
        ),
      );
    }
    const before = proxy.requests.length;
    const { items, resourceVersion } = await client.list(configMaps, {
      namespace,
      labelSelector: `pages=${suffix}`,
    });
    assert.equal(items.length, 520);
    assert.equal(proxy.requests.length - before, 2);
    assert.match(resourceVersion, /^\d+$/);
    const route = `/api/v1/namespaces/${namespace}/configmaps?labelSelector=pages%3D${suffix}`;
    await server.request('DELETE', route);
  });

  test('tells what the server refuses, in its words', async (context) => {
    const client = direct(context);
    await assert.rejects(
      client.create(configMaps, configMap('Not A Name')),
      reasonIs('api-invalid', /Not A Name.*RFC 1123/s),
    );
    await assert.rejects(
      client.create(configMaps, { ...configMap('x'), metadata: { name: 'x', namespace: 'nowhere' } }),
      (error) => statusOf(error) === 404,
    );
    const unknown = { ...configMaps, group: 'nobody.example', version: 'v1' };
    await assert.rejects(client.get(unknown, 'x', { namespace }), reasonIs('api-unavailable'));
    const nobody = new ApiClient({ access: KubeAccess.fromText(server.kubeconfigOfToken('wrong')) });
    context.after(() => nobody.close());
    await assert.rejects(nobody.list(nodes), reasonIs('api-forbidden', /401/));
    const powerless = { name: 'powerless', groups: [] };
    const other = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig(powerless)) });
    context.after(() => other.close());
    await assert.rejects(other.list(nodes), reasonIs('api-forbidden', /powerless.*nodes/));
  });

  test('is patient with a busy server, and not with one that is too slow', async (context) => {
    const { proxy, client } = await line(context);
    const name = `busy-${suffix}`;
    const busy = refusal(429, 'TooManyRequests', 'busy', { 'retry-after': '1' });
    proxy.answerOnce(() => true, busy);
    await client.create(configMaps, configMap(name));
    proxy.delay(1_000);
    await assert.rejects(
      client.get(configMaps, name, { namespace, timeoutMs: 200 }),
      reasonIs('api-unavailable', /within 200 ms/),
    );
    assert.ok(await client.get(configMaps, name, { namespace, timeoutMs: 20_000 }));
  });
});

describe('a cache over a bad line to a real API server', () => {
  const isWatch = ({ watch }: ProxiedRequest): boolean => watch;
  const isList = ({ method, watch, path }: ProxiedRequest): boolean =>
    method === 'GET' && !watch && path.endsWith('/configmaps');

  async function cached(context: TestContext, timing: Partial<WatchTiming> = {}) {
    const { proxy, client } = await line(context, () => cache.stop());
    const run = randomBytes(4).toString('hex');
    const cache = new ObjectCache<ConfigMap>({
      ...{ client, resource: configMaps, namespace, labelSelector: `run=${run}`, log: silentLogger },
      timing: { ...quick, ...timing },
    });
    const writer = direct(context);
    const put = async (name: string, value: string): Promise<unknown> =>
      writer.apply<ConfigMap>(
        configMaps,
        {
          ...configMap(`${name}-${run}`, { value }),
          metadata: { name: `${name}-${run}`, namespace, labels: { run } },
        },
        { fieldManager: 'test', force: true },
      );
    const drop = (name: string): Promise<void> => writer.remove(configMaps, `${name}-${run}`, { namespace });
    const holds = (expected: string): Promise<void> =>
      waitUntil(`the cache holds ${expected}`, () => {
        const held = cache
          .list()
          .map(({ metadata, data }) => `${metadata.name.split('-')[0]}=${data?.value}`);
        return held.sort().join(' ') === expected;
      });
    await put('a', '0');
    cache.start();
    await cache.synced();
    await waitUntil('a watch is open', () => proxy.watches === 1);
    return { proxy, cache, put, drop, holds };
  }

  test('follows what changes, by one list and one watch', async (context) => {
    const { proxy, put, drop, holds } = await cached(context);
    await put('b', '1');
    await put('a', '2');
    await holds('a=2 b=1');
    await drop('b');
    await holds('a=2');
    assert.equal(proxy.requests.filter(isList).length, 1);
    assert.equal(proxy.requests.filter(isWatch).length, 1);
  });

  test('misses nothing when the line is cut, between events and within one', async (context) => {
    const { proxy, put, drop, holds } = await cached(context);
    for (let round = 1; round <= 6; round += 1) {
      if (round % 2 === 0) proxy.cut();
      else proxy.cutNextLines();
      await put('a', `${round}`);
      await put(`n${round}`, `${round}`);
      if (round > 1) await drop(`n${round - 1}`);
      await holds(`a=${round} n${round}=${round}`);
      await waitUntil('a watch is open again', () => proxy.watches === 1);
    }
    assert.equal(proxy.requests.filter(isList).length, 1);
  });

  test('survives 410, 409, 429 and 500 in the place of lists and watches', async (context) => {
    const { proxy, put, holds } = await cached(context);
    proxy.answerOnce(isWatch, refusal(410, 'Expired', 'too old resource version'));
    proxy.answerOnce(isList, refusal(500, 'InternalError', 'etcdserver: leader changed'));
    proxy.answerOnce(isList, refusal(429, 'TooManyRequests', 'busy', { 'retry-after': '0' }));
    proxy.answerOnce(isWatch, refusal(409, 'Conflict', 'odd'));
    proxy.cut();
    await put('a', '7');
    await holds('a=7');
    await waitUntil('a watch is open again', () => proxy.watches === 1);
    await put('a', '8');
    await holds('a=8');
    assert.ok(proxy.requests.filter(isList).length >= 4);
  });

  test('goes on from watch to watch as the server ends them, without another list', async (context) => {
    const { proxy, put, holds } = await cached(context, { watchSeconds: 1 });
    const watches = (): readonly ProxiedRequest[] => proxy.requests.filter(isWatch);
    await put('a', '1');
    await holds('a=1');
    await waitUntil('there were three watches', () => watches().length >= 3);
    await put('a', '2');
    await holds('a=2');
    assert.equal(proxy.requests.filter(isList).length, 1);
    const versions = watches().map(({ query }) => Number(query.get('resourceVersion')));
    assert.ok((versions.at(-1) ?? 0) > (versions[0] ?? 0), versions.join());
  });

  test('notices a watch that has gone silent, and loses nothing of what it should have told', async (context) => {
    const { proxy, put, holds } = await cached(context, { inactivityMs: 1_000 });
    proxy.mute(true);
    await put('a', '9');
    await waitUntil('it watches anew', () => proxy.requests.filter(isWatch).length >= 2);
    proxy.mute(false);
    await holds('a=9');
  });

  test('learns from the server itself that its version is too old', async (context) => {
    const client = direct(context);
    const watching = client.watch(configMaps, {
      ...{ namespace, resourceVersion: '1', timeoutSeconds: 5, inactivityMs: 10_000 },
      signal: new AbortController().signal,
    });
    // etcd keeps five minutes of history: an old version is either told from there, or refused as 410.
    const outcome = await watching.next().then(
      ({ value }) => value?.type,
      (error: unknown) => statusOf(error),
    );
    assert.ok(outcome === 410 || outcome === 'ADDED', String(outcome));
    await watching.return(undefined);
  });
});

describe('an election at a real API server', () => {
  test('passes from the leader that stops to the next, and from one that is cut off', async (context) => {
    const timing = { leaseSeconds: 3, renewDeadlineMs: 2_000, retryMs: 300 };
    const name = `leader-${suffix}`;
    const elections: LeaderElection[] = [];
    const end = async (): Promise<void> => {
      for (const election of elections) await election.stop();
    };
    const first = await line(context, end);
    const second = await line(context);
    const third = await line(context);
    const enter = ({ client }: Line, identity: string): LeaderElection => {
      const election = new LeaderElection({ client, namespace, name, identity, timing, log: silentLogger });
      elections.push(election);
      election.start();
      return election;
    };
    const a = enter(first, 'a');
    await a.acquired;
    const b = enter(second, 'b');
    await waitUntil('b has seen the lease', () => second.proxy.requests.length >= 2);
    assert.equal(b.leading, false);
    await a.stop();
    await b.acquired;
    assert.equal(a.leading, false);
    const c = enter(third, 'c');
    second.proxy.delay(60_000);
    second.proxy.cut();
    const lost = Promise.withResolvers<unknown>();
    b.lost.addEventListener('abort', lost.resolve);
    await Promise.race([lost.promise, c.acquired.then(() => assert.ok(!b.leading, 'both lead'))]);
    await c.acquired;
    assert.equal(b.leading, false);
    const lease = await third.client.get<Lease>(leases, name, { namespace });
    assert.equal(lease?.spec?.holderIdentity, 'c');
    assert.equal(lease?.spec?.leaseTransitions, 2);
  });
});

describe('events at a real API server', () => {
  test('are accepted for objects of a namespace and of the cluster, and counted', async (context) => {
    const { client } = await line(context, () => recorder.stop());
    const recorder = new EventRecorder({ client, log: silentLogger, component: 'test', repeatMs: 50 });
    const subject = await client.create<ConfigMap>(configMaps, configMap(`subject-${suffix}`));
    const clusterWide = {
      ...subject,
      kind: 'FamfsPool',
      apiVersion: 'famfs.io/v1alpha1',
      metadata: { name: `pool-${suffix}` },
    };
    const note = { type: 'Warning', reason: 'Tested', message: 'This is a test.' } as const;
    const find = async (name: string, inside: string): Promise<EventObject | undefined> =>
      (
        await client.list<EventObject>(events, {
          namespace: inside,
          fieldSelector: `involvedObject.name=${name}`,
        })
      ).items[0];
    recorder.record(clusterWide, note);
    recorder.record(subject, note);
    await waitUntil('both are there', async () => {
      const both = [await find(`pool-${suffix}`, 'default'), await find(subject.metadata.name, namespace)];
      return both.every((event) => event?.reason === 'Tested');
    });
    for (let count = 0; count < 9; count += 1) recorder.record(subject, note);
    await waitUntil(
      'they are counted',
      async () => (await find(subject.metadata.name, namespace))?.count === 10,
    );
  });
});
