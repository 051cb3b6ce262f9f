// Records of volumes at a real API server: everything that provisioning relies on, the CRD's own rules included.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ApiServer } from '../../test/api-server.ts';
import { reasonIs } from '../../test/reason-is.ts';
import { describeVolumeRecords, newSlot, newVolume } from '../../test/volume-records-contract.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { silentLogger } from '../observe/logger.ts';
import { ApiClient } from './api-client.ts';
import type { FamfsVolume } from './famfs-volume.ts';
import { KubeAccess } from './kube-access.ts';
import { ObjectCache } from './object-cache.ts';
import { famfsVolumes } from './resources.ts';
import { KubernetesVolumeRecords } from './volume-records.ts';

let server: ApiServer;
let admin: ApiClient;

before(async () => {
  server = await ApiServer.start({ own: true });
  await server.installCrds();
  admin = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig()) });
});
after(async () => {
  admin?.close();
  await server?.stop();
});

/** One process with the records open. */
interface OpenRecords {
  readonly client: ApiClient;
  readonly cache: ObjectCache<FamfsVolume>;
  readonly records: KubernetesVolumeRecords;
  close(): Promise<void>;
}

function open(nodeName?: string): OpenRecords {
  const client = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig()) });
  const log = silentLogger;
  const fieldSelector = nodeName && `spec.nodeName=${nodeName}`;
  const cache = new ObjectCache<FamfsVolume>({ client, resource: famfsVolumes, log, fieldSelector });
  const records = new KubernetesVolumeRecords({ client, cache, log, ...(nodeName && { nodeName }) });
  cache.start();
  const close = async (): Promise<void> => {
    await cache.stop();
    client.close();
  };
  return { client, cache, records, close };
}

async function removeAll(): Promise<void> {
  const { items } = await admin.list<FamfsVolume>(famfsVolumes);
  for (const { metadata } of items) {
    if (metadata.finalizers !== undefined)
      await admin.mergePatch(famfsVolumes, metadata.name, { metadata: { finalizers: null } });
    await admin.remove(famfsVolumes, metadata.name);
  }
}

describeVolumeRecords('records of volumes at an API server', async () => {
  const opened = [open()];
  const [first] = opened;
  assert.ok(first);
  return {
    records: first.records,
    again: async () => {
      const another = open();
      opened.push(another);
      return another.records;
    },
    close: async () => {
      await Promise.all(opened.map((each) => each.close()));
      await removeAll();
    },
  };
});

describe('the object of a volume', () => {
  test('is not deleted by a person while the volume lives, and goes with it', async (context) => {
    const { records, client, close } = open();
    context.after(close);
    const made = await records.create(newVolume('kept'));
    await client.remove(famfsVolumes, 'kept');
    const marked = await client.get<FamfsVolume>(famfsVolumes, 'kept');
    assert.notEqual(marked?.metadata.deletionTimestamp, undefined);
    await waitUntil('the records see the mark', async () => {
      const now = await records.get('kept');
      return now !== undefined && now.version !== made.version;
    });
    let record = await records.get('kept');
    assert.ok(record);
    record = await records.update({ ...record, deleting: true });
    await records.remove(record);
    assert.equal(await client.get(famfsVolumes, 'kept'), undefined);
  });

  test('never changes what was fixed, whoever asks', async (context) => {
    const { records, close } = open();
    context.after(close);
    context.after(removeAll);
    const made = await records.create(newVolume('fixed'));
    const spec = { ...made.spec, layout: { ...made.spec.layout, fileMode: 0o777 } };
    await assert.rejects(records.update({ ...made, spec }), reasonIs('api-invalid'));
    assert.deepEqual((await records.get('fixed'))?.spec, made.spec);
  });
});

test('a node sees the records that name it, and no longer those that name another', async (context) => {
  const all = open();
  const ofNode = open('node-2');
  for (const each of [all, ofNode]) context.after(() => each.close());
  context.after(removeAll);
  const one = await all.records.create(newVolume('one'));
  const slot = await all.records.createSlot(newSlot());
  assert.deepEqual([await ofNode.records.list(), await ofNode.records.slots()], [[], []]);
  const moved = await all.records.update({ ...one, spec: { ...one.spec, node: 'node-2' } });
  await all.records.updateSlot({ ...slot, node: 'node-2' });
  await waitUntil('both have come', async () => {
    const [volumes, slots] = await Promise.all([ofNode.records.list(), ofNode.records.slots()]);
    return volumes.length === 1 && slots.length === 1;
  });
  const seen = await ofNode.records.get('one');
  assert.deepEqual(seen, moved);
  await ofNode.records.update({ ...moved, status: { ...moved.status, phase: 'Creating' } });
  await waitUntil('the other side sees the report', async () => {
    return (await all.records.get('one'))?.status.phase === 'Creating';
  });
  const reported = await all.records.get('one');
  assert.ok(reported);
  await all.records.update({ ...reported, spec: { ...reported.spec, node: 'node-1' } });
  await waitUntil('it has gone', async () => (await ofNode.records.list()).length === 0);
});

test('a volume costs a request to be recorded, four to be forgotten, and none to be read', async (context) => {
  const { records, client, cache, close } = open();
  context.after(close);
  context.after(removeAll);
  await cache.synced();
  const count = (): number => client.requests.total() - client.requests.total({ verb: 'list' }) - watches();
  const watches = (): number => client.requests.total({ verb: 'watch' });
  const before = count();
  const made = await records.create(newVolume('counted'));
  assert.equal(count() - before, 1);
  await records.get('counted');
  await records.list();
  await records.slots();
  assert.equal(count() - before, 1);
  const ended = await records.update({ ...made, deleting: true });
  await records.createSlot(newSlot({ slot: made.spec.slot, phase: 'Kept' }));
  await records.remove(ended);
  assert.equal(count() - before, 5);
});
