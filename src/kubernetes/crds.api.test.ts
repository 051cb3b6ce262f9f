// The CRDs of pools and nodes in a real API server: what each rule refuses and what it lets through; and what a person sees of
// all kinds, with kubectl get and kubectl explain.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { anyCondition, CrdTrial, type Json, newObjectName, routeOf } from '../../test/crd-trial.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { newSlotName } from '../volumes/volume-record.ts';
import { apiVersion } from './api-object.ts';

const root = '/apis/famfs.io/v1alpha1';
const uuid = '0ffe8bb4-b5a5-4f2a-9d0c-8d4ee5a1b2c3';
const otherUuid = '11111111-2222-4333-8444-555555555555';

let trial: CrdTrial;
before(async () => {
  trial = await CrdTrial.start();
});
after(() => trial.stop());

function pool(spec: Json, name = newObjectName()): Json {
  return { apiVersion, kind: 'FamfsPool', metadata: { name }, spec };
}

describe('a FamfsPool', () => {
  test('adopts a file system or makes one, not both and not neither', async () => {
    const format = { nodeName: 'node-a', device: 'dax0.0', logSize: '8Mi' };
    await trial.accepted(pool({ fileSystemUUID: uuid }));
    await trial.accepted(pool({ format }));
    const words = 'give exactly one of fileSystemUUID (adopt a file system) and format (make one)';
    await trial.refused(pool({}), words);
    await trial.refused(pool({ fileSystemUUID: uuid, format }), words);
  });

  test('forbids writes and keeps deleted volumes unless it says otherwise', async () => {
    const { spec } = await trial.create(pool({ fileSystemUUID: uuid }));
    assert.deepEqual(spec, { fileSystemUUID: uuid, writes: 'Forbidden', deletedVolumes: 'Keep' });
    await trial.accepted(pool({ fileSystemUUID: uuid, writes: 'AllowedUnsafe', deletedVolumes: 'Reuse' }));
    await trial.refused(
      pool({ fileSystemUUID: uuid, writes: 'Always' }),
      'spec.writes: Unsupported value: "Always"',
    );
    await trial.refused(
      pool({ fileSystemUUID: uuid, deletedVolumes: 'Drop' }),
      'spec.deletedVolumes: Unsupported',
    );
  });

  test('never becomes another file system', async () => {
    const words = 'a pool cannot become another file system; declare another FamfsPool';
    const adopted = pool({ fileSystemUUID: uuid });
    await trial.create(adopted);
    await trial.changed(adopted, { spec: { writes: 'Allowed' } });
    await trial.unchangeable(adopted, { spec: { fileSystemUUID: otherUuid } }, words);
    const format = { nodeName: 'node-a', device: 'dax0.0' };
    await trial.unchangeable(adopted, { spec: { fileSystemUUID: null, format } }, words);

    const formatted = pool({ format });
    await trial.create(formatted);
    const once = 'a pool is formatted once, as it was asked for first; declare another FamfsPool';
    await trial.unchangeable(formatted, { spec: { format: { device: 'dax0.1' } } }, once);
    await trial.unchangeable(formatted, { spec: { format: { logSize: '16Mi' } } }, once);
    await trial.unchangeable(formatted, { spec: { format: null, fileSystemUUID: uuid } }, once);
  });

  test('has a status that never forgets its UUID, and changes it by a reset alone', async () => {
    const words =
      'a pool becomes another file system only by a reset, and when all nodes have let go of the former one';
    const formatted = pool({ format: { nodeName: 'node-a', device: 'dax0.0' } });
    await trial.create(formatted);
    const change = (status: Json): Promise<void> => trial.changed(formatted, { status }, '/status');
    const refuse = (status: Json | null, why: string): Promise<void> =>
      trial.unchangeable(formatted, { status }, why, '/status');
    await change({ master: 'node-a' });
    await change({ fileSystemUUID: uuid });
    await change({ conditions: [anyCondition] });
    await refuse({ fileSystemUUID: otherUuid }, words);
    await refuse({ fileSystemUUID: null }, words);
    await refuse(null, words);

    const reset = { fileSystemUUID: uuid, attempt: 'one', since: '2026-11-22T12:00:00.123Z' };
    const early = 'nothing is formatted before the nodes were asked to let go, in this attempt';
    await refuse({ reset: { ...reset, phase: 'Formatting' } }, early);
    await refuse(
      { reset: { ...reset, phase: 'Releasing', fileSystemUUID: otherUuid } },
      'a reset is of the file system that the pool is',
    );
    await change({ reset: { ...reset, phase: 'Refused' } });
    await refuse({ reset: { phase: 'Formatting' } }, early);
    await change({ reset: { phase: 'Releasing' } });
    await refuse({ fileSystemUUID: otherUuid, reset: null }, words);
    await refuse({ reset: { phase: 'Formatting', attempt: 'two' } }, early);
    await change({ reset: { phase: 'Formatting' } });
    await refuse({ fileSystemUUID: otherUuid, reset: { fileSystemUUID: otherUuid } }, words);
    await refuse({ fileSystemUUID: null, reset: null }, words);
    await change({ fileSystemUUID: otherUuid, reset: null });
    await refuse({ fileSystemUUID: uuid }, words);

    const adopted = pool({ fileSystemUUID: uuid });
    await trial.create(adopted);
    const named = 'the pool is the file system that spec.fileSystemUUID names';
    await trial.unchangeable(adopted, { status: { fileSystemUUID: otherUuid } }, named, '/status');
    await trial.changed(adopted, { status: { fileSystemUUID: uuid } }, '/status');
    await trial.unchangeable(
      adopted,
      { status: { reset: { ...reset, phase: 'Releasing' } } },
      'only a pool that was formatted for its FamfsPool is reset',
      '/status',
    );
    const problem = { reason: 'config-invalid', message: 'It was adopted.' };
    await trial.changed(adopted, { status: { reset: { ...reset, phase: 'Refused', problem } } }, '/status');
  });

  test('is refused with values that cannot be', async () => {
    const words = 'a log has a size such as 8Mi, above nothing and below 1Ti';
    const formatOf = (changes: Json): Json =>
      pool({ format: { nodeName: 'node-a', device: 'dax0.0', ...changes } });
    for (const logSize of ['0', '1Ti', '9999999999999999999Ei'])
      await trial.refused(formatOf({ logSize }), words);
    for (const logSize of ['1.5Mi', '-1', '8M'])
      await trial.refused(formatOf({ logSize }), 'spec.format.logSize');
    for (const device of ['/dev/dax0.0', 'dax0', 'sda', '--force'])
      await trial.refused(formatOf({ device }), 'spec.format.device');
    for (const nodeName of ['', 'Node_A', '../a'])
      await trial.refused(formatOf({ nodeName }), 'spec.format.nodeName');
    for (const fileSystemUUID of [uuid.toUpperCase(), 'models', `${uuid}0`])
      await trial.refused(pool({ fileSystemUUID }), 'spec.fileSystemUUID');
  });
});

