import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type ListWatchServer, refusal, reply, type SeenRequest } from '../../test/list-watch-server.ts';
import { reasonIs } from '../../test/reason-is.ts';
import { servedApi, type Thing, thing, things, thingsPath } from '../../test/served-api.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { silentLogger } from '../observe/logger.ts';
import { backOffMs } from '../pace/back-off.ts';
import type { ApiClient } from './api-client.ts';
import { ObjectCache } from './object-cache.ts';
import { type WatchTiming, watchTiming } from './watch-loop.ts';

const quick: WatchTiming = {
  watchSeconds: 300,
  inactivityMs: 60_000,
  relistMs: 600_000,
  firstBackOffMs: 5,
  longestBackOffMs: 20,
};

const isWatch = ({ watch }: SeenRequest): boolean => watch;
const isList = ({ method, watch, path }: SeenRequest): boolean =>
  method === 'GET' && !watch && path === thingsPath;

interface Followed {
  readonly server: ListWatchServer;
  readonly client: ApiClient;
  readonly cache: ObjectCache<Thing>;
  /** Names in the order in which changes were told. */
  readonly told: string[];
  /** What the cache holds, as `name=value`. */
  held(): string;
  holds(expected: string): Promise<void>;
}

async function followed(context: TestContext, timing: Partial<WatchTiming> = {}): Promise<Followed> {
  const { server, client } = await servedApi(context, { afterwards: () => cache.stop() });
  const cache = new ObjectCache<Thing>({
    ...{ client, resource: things, log: silentLogger },
    timing: { ...quick, ...timing },
  });
  const told: string[] = [];
  cache.onChange((name) => told.push(name));
  const held = (): string =>
    cache
      .list()
      .map(({ metadata, spec }) => `${metadata.name}=${spec.value}`)
      .sort()
      .join(' ');
  const holds = (expected: string): Promise<void> =>
    waitUntil(`the cache holds ${expected}`, () => held() === expected);
  return { server, client, cache, told, held, holds };
}

/** The same, with `a=1` in it and a watch open. */
async function synced(context: TestContext, timing: Partial<WatchTiming> = {}): Promise<Followed> {
  const world = await followed(context, timing);
  world.server.put(thingsPath, thing('a', 1));
  world.cache.start();
  await world.cache.synced();
  await waitUntil('a watch is open', () => world.server.watches === 1);
  return world;
}

