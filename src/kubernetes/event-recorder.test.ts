import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type ListWatchServer, refusal, reply, type SeenRequest } from '../../test/list-watch-server.ts';
import { servedApi, thing } from '../../test/served-api.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { silentLogger } from '../observe/logger.ts';
import type { ApiClient } from './api-client.ts';
import type { ApiObject } from './api-object.ts';
import { type EventNote, type EventObject, EventRecorder } from './event-recorder.ts';
import { events } from './resources.ts';

const note: EventNote = { type: 'Warning', reason: 'OutOfSpace', message: 'No free run is long enough.' };
const pool = { ...thing('pool-a'), metadata: { name: 'pool-a', uid: 'u-1' } };
const claim: ApiObject = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'data', namespace: 'team', uid: 'u-2', resourceVersion: '7' },
};

interface Recorded {
  readonly server: ListWatchServer;
  readonly client: ApiClient;
  readonly recorder: EventRecorder;
  readonly all: () => Promise<readonly EventObject[]>;
}

async function recorded(context: TestContext, repeatMs = 1): Promise<Recorded> {
  const { server, client } = await servedApi(context, { afterwards: () => recorder.stop() });
  const recorder = new EventRecorder({
    client,
    log: silentLogger,
    component: 'famfs-csi-controller',
    repeatMs,
  });
  return { server, client, recorder, all: async () => (await client.list<EventObject>(events)).items };
}

const isEvent = ({ method, path }: SeenRequest): boolean => method !== 'GET' && path.includes('/events');

describe('a recorder of events', () => {
  test('says things about objects of the cluster and of a namespace', async (context) => {
    const { client, recorder } = await recorded(context);
    recorder.record(pool, note);
    recorder.record(claim, { ...note, type: 'Normal' });
    await waitUntil('both are there', () => client.requests.total({ verb: 'create', code: '201' }) === 2);
    const [ofPool] = (await client.list<EventObject>(events, { namespace: 'default' })).items;
    assert.deepEqual(ofPool?.involvedObject, {
      apiVersion: 'famfs.io/v1alpha1',
      kind: 'FamfsPool',
      name: 'pool-a',
      uid: 'u-1',
    });
    assert.equal(ofPool?.message, note.message);
    assert.equal(ofPool?.count, 1);
    const [ofClaim] = (await client.list<EventObject>(events, { namespace: 'team' })).items;
    assert.equal(ofClaim?.type, 'Normal');
    assert.equal(ofClaim?.involvedObject.namespace, 'team');
    assert.equal(ofClaim?.reportingComponent, 'famfs-csi-controller');
    assert.match(ofClaim?.metadata.name ?? '', /^data\.[0-9a-f]{16}$/);
    assert.match(ofClaim?.lastTimestamp ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  test('counts what is said again, in few requests', async (context) => {
    const { server, recorder, all } = await recorded(context, 50);
    for (let count = 0; count < 500; count += 1) recorder.record(pool, note);
    recorder.record(pool, { ...note, message: 'Something else.' });
    await waitUntil('all are counted', async () => {
      const counts = (await all()).map(({ count }) => count).sort((left, right) => left - right);
      return counts.join() === '1,500';
    });
    assert.ok(server.requests.filter(isEvent).length <= 4);
    recorder.record(pool, note);
    await waitUntil('one more is counted', async () => (await all()).some(({ count }) => count === 501));
  });

  test('asks nothing of the server for a repeat until it is time', async (context) => {
    const { server, recorder, all } = await recorded(context, 60_000);
    recorder.record(pool, note);
    await waitUntil('it is there', async () => (await all()).length === 1);
    for (let count = 0; count < 20; count += 1) {
      recorder.record(pool, note);
      await all();
    }
    assert.equal(server.requests.filter(isEvent).length, 1);
  });

  test('makes an event anew that the server has forgotten', async (context) => {
    const { server, recorder, all } = await recorded(context);
    recorder.record(pool, note);
    await waitUntil('it is there', async () => (await all()).length === 1);
    const [event] = await all();
    server.drop('/api/v1/events', event?.metadata.name ?? '', 'default');
    recorder.record(pool, note);
    await waitUntil('it is there again', async () => (await all())[0]?.count === 2);
    assert.notEqual((await all())[0]?.metadata.name, event?.metadata.name);
  });

  test('lets one object say only so many different things', async (context) => {
    const { recorder, all } = await recorded(context);
    for (let index = 0; index < 200; index += 1) recorder.record(pool, { ...note, message: `${index}` });
    recorder.record(claim, note);
    await waitUntil('the other object is heard', async () =>
      (await all()).some(({ involvedObject }) => involvedObject.name === 'data'),
    );
    assert.equal((await all()).length, 26);
  });

  test('tries again when the server is in trouble, and leaves what it refuses', async (context) => {
    const { server, recorder, all } = await recorded(context);
    server.once(isEvent, (_, response) => reply(response, refusal(500, 'InternalError', 'no')));
    recorder.record(pool, note);
    await waitUntil('it is there', async () => (await all()).length === 1);
    server.once(isEvent, (_, response) => reply(response, refusal(403, 'Forbidden', 'no')));
    recorder.record(claim, note);
    await waitUntil('it was refused', () => server.requests.filter(isEvent).length === 3);
    recorder.record(claim, { ...note, reason: 'Other' });
    await waitUntil('the next one is there', async () => (await all()).length === 2);
  });

  test('cuts what is too long, and keeps names valid', async (context) => {
    const { recorder, all } = await recorded(context);
    const name = `${'a'.repeat(199)}.${'b'.repeat(50)}`;
    recorder.record({ ...pool, metadata: { name } }, { ...note, message: 'x'.repeat(5000) });
    await waitUntil('it is there', async () => (await all()).length === 1);
    const [event] = await all();
    assert.equal(event?.message.length, 1024);
    assert.match(event?.metadata.name ?? '', /^a{199}\.[0-9a-f]{16}$/);
  });

  test('is not held up when it stops while the server is silent', async (context) => {
    const { server, recorder } = await recorded(context);
    server.once(isEvent, () => {});
    recorder.record(pool, note);
    await waitUntil('it was sent', () => server.requests.length === 1);
    await recorder.stop(20);
    recorder.record(pool, note);
    assert.equal(server.requests.length, 1);
  });
});