describe('a FamfsNode', () => {
  const status = {
    ...{ systemUUID: otherUuid, driverVersion: '0.1.0', kernelRelease: '6.18.0', mode: 'fuse' },
    ...{ launcher: 'systemd', famfsLocation: 'host', allowWrites: 'safe', allowFormat: 'once' },
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
        ...{
          logEntriesReplayed: 3,
          simulated: true,
          writers: 'safe',
          held: false,
          binds: 1,
          boundPaths: ['v/a'],
        },
      },
    ],
    publishedVolumeIDs: [`${uuid}.abcdefghijklmnop`],
    formats: [],
    reportedAt: '2026-11-22T12:00:00.123Z',
    conditions: [anyCondition],
  };

  test('has a status and no spec', async () => {
    const node = {
      apiVersion,
      kind: 'FamfsNode',
      metadata: { name: newObjectName() },
      spec: { writes: 'Allowed' },
    };
    const strict = await trial.server.request(
      'POST',
      `${root}/famfsnodes?fieldValidation=Strict&dryRun=All`,
      node,
    );
    assert.equal(strict.status, 400);
    assert.match(strict.body.message, /unknown field "spec"/);
    const body = await trial.create(node);
    assert.equal(body.spec, undefined);
    await trial.changed(node, { status }, '/status');
    const { body: now } = await trial.server.request('GET', routeOf(node));
    assert.deepEqual(now.status, status);
  });

  test('reports no device, pool or condition twice, and leaves nothing out', async () => {
    const node = { apiVersion, kind: 'FamfsNode', metadata: { name: newObjectName() } };
    await trial.create(node);
    const twice = (list: readonly unknown[]): readonly unknown[] => [...list, ...list];
    for (const [field, list] of [
      ['devices', status.devices],
      ['pools', status.pools],
      ['conditions', status.conditions],
    ] as const)
      await trial.unchangeable(
        node,
        { status: { ...status, [field]: twice(list) } },
        `status.${field}[1]: Duplicate`,
        '/status',
      );
    for (const field of Object.keys(status))
      await trial.unchangeable(
        node,
        { status: { ...status, [field]: undefined } },
        `status.${field}: Required`,
        '/status',
      );
  });
});

