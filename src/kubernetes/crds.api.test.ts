// The CRDs in a real API server: what each rule refuses and what it lets through, what a person sees of the objects, and what
// `kubectl explain` has to say.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { ApiServer } from '../../test/api-server.ts';
import { chartObjects } from '../../test/driver-objects.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { newSlotName } from '../volumes/volume-record.ts';
import { apiVersion } from './api-object.ts';

type Json = Record<string, unknown>;

const root = '/apis/famfs.io/v1alpha1';
const uuid = '0ffe8bb4-b5a5-4f2a-9d0c-8d4ee5a1b2c3';
const otherUuid = '11111111-2222-4333-8444-555555555555';
const condition = {
  type: 'Ready',
  status: 'True',
  reason: 'PoolServes',
  message: 'All is well.',
  lastTransitionTime: '2026-11-22T12:00:00Z',
};

let server: ApiServer;
const refusals = new Set<string>();
const made: string[] = [];

before(async () => {
  server = await ApiServer.start();
  await server.installCrds();
});
after(async () => {
  for (const route of made) await server.request('DELETE', route);
  await server.stop();
});

function newName(): string {
  return `crds-${randomBytes(6).toString('hex')}`;
}

function pool(spec: Json, name = newName()): Json {
  return { apiVersion, kind: 'FamfsPool', metadata: { name }, spec };
}

const layout = { kind: 'file', fileCount: 1, fileSize: '64Mi', fileMode: '0644' };

function volume(changes: Json = {}, ofVolume: Json = {}): Json {
  const name = newName();
  const spec = {
    ...{ poolName: 'models', poolUUID: uuid, nodeName: 'node-a', slot: newSlotName(), layout },
    volume: { name, id: `${uuid}.${newSlotName()}`, requiredSize: '60Mi', limitSize: '70Mi', ...ofVolume },
    ...changes,
  };
  return { apiVersion, kind: 'FamfsVolume', metadata: { name }, spec };
}

function slot(changes: Json = {}, name?: string): Json {
  const slotName = newSlotName();
  const leftover = { formerVolumeID: `${uuid}.${newSlotName()}`, deletedVolumes: 'Keep' };
  const object = volume({ slot: slotName, volume: undefined, leftover, ...changes });
  return { ...object, metadata: { name: name ?? `slot-${slotName}` } };
}

function folderOf(object: Json): string {
  return `${root}/${String(object.kind).toLowerCase()}s`;
}

function routeOf(object: Json): string {
  return `${folderOf(object)}/${(object.metadata as { name: string }).name}`;
}

/** Makes an object that is taken back at the end; what the server has of it. */
async function create(object: Json): Promise<Json> {
  const { status, body } = await server.request('POST', folderOf(object), object);
  assert.equal(status, 201, JSON.stringify(body));
  made.push(routeOf(object));
  return body;
}

async function accepted(object: Json): Promise<void> {
  const { status, body } = await server.request('POST', `${folderOf(object)}?dryRun=All`, object);
  assert.equal(status, 201, JSON.stringify(body));
}

/** The server refuses it with these words; those of a rule count for the last test of this file. */
async function refused(object: Json, words: string): Promise<void> {
  refusedWith(await server.request('POST', `${folderOf(object)}?dryRun=All`, object), words);
}

async function changed(object: Json, patch: Json, part = ''): Promise<void> {
  const { status, body } = await server.request('PATCH', `${routeOf(object)}${part}`, patch);
  assert.equal(status, 200, JSON.stringify(body));
}

async function unchangeable(object: Json, patch: Json, words: string, part = ''): Promise<void> {
  refusedWith(await server.request('PATCH', `${routeOf(object)}${part}`, patch), words);
}

function refusedWith({ status, body }: { status: number; body: { message?: string } }, words: string): void {
  assert.equal(status, 422, `${JSON.stringify(body)} instead of: ${words}`);
  assert.ok(body.message?.includes(words), `${body.message} instead of: ${words}`);
  refusals.add(words);
}

