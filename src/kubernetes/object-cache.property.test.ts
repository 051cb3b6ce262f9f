// Whatever happens to the line between a cache and the server, in whatever order: in the end the cache holds what the server
// has, every difference was told, and there was never more than one watch.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ListWatchServer, refusal, reply } from '../../test/list-watch-server.ts';
import { servedApi, type Thing, thing, things, thingsPath } from '../../test/served-api.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { silentLogger } from '../observe/logger.ts';
import { ObjectCache } from './object-cache.ts';

type Act = { readonly name: string; readonly act: (server: ListWatchServer) => void };

const object = fc.constantFrom('a', 'b', 'c');
const acts: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(object, fc.nat(9)).map(([name, value]) => ({
      name: `put ${name}=${value}`,
      act: (server: ListWatchServer) => void server.put(thingsPath, thing(name, value)),
    })),
  },
  {
    weight: 3,
    arbitrary: object.map((name) => ({
      name: `drop ${name}`,
      act: (server: ListWatchServer) => server.drop(thingsPath, name),
    })),
  },
  fc.constantFrom<Act>(
    { name: 'cut', act: (server) => server.cut() },
    { name: 'end', act: (server) => server.endWatches() },
    { name: 'forget', act: (server) => server.compact() },
    { name: 'bookmark', act: (server) => server.bookmark() },
    {
      name: 'half a line',
      act: (server) => {
        server.writeToWatches('{"type":"ADDED","object":{"metadata":{"name":"a","resourceVers');
        server.endWatches();
      },
    },
    { name: 'nonsense', act: (server) => server.writeToWatches('<html>\n') },
    {
      name: 'expired',
      act: (server) => {
        const { body } = refusal(410, 'Expired', 'too old');
        server.writeToWatches(`${JSON.stringify({ type: 'ERROR', object: body })}\n`);
      },
    },
    {
      name: 'refuse the next',
      act: (server) =>
        server.once(
          () => true,
          (_, response) => reply(response, refusal(500, 'InternalError', 'no')),
        ),
    },
    {
      name: 'break the next',
      act: (server) =>
        server.once(
          () => true,
          (_, response) => void response.destroy(),
        ),
    },
  ),
);
/** Whether the client gets a chance to act before the next thing happens. */
const story = fc.array(fc.tuple(acts, fc.boolean()), { minLength: 1, maxLength: 25 });

test('whatever happens on the way, a cache ends with what the server has, and has told every change', async (context) => {
  const { server, client } = await servedApi(context);
  const held = (objects: readonly (Pick<Thing, 'metadata'> | undefined)[]): string =>
    objects
      .flatMap((found) =>
        found === undefined ? [] : [`${found.metadata.name}@${found.metadata.resourceVersion}`],
      )
      .sort()
      .join(' ');
  await fc.assert(
    fc.asyncProperty(story, async (steps) => {
      const cache = new ObjectCache<Thing>({
        ...{ client, resource: things, log: silentLogger },
        timing: {
          watchSeconds: 300,
          inactivityMs: 60_000,
          relistMs: 600_000,
          firstBackOffMs: 1,
          longestBackOffMs: 4,
        },
      });
      const mirror = new Map<string, Thing | undefined>();
      cache.onChange((name) => mirror.set(name, cache.get(name)));
      cache.start();
      for (const [{ act }, pause] of steps) {
        const asked = server.requests.length;
        act(server);
        if (pause)
          await waitUntil('it watches', () => server.watches === 1 || server.requests.length > asked);
      }
      const wanted = held(server.objects(thingsPath));
      await waitUntil(`the cache holds ${wanted}`, () => held(cache.list()) === wanted);
      await cache.stop();
      assert.equal(held([...mirror.values()]), wanted);
      await waitUntil('no watch is left', () => server.watches === 0);
      assert.ok(server.mostWatches <= 1);
    }),
    { numRuns: 60 },
  );
});