describe('a person', () => {
  test('reads what matters in a table', async () => {
    const object = pool({ fileSystemUUID: uuid, writes: 'Allowed' });
    await trial.create(object);
    const size = {
      size: '1Gi',
      allocated: '512Mi',
      free: '512Mi',
      longestFreeRun: '256Mi',
      allocationUnit: '2Mi',
    };
    const volumes = { count: 3, live: '512Mi', kept: '0', reusable: '0' };
    await trial.changed(
      object,
      { status: { master: 'node-a', capacity: size, volumes, conditions: [anyCondition] } },
      '/status',
    );
    const name = newObjectName();
    const layout = { kind: 'file', fileCount: 1, fileSize: '64Mi', fileMode: '0644' };
    const spec = { poolName: 'models', poolUUID: uuid, nodeName: 'node-a', slot: newSlotName(), layout };
    const asked = { name, id: `${uuid}.${newSlotName()}`, requiredSize: '64Mi', access: 'rw' };
    const claim = { namespace: 'team-a', name: 'weights' };
    const made = {
      ...{ apiVersion, kind: 'FamfsVolume', metadata: { name } },
      spec: { ...spec, claim, volume: asked },
    };
    await trial.create(made);
    await trial.changed(made, { status: { phase: 'Ready', conditions: [anyCondition] } }, '/status');
    const shown = async (each: Json): Promise<Record<string, unknown>> => {
      const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
      const { body } = await trial.server.request('GET', routeOf(each), undefined, { headers });
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
        Claim: 'weights',
        Pool: 'models',
        Files: 1,
        'File-Size': '64Mi',
        Node: 'node-a',
      },
    });
    for (const age of [poolAge, volumeAge]) assert.match(String(age), /^\d+s$/);
  });

  test('types short names, and gets all kinds by one', async () => {
    const { body } = await trial.server.request('GET', root);
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

  test('learns from kubectl explain what each kind is, and that used memory stays used', async () => {
    const schemas = async (): Promise<Record<string, { description?: string }>> =>
      (await trial.server.request('GET', '/openapi/v3/apis/famfs.io/v1alpha1')).body.components?.schemas ??
      {};
    await waitUntil(
      'the schemas are published',
      async () => (await schemas())['io.famfs.v1alpha1.FamfsPool'] !== undefined,
    );
    const published = await schemas();
    for (const kind of ['FamfsPool', 'FamfsNode', 'FamfsVolume'])
      assert.ok((published[`io.famfs.v1alpha1.${kind}`]?.description ?? '').length > 100, kind);
    assert.match(
      published['io.famfs.v1alpha1.FamfsPool']?.description ?? '',
      /memory and log entries, once used, stay used/,
    );
  });
});

test('every rule about pools has refused something', () => {
  assert.deepEqual(trial.untried('FamfsPool'), []);
});