describe('a cache of objects', () => {
  test('holds what there is, and follows what changes', async (context) => {
    const { server, cache, told, held, holds } = await synced(context);
    assert.equal(held(), 'a=1');
    assert.deepEqual(told, ['a']);
    server.put(thingsPath, thing('b', 2));
    server.put(thingsPath, thing('a', 3));
    server.drop(thingsPath, 'b');
    await holds('a=3');
    assert.deepEqual(told, ['a', 'b', 'a', 'b']);
    assert.equal(cache.get('a')?.spec.value, 3);
    assert.equal(cache.get('b'), undefined);
    assert.equal(server.mostWatches, 1);
  });

  test('never changes an object that it has handed out', async (context) => {
    const { server, cache, holds } = await synced(context);
    const before = cache.get('a');
    const copy = structuredClone(before);
    server.put(thingsPath, thing('a', 2));
    await holds('a=2');
    assert.deepEqual(before, copy);
    assert.notEqual(cache.get('a'), before);
  });

  test('holds only what it is told to keep, and never the managed fields', async (context) => {
    const { server, client } = await servedApi(context, { afterwards: () => cache.stop() });
    const metadata = { name: 'a', namespace: 'n', managedFields: [{ manager: 'x' }] };
    server.put('/api/v1/persistentvolumeclaims', {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata,
      big: 1,
    });
    const cache = new ObjectCache({
      client,
      resource: { ...things, group: '', version: 'v1', plural: 'persistentvolumeclaims', namespaced: true },
      log: silentLogger,
      keep: ({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata }),
    });
    cache.start();
    await cache.synced();
    const held = cache.get('n/a');
    assert.deepEqual(Object.keys(held ?? {}).sort(), ['apiVersion', 'kind', 'metadata']);
    assert.deepEqual(Object.keys(held?.metadata ?? {}).sort(), [
      'name',
      'namespace',
      'resourceVersion',
      'uid',
    ]);
  });

  test('goes on from the last bookmark, without a list, when the server ends the watch', async (context) => {
    const { server, holds } = await synced(context);
    server.put('/apis/famfs.io/v1alpha1/famfsnodes', thing('other'));
    server.bookmark();
    server.endWatches();
    await waitUntil('the next watch is open', () => server.watches === 1);
    const { query } = server.requests.filter(isWatch).at(-1) ?? {};
    assert.equal(query?.get('resourceVersion'), String(server.version));
    server.put(thingsPath, thing('a', 7));
    await holds('a=7');
    assert.equal(server.requests.filter(isList).length, 1);
    assert.equal(server.mostWatches, 1);
  });

  test('asks for bookmarks and an end to each watch', async (context) => {
    const { server } = await synced(context);
    const { query } = server.requests.find(isWatch) ?? {};
    assert.equal(query?.get('allowWatchBookmarks'), 'true');
    const seconds = Number(query?.get('timeoutSeconds'));
    assert.ok(seconds >= 300 && seconds <= 360, String(seconds));
  });

  test('misses nothing when connections are cut', async (context) => {
    const { server, holds } = await synced(context);
    for (let round = 1; round <= 5; round += 1) {
      server.cut();
      server.put(thingsPath, thing('a', round));
      server.put(thingsPath, thing(`n${round}`, round));
      if (round > 1) server.drop(thingsPath, `n${round - 1}`);
      await holds(`a=${round} n${round}=${round}`);
    }
    assert.equal(server.requests.filter(isList).length, 1);
    assert.equal(server.mostWatches, 1);
  });

  test('leaves half a line to the next watch', async (context) => {
    const { server, holds, told } = await synced(context);
    const line = JSON.stringify({ type: 'MODIFIED', object: { ...thing('a', 9) } });
    server.writeToWatches(line.slice(0, 40));
    server.endWatches();
    server.put(thingsPath, thing('a', 2));
    await holds('a=2');
    assert.deepEqual(told, ['a', 'a']);
  });

  test('takes an event that comes in pieces, in the middle of a character', async (context) => {
    const { server, cache } = await synced(context);
    const object = { ...thing('ä'), metadata: { name: 'ä', resourceVersion: '900' } };
    const bytes = Buffer.from(`${JSON.stringify({ type: 'ADDED', object })}\n`);
    for (const byte of bytes) server.writeToWatches(Buffer.from([byte]));
    await waitUntil('the object is there', () => cache.get('ä') !== undefined);
  });

  for (const [how, expire] of [
    [
      'the answer to a watch',
      (server: ListWatchServer) => {
        server.put(thingsPath, thing('b', 2));
        server.cut();
        server.drop(thingsPath, 'a');
        server.compact();
      },
    ],
    [
      'an ERROR in a watch',
      (server: ListWatchServer) => {
        const { body } = refusal(410, 'Expired', 'too old');
        server.writeToWatches(`${JSON.stringify({ type: 'ERROR', object: body })}\n`);
        server.put(thingsPath, thing('b', 2));
        server.drop(thingsPath, 'a');
        server.compact();
      },
    ],
  ] as const) {
    test(`lists anew when its version is too old, as ${how}`, async (context) => {
      const { server, holds, told } = await synced(context);
      expire(server);
      await holds('b=2');
      await waitUntil('a watch is open', () => server.watches === 1);
      assert.deepEqual([...new Set(told)].sort(), ['a', 'b']);
      assert.ok(server.requests.filter(isList).length >= 2);
      server.put(thingsPath, thing('b', 3));
      await holds('b=3');
      assert.equal(server.mostWatches, 1);
    });
  }

  test('backs off while the server refuses, and tells when it does not know', async (context) => {
    const { server, cache, holds } = await followed(context);
    for (const [status, reason] of [
      [500, 'InternalError'],
      [403, 'Forbidden'],
      [404, ''],
      [429, 'TooManyRequests'],
    ] as const) {
      server.once(isList, (_, response) => reply(response, refusal(status, reason, 'no')));
    }
    for (let count = 0; count < 3; count += 1) {
      server.once(isWatch, (_, response) => reply(response, refusal(500, 'InternalError', 'no')));
    }
    server.once(isWatch, (_, response) => response.end('nonsense\n'));
    server.once(isWatch, (_, response) => response.end());
    assert.equal(cache.lastSeenMs, 0);
    cache.start();
    await cache.synced();
    assert.ok(cache.lastSeenMs > 0);
    server.put(thingsPath, thing('a', 1));
    await holds('a=1');
    assert.equal(server.requests.filter(isList).length, 5);
    assert.ok(server.requests.filter(isWatch).length >= 6);
  });

  test('gives up a silent watch, and goes on from where it was', async (context) => {
    const { server, holds } = await synced(context, { inactivityMs: 150 });
    server.once(isWatch, (_, response) => void response.writeHead(200).flushHeaders());
    await waitUntil('the mute watch was asked for', () => server.requests.filter(isWatch).length >= 2);
    server.put(thingsPath, thing('a', 2));
    await holds('a=2');
    assert.equal(server.requests.filter(isList).length, 1);
  });

  test('lists everything anew after a time, and so finds what a watch never told', async (context) => {
    const { server, cache } = await followed(context, { relistMs: 1 });
    server.once(isWatch, (_, response) => void response.writeHead(200).flushHeaders());
    server.put(thingsPath, thing('a', 1));
    cache.start();
    await waitUntil('the mute watch is asked for', () => server.requests.some(isWatch));
    const { query } = server.requests.find(isWatch) ?? {};
    assert.equal(query?.get('timeoutSeconds'), '1');
    server.put(thingsPath, thing('a', 2));
    server.cut();
    await waitUntil('it was found', () => cache.get('a')?.spec.value === 2);
    assert.ok(server.requests.filter(isList).length >= 2);
  });

  test('survives a server that goes and comes back elsewhere in its history', async (context) => {
    const { server, holds } = await synced(context);
    const { port } = server;
    await server.stop();
    server.put(thingsPath, thing('a', 5));
    server.compact();
    await server.listen(port);
    await holds('a=5');
  });

  test('ends at once, whatever it waits for', async (context) => {
    const { server, client } = await servedApi(context);
    const cacheWith = (timing: Partial<WatchTiming>): ObjectCache<Thing> =>
      new ObjectCache<Thing>({
        client,
        resource: things,
        log: silentLogger,
        timing: { ...quick, ...timing },
      });
    const listing = cacheWith({});
    server.once(isList, () => {});
    listing.start();
    await waitUntil('the list is asked for', () => server.requests.length === 1);
    const waiting = listing.synced();
    await listing.stop();
    await assert.rejects(waiting, reasonIs('shutting-down'));
    const sleeping = cacheWith({ firstBackOffMs: 60_000, longestBackOffMs: 60_000 });
    server.once(isList, (_, response) => reply(response, refusal(500, 'InternalError', 'no')));
    sleeping.start();
    await waitUntil('the list failed', () => client.requests.total({ code: '500' }) === 1);
    await sleeping.stop();
    const watching = cacheWith({});
    watching.start();
    await watching.synced();
    await watching.stop();
    await waitUntil('the watch is closed', () => server.watches === 0);
  });

  test('is started again without ever having two watches', async (context) => {
    const { server, cache, holds } = await synced(context);
    for (let round = 2; round < 6; round += 1) {
      const stopped = cache.stop();
      cache.start();
      cache.start();
      await stopped;
      server.put(thingsPath, thing('a', round));
      await holds(`a=${round}`);
    }
    assert.equal(server.mostWatches, 1);
  });

  test('is waited for no longer than wanted', async (context) => {
    const { cache } = await followed(context);
    await assert.rejects(cache.synced(AbortSignal.abort()), reasonIs('cancelled'));
    const controller = new AbortController();
    const waiting = cache.synced(controller.signal);
    controller.abort();
    await assert.rejects(waiting, reasonIs('cancelled'));
  });

  test('goes on when a listener fails', async (context) => {
    const { server, cache, holds, told } = await synced(context);
    const end = cache.onChange(() => {
      throw new Error('a listener failed');
    });
    const seen: string[] = [];
    cache.onChange((name) => seen.push(name));
    server.put(thingsPath, thing('a', 2));
    await holds('a=2');
    end();
    assert.deepEqual(seen, ['a']);
    assert.deepEqual(told, ['a', 'a']);
  });
});

describe('the back-off of a watch', () => {
  test('lies between one second and thirty, and doubles', () => {
    for (let failures = 0; failures < 40; failures += 1) {
      const limit = Math.min(30_000, 2_000 * 2 ** failures);
      const waitMs = backOffMs(failures, watchTiming);
      assert.ok(waitMs >= limit / 2 && waitMs <= limit, `${failures}: ${waitMs}`);
    }
  });
});