describe('a FamfsPool', () => {
  test('adopts a file system or makes one, not both and not neither', async () => {
    const format = { nodeName: 'node-a', device: 'dax0.0', logSize: '8Mi' };
    await accepted(pool({ fileSystemUUID: uuid }));
    await accepted(pool({ format }));
    const words = 'give exactly one of fileSystemUUID (adopt a file system) and format (make one)';
    await refused(pool({}), words);
    await refused(pool({ fileSystemUUID: uuid, format }), words);
  });

  test('forbids writes and keeps deleted volumes unless it says otherwise', async () => {
    const { spec } = await create(pool({ fileSystemUUID: uuid }));
    assert.deepEqual(spec, { fileSystemUUID: uuid, writes: 'Forbidden', deletedVolumes: 'Keep' });
    await accepted(pool({ fileSystemUUID: uuid, writes: 'AllowedUnsafe', deletedVolumes: 'Reuse' }));
    await refused(
      pool({ fileSystemUUID: uuid, writes: 'Always' }),
      'spec.writes: Unsupported value: "Always"',
    );
    await refused(pool({ fileSystemUUID: uuid, deletedVolumes: 'Drop' }), 'spec.deletedVolumes: Unsupported');
  });

  test('never becomes another file system', async () => {
    const words = 'a pool cannot become another file system; declare another FamfsPool';
    const adopted = pool({ fileSystemUUID: uuid });
    await create(adopted);
    await changed(adopted, { spec: { writes: 'Allowed' } });
    await unchangeable(adopted, { spec: { fileSystemUUID: otherUuid } }, words);
    const format = { nodeName: 'node-a', device: 'dax0.0' };
    await unchangeable(adopted, { spec: { fileSystemUUID: null, format } }, words);

    const formatted = pool({ format });
    await create(formatted);
    const once = 'a pool is formatted once, as it was asked for first; declare another FamfsPool';
    await unchangeable(formatted, { spec: { format: { device: 'dax0.1' } } }, once);
    await unchangeable(formatted, { spec: { format: { logSize: '16Mi' } } }, once);
    await unchangeable(formatted, { spec: { format: null, fileSystemUUID: uuid } }, once);
  });

  test('has a status that never forgets nor changes its UUID', async () => {
    const words = 'a pool never becomes another file system';
    const formatted = pool({ format: { nodeName: 'node-a', device: 'dax0.0' } });
    await create(formatted);
    await changed(formatted, { status: { master: 'node-a' } }, '/status');
    await changed(formatted, { status: { fileSystemUUID: uuid } }, '/status');
    await changed(formatted, { status: { conditions: [condition] } }, '/status');
    await unchangeable(formatted, { status: { fileSystemUUID: otherUuid } }, words, '/status');
    await unchangeable(formatted, { status: { fileSystemUUID: null } }, words, '/status');
    await unchangeable(formatted, { status: null }, words, '/status');

    const adopted = pool({ fileSystemUUID: uuid });
    await create(adopted);
    const named = 'the pool is the file system that spec.fileSystemUUID names';
    await unchangeable(adopted, { status: { fileSystemUUID: otherUuid } }, named, '/status');
    await changed(adopted, { status: { fileSystemUUID: uuid } }, '/status');
  });

  test('is refused with values that cannot be', async () => {
    const words = 'a log has a size such as 8Mi, above nothing and below 1Ti';
    const formatOf = (changes: Json): Json =>
      pool({ format: { nodeName: 'node-a', device: 'dax0.0', ...changes } });
    for (const logSize of ['0', '1Ti', '9999999999999999999Ei']) await refused(formatOf({ logSize }), words);
    for (const logSize of ['1.5Mi', '-1', '8M']) await refused(formatOf({ logSize }), 'spec.format.logSize');
    for (const device of ['/dev/dax0.0', 'dax0', 'sda', '--force'])
      await refused(formatOf({ device }), 'spec.format.device');
    for (const nodeName of ['', 'Node_A', '../a'])
      await refused(formatOf({ nodeName }), 'spec.format.nodeName');
    for (const fileSystemUUID of [uuid.toUpperCase(), 'models', `${uuid}0`])
      await refused(pool({ fileSystemUUID }), 'spec.fileSystemUUID');
  });
});

