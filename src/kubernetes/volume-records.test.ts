// What a real API server cannot be made to do: a watch that is late by as much as a test wants. The rest of what records keep
// to is tried in volume-records.api.test.ts.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { ToldCache } from '../../test/cluster-objects.ts';
import { reasonIs } from '../../test/reason-is.ts';
import { newSlot, newVolume } from '../../test/volume-records-contract.ts';
import { DriverError } from '../errors.ts';
import { silentLogger } from '../observe/logger.ts';
import type { ApiObject } from './api-object.ts';
import type { FamfsVolume } from './famfs-volume.ts';
import type { ApiResource } from './resources.ts';
import { volumeFinalizer } from './volume-object.ts';
import { KubernetesVolumeRecords } from './volume-records.ts';

/** An API server that keeps FamfsVolumes; `show` lets the watch catch up. */
class LateServer {
  readonly cache = new ToldCache<FamfsVolume>();
  readonly requests: string[] = [];
  readonly #objects = new Map<string, FamfsVolume>();
  #version = 0;

  readonly client = {
    get: async <T extends ApiObject>(_: ApiResource, name: string): Promise<T | undefined> => {
      this.requests.push(`get ${name}`);
      return this.#objects.get(name) as T | undefined;
    },
    create: async <T extends ApiObject>(_: ApiResource, object: T): Promise<T> => {
      this.requests.push('create');
      if (this.#objects.has(object.metadata.name)) throw lost();
      return this.#keep({ ...object, metadata: { ...object.metadata, uid: `u${this.#version}` } });
    },
    update: async <T extends ApiObject>(_: ApiResource, object: T): Promise<T> => {
      this.requests.push('update');
      const known = this.#known(object.metadata);
      return this.#keep({ ...object, ...(known.status === undefined ? {} : { status: known.status }) });
    },
    updateStatus: async <T extends ApiObject>(_: ApiResource, object: T): Promise<T> => {
      this.requests.push('updateStatus');
      const { status } = object as ApiObject as FamfsVolume;
      return this.#keep({ ...this.#known(object.metadata), status } as ApiObject as T);
    },
    remove: async (_: ApiResource, name: string, of: { uid?: string; resourceVersion?: string } = {}) => {
      this.requests.push('remove');
      this.#known({ name, ...of });
      this.#objects.delete(name);
    },
  };

  show(): void {
    for (const { metadata } of this.cache.list())
      if (!this.#objects.has(metadata.name)) this.cache.drop(metadata.name);
    for (const object of this.#objects.values()) this.cache.put(object);
  }

  object(name: string): FamfsVolume | undefined {
    return this.#objects.get(name);
  }

  #keep<T extends ApiObject>(object: T): T {
    this.#version += 1;
    const kept = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    this.#objects.set(kept.metadata.name, kept as ApiObject as FamfsVolume);
    return kept;
  }

  #known({ name, resourceVersion }: { name: string; resourceVersion?: string }): FamfsVolume {
    const known = this.#objects.get(name);
    if (known === undefined || known.metadata.resourceVersion !== resourceVersion) throw lost();
    return known;
  }
}

function lost(): DriverError {
  return new DriverError('record-conflict', 'somebody was quicker');
}

let server: LateServer;
let records: KubernetesVolumeRecords;
beforeEach(() => {
  server = new LateServer();
  records = open();
});

function open(cache = server.cache): KubernetesVolumeRecords {
  return new KubernetesVolumeRecords({ client: server.client, cache, log: silentLogger });
}

describe('while the watch shows nothing', () => {
  test('a process reads what it wrote, at no further cost', async () => {
    const made = await records.create(newVolume('one'));
    assert.deepEqual(await records.get('one'), made);
    const begun = await records.update({ ...made, status: { ...made.status, phase: 'Creating' } });
    assert.deepEqual(await records.list(), [begun]);
    const left = await records.createSlot(newSlot());
    assert.deepEqual(await records.slots(), [left]);
    await records.remove(begun);
    assert.equal(await records.get('one'), undefined);
    assert.deepEqual(await records.list(), []);
    const again = await records.create(newVolume('one'));
    assert.deepEqual(await records.get('one'), again);
    const asked = server.requests.filter((request) => request.startsWith('get'));
    assert.deepEqual(asked, []);
  });

  test('what is shown of the past is not believed', async () => {
    const made = await records.create(newVolume('one'));
    server.show();
    const begun = await records.update({ ...made, status: { ...made.status, phase: 'Creating' } });
    assert.deepEqual(await records.get('one'), begun);
    await records.remove(begun);
    assert.equal(await records.get('one'), undefined, 'the watch still has it');
    const again = await records.create(newVolume('one'));
    assert.deepEqual(await records.list(), [again]);
    server.show();
    assert.deepEqual(await records.list(), [again]);
  });

  test('whoever loses to another process sees what that one wrote', async () => {
    const other = open(new ToldCache());
    const theirs = await other.create(newVolume('one'));
    assert.equal(await records.get('one'), undefined);
    await assert.rejects(records.create(newVolume('one')), reasonIs('record-conflict'));
    assert.deepEqual(await records.get('one'), theirs);
    const changed = await other.update({ ...theirs, deleting: true });
    await assert.rejects(records.update({ ...theirs, deleting: true }), reasonIs('record-conflict'));
    assert.deepEqual(await records.list(), [changed]);
    await other.remove(changed);
    await assert.rejects(records.remove(changed), reasonIs('record-conflict'));
    assert.equal(await records.get('one'), undefined);
  });
});

test('the record of a volume cannot be deleted by a person, that of a slot can', async () => {
  const volume = await records.create(newVolume('one'));
  const slot = await records.createSlot(newSlot({ slot: volume.spec.slot }));
  assert.deepEqual(server.object('one')?.metadata.finalizers, [volumeFinalizer]);
  assert.equal(server.object(`slot-${slot.slot}`)?.metadata.finalizers, undefined);
  assert.equal(server.object(`slot-${slot.slot}`)?.spec.poolName, 'models', 'as the volume that left it');
});

test('one side of a record is one request, and nothing is none', async () => {
  let record = await records.create(newVolume('one'));
  server.requests.length = 0;
  record = await records.update(record);
  record = await records.update({ ...record, deleting: true });
  await records.update({ ...record, status: { ...record.status, phase: 'Creating' } });
  assert.deepEqual(server.requests, ['update', 'updateStatus']);
});

test('a slot that its node has changed before the answer to its making has come is made all the same', async () => {
  const { create } = server.client;
  server.client.create = async (resource, object) => {
    const made = await create(resource, object);
    server.cache.put({
      ...(made as ApiObject as FamfsVolume),
      metadata: { ...made.metadata, resourceVersion: '1000' },
      status: { phase: 'Reusable' },
    });
    return made;
  };
  assert.equal((await records.createSlot(newSlot())).phase, 'Scrubbing');
  assert.equal((await records.slots())[0]?.phase, 'Reusable');
});

test('a record that nobody understands hides no other', async () => {
  const made = await records.create(newVolume('one'));
  const damaged = await records.create(newVolume('two'));
  server.show();
  const object = server.object(damaged.name);
  assert.ok(object?.spec.volume);
  const spec = { ...object.spec, volume: { ...object.spec.volume, requiredSize: 'plenty' } };
  const metadata = { ...object.metadata, resourceVersion: '1000' };
  server.cache.put({ ...object, metadata, spec });
  assert.deepEqual(await records.list(), [made]);
});