describe('a FamfsNode', () => {
  const status = {
    ...{ systemUUID: otherUuid, driverVersion: '0.1.0', kernelRelease: '6.18.0', mode: 'fuse' },
    ...{ launcher: 'systemd', famfsLocation: 'host', allowWrites: 'safe' },
    devices: [{ name: 'dax0.0', path: '/dev/dax0.0', size: '1Gi', fileSystemUUID: uuid }],
    pools: [
      {
        ...{
          uuid,
          device: 'dax0.0',
          phase: 'Ready',
          role: 'Master',
          mode: 'fuse',
          size: '1Gi',
          free: '512Mi',
        },
        ...{ longestFreeRun: '512Mi', allocationUnit: '2Mi', logEntriesUsed: 3, logEntriesTotal: 25575 },
        ...{ logEntriesReplayed: 3, simulated: true },
      },
    ],
    publishedVolumeIDs: [`${uuid}.abcdefghijklmnop`],
    formats: [],
    reportedAt: '2026-11-22T12:00:00.123Z',
    conditions: [condition],
  };

  test('has a status and no spec', async () => {
    const node = {
      apiVersion,
      kind: 'FamfsNode',
      metadata: { name: newName() },
      spec: { writes: 'Allowed' },
    };
    const strict = await server.request('POST', `${root}/famfsnodes?fieldValidation=Strict&dryRun=All`, node);
    assert.equal(strict.status, 400);
    assert.match(strict.body.message, /unknown field "spec"/);
    const body = await create(node);
    assert.equal(body.spec, undefined);
    await changed(node, { status }, '/status');
    const { body: now } = await server.request('GET', routeOf(node));
    assert.deepEqual(now.status, status);
  });

  test('reports no device, pool or condition twice, and leaves nothing out', async () => {
    const node = { apiVersion, kind: 'FamfsNode', metadata: { name: newName() } };
    await create(node);
    const twice = (list: readonly unknown[]): readonly unknown[] => [...list, ...list];
    for (const [field, list] of [
      ['devices', status.devices],
      ['pools', status.pools],
      ['conditions', status.conditions],
    ] as const)
      await unchangeable(
        node,
        { status: { ...status, [field]: twice(list) } },
        `status.${field}[1]: Duplicate`,
        '/status',
      );
    for (const field of Object.keys(status))
      await unchangeable(
        node,
        { status: { ...status, [field]: undefined } },
        `status.${field}: Required`,
        '/status',
      );
  });
});

describe('a FamfsVolume', () => {
  test('is the record either of a volume or of a slot, and stays that', async () => {
    const words = 'it is the record either of a volume or of the slot that one left';
    await accepted(volume());
    await accepted(slot());
    await refused(volume({ volume: undefined }), words);
    await refused(volume({ leftover: { formerVolumeID: 'x', deletedVolumes: 'Keep' } }), words);
    const object = volume();
    await create(object);
    const leftover = { formerVolumeID: 'x', deletedVolumes: 'Keep' };
    const stays = 'the record of a volume never becomes that of a slot, nor the other way round';
    await unchangeable(object, { spec: { volume: null, leftover } }, stays);
  });

  test('never changes what it is', async () => {
    const object = volume();
    await create(object);
    for (const [patch, words] of [
      [{ poolName: 'others' }, 'a volume stays in its pool'],
      [{ poolUUID: otherUuid }, 'a volume stays in its pool'],
      [{ slot: newSlotName() }, 'a volume stays where it is'],
      [{ layout: { fileSize: '66Mi' } }, 'famfs cannot change the files of a volume'],
      [{ layout: { uid: 1, gid: 1 } }, 'famfs cannot change the files of a volume'],
      [{ volume: { name: 'another' } }, 'a volume keeps its name'],
      [{ volume: { id: 'another' } }, 'a volume keeps its id'],
      [{ volume: { requiredSize: '61Mi' } }, 'what was asked for does not change'],
      [{ volume: { limitSize: '71Mi' } }, 'what was asked for does not change'],
      [{ volume: { limitSize: null } }, 'what was asked for does not change'],
    ] as const)
      await unchangeable(object, { spec: patch }, words);
    await changed(object, { spec: { nodeName: 'node-b' } });

    const left = slot();
    await create(left);
    const words = 'a slot was left by one volume';
    await unchangeable(left, { spec: { leftover: { formerVolumeID: 'another' } } }, words);
    await changed(left, { spec: { leftover: { promisedTo: 'pvc-1' } } });
    await changed(left, { spec: { leftover: { promisedTo: null } } });
  });

  test('is deleted for good', async () => {
    const object = volume();
    await create(object);
    await changed(object, { spec: { volume: { deleting: false } } });
    await changed(object, { spec: { volume: { deleting: true } } });
    for (const deleting of [false, null])
      await unchangeable(object, { spec: { volume: { deleting } } }, 'a deletion is never taken back');
  });

  test('has files of a size that can be, and that was asked for', async () => {
    const sized = (fileSize: string, ofVolume: Json = {}, ofLayout: Json = {}): Json =>
      volume({ layout: { ...layout, fileSize, ...ofLayout } }, ofVolume);
    const size = 'a file has at least one byte and at most 8Ei - 1';
    await refused(sized('0'), size);
    await refused(sized('8Ei'), size);
    await refused(sized('64M'), 'spec.layout.fileSize');
    await refused(volume({}, { requiredSize: '8Ei' }), 'a size is at most 8Ei - 1');
    await refused(volume({}, { limitSize: '8Ei' }), 'a size is at most 8Ei - 1');
    await refused(sized('64Mi', { limitSize: '59Mi' }), 'the limit is not below what is required');
    await refused(sized('58Mi'), 'its files are smaller than what was asked for');
    await refused(sized('72Mi'), 'its files are larger than the limit');
    await accepted(sized('60Mi'));
    await accepted(sized('70Mi'));
    // The most that CSI can count.
    await accepted(sized('9223372036854775807', { limitSize: '9223372036854775807' }));
    await accepted(sized('64Mi', { limitSize: '9223372036854775807' }));
    await accepted(sized('1', { requiredSize: '0', limitSize: undefined }));

    const several = { kind: 'files', fileCount: 7 };
    await accepted(sized('10Mi', { requiredSize: '70Mi' }, several));
    await refused(
      sized('10Mi', { requiredSize: '73400321', limitSize: '80Mi' }, several),
      'its files are smaller than what was asked for',
    );
    await refused(
      sized('10Mi', { requiredSize: '1Mi', limitSize: '73400319' }, several),
      'its files are larger than the limit',
    );
  });

  test('has files that famfs can make', async () => {
    const laidOut = (changes: Json): Json =>
      volume({ layout: { ...layout, ...changes } }, { requiredSize: '0', limitSize: undefined });
    const together = 'famfs sets owner and group only together; give both uid and gid or neither';
    await accepted(laidOut({ uid: 1000, gid: 1000 }));
    await accepted(laidOut({ uid: 0, gid: 0 }));
    await refused(laidOut({ uid: 1000 }), together);
    await refused(laidOut({ gid: 1000 }), together);
    await refused(laidOut({ uid: 2 ** 31, gid: 0 }), 'spec.layout.uid');
    await accepted(laidOut({ kind: 'files', fileCount: 1000 }));
    await refused(laidOut({ fileCount: 2 }), 'the layout "file" is one file');
    await refused(laidOut({ kind: 'files', fileCount: 0 }), 'spec.layout.fileCount');
    await refused(laidOut({ kind: 'files', fileCount: 1001 }), 'spec.layout.fileCount');
    for (const fileMode of ['644', '4755', '0888', 'rw'])
      await refused(laidOut({ fileMode }), 'spec.layout.fileMode');
    for (const odd of ['../../etc', 'ABCDEFGHIJKLMNOP', 'short'])
      await refused(volume({ slot: odd }), 'spec.slot');
  });

  test('is named so that there is one of each', async () => {
    const words = 'the record of a slot is named slot-SLOT, so that there is one at most';
    await refused(slot({}, `slot-${newSlotName()}`), words);
    await refused(slot({}, newName()), words);
    const named = (metadataName: string, name: string): Json => ({
      ...volume({}, { name }),
      metadata: { name: metadataName },
    });
    const like =
      'the record of a volume is named like the volume, or name-HASH of a name that an object cannot have';
    await accepted(named(`name-${'0123456789abcdef'.repeat(2)}`, 'A Name That No Object Can Have'));
    await refused(named('pvc-1', 'pvc-2'), like);
    await refused(named('slot-abcdefghijklmnop', 'slot-abcdefghijklmnop'), like);
    await refused(named('name-1', 'name-1'), like);
  });

  test('has a status that fits what it is', async () => {
    const object = volume();
    await create(object);
    const slotName = (object.spec as { slot: string }).slot;
    const status = { phase: 'Creating', filesMade: 1, zeroed: '0', logEntries: 3, path: `v/${slotName}` };
    await changed(object, { status: { ...status, conditions: [condition] } }, '/status');
    const phases =
      'the phases of a volume are Pending, Creating, Zeroing, Ready, those of a slot Kept, Scrubbing, Reusable';
    await unchangeable(object, { status: { phase: 'Kept' } }, phases, '/status');
    await unchangeable(
      object,
      { status: { path: 'v/abcdefghijklmnop' } },
      'the directory of a volume is v/SLOT',
      '/status',
    );
    await unchangeable(object, { status: { filesMade: 2 } }, 'more files than the volume has', '/status');
    await unchangeable(object, { status: { path: '../x' } }, 'status.path', '/status');
    const left = slot();
    await create(left);
    await changed(left, { status: { phase: 'Scrubbing' } }, '/status');
    await unchangeable(left, { status: { phase: 'Ready' } }, phases, '/status');
    // What a node writes into the status changes nothing else.
    await changed(object, { spec: { nodeName: 'node-c' }, metadata: { finalizers: ['x.io/y'] } }, '/status');
    const { body } = await server.request('GET', routeOf(object));
    assert.equal(body.spec.nodeName, 'node-a');
    assert.equal(body.metadata.finalizers, undefined);
  });

  test('is found by its node', async () => {
    const nodeName = newName();
    const object = volume({ nodeName });
    await create(object);
    await create(volume());
    const { status, body } = await server.request(
      'GET',
      `${root}/famfsvolumes?fieldSelector=spec.nodeName%3D${nodeName}`,
    );
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(
      body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name),
      [(object.metadata as { name: string }).name],
    );
  });
});

describe('a person', () => {
  test('reads what matters in a table', async () => {
    const object = pool({ fileSystemUUID: uuid, writes: 'Allowed' });
    await create(object);
    const size = {
      size: '1Gi',
      allocated: '512Mi',
      free: '512Mi',
      longestFreeRun: '256Mi',
      allocationUnit: '2Mi',
    };
    const volumes = { count: 3, live: '512Mi', kept: '0', reusable: '0' };
    await changed(
      object,
      { status: { master: 'node-a', capacity: size, volumes, conditions: [condition] } },
      '/status',
    );
    const made = volume();
    await create(made);
    await changed(made, { status: { phase: 'Ready', conditions: [condition] } }, '/status');
    const shown = async (each: Json): Promise<Record<string, unknown>> => {
      const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
      const { body } = await server.request('GET', routeOf(each), undefined, { headers });
      const columns = body.columnDefinitions.filter(({ priority }: { priority: number }) => priority === 0);
      return Object.fromEntries(
        columns.map(({ name }: { name: string }, index: number) => [name, body.rows[0].cells[index]]),
      );
    };
    const { Name: _pool, Age: poolAge, ...ofPool } = await shown(object);
    assert.deepEqual(ofPool, {
      ...{ Ready: 'True', Master: 'node-a', Size: '1Gi', Free: '512Mi', Volumes: 3, Writes: 'Allowed' },
    });
    const { Name: _volume, Age: volumeAge, ...ofVolume } = await shown(made);
    assert.deepEqual(ofVolume, {
      ...{
        Phase: 'Ready',
        Reason: 'PoolServes',
        Pool: 'models',
        Files: 1,
        'File-Size': '64Mi',
        Node: 'node-a',
      },
    });
    for (const age of [poolAge, volumeAge]) assert.match(String(age), /^\d+s$/);
  });

  test('types short names, and gets all kinds by one', async () => {
    const { body } = await server.request('GET', root);
    const kinds = body.resources.filter(({ name }: { name: string }) => !name.includes('/'));
    const names = kinds.map(({ kind, shortNames, categories }: Record<string, unknown>) => [
      ...[kind, shortNames, categories],
    ]);
    assert.deepEqual(names.sort(), [
      ['FamfsNode', ['fnode'], ['famfs']],
      ['FamfsPool', ['fpool'], ['famfs']],
      ['FamfsVolume', ['fvol'], ['famfs']],
    ]);
  });

  test('learns from kubectl explain how to ask for a reset', async () => {
    const schemas = async (): Promise<Record<string, { description?: string }>> =>
      (await server.request('GET', '/openapi/v3/apis/famfs.io/v1alpha1')).body.components?.schemas ?? {};
    await waitUntil(
      'the schemas are published',
      async () => (await schemas())['io.famfs.v1alpha1.FamfsPool'] !== undefined,
    );
    const published = await schemas();
    for (const kind of ['FamfsPool', 'FamfsNode', 'FamfsVolume'])
      assert.ok((published[`io.famfs.v1alpha1.${kind}`]?.description ?? '').length > 100, kind);
    assert.match(
      published['io.famfs.v1alpha1.FamfsPool']?.description ?? '',
      /kubectl annotate famfspool NAME famfs\.io\/reset=UUID/,
    );
  });
});

test('every rule of the CRDs has refused something', () => {
  const text = JSON.stringify(chartObjects('crds'));
  const rules = [...text.matchAll(/"message":("(?:[^"\\]|\\.)*")/g)].map(([, message = '""']) =>
    JSON.parse(message),
  );
  assert.ok(rules.length > 20);
  assert.deepEqual(
    rules.filter((message) => !refusals.has(message)),
    [],
  );
});
