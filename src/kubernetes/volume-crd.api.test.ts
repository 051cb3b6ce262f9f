// The CRD of volumes in a real API server: what each rule refuses and what it lets through.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { anyCondition, CrdTrial, type Json, newObjectName, routeOf } from '../../test/crd-trial.ts';
import { newSlotName } from '../volumes/volume-record.ts';
import { apiVersion } from './api-object.ts';

const root = '/apis/famfs.io/v1alpha1';
const uuid = '0ffe8bb4-b5a5-4f2a-9d0c-8d4ee5a1b2c3';
const otherUuid = '11111111-2222-4333-8444-555555555555';
const layout = { kind: 'file', fileCount: 1, fileSize: '64Mi', fileMode: '0644' };

function volume(changes: Json = {}, ofVolume: Json = {}): Json {
  const name = newObjectName();
  const spec = {
    ...{ poolName: 'models', poolUUID: uuid, nodeName: 'node-a', slot: newSlotName(), layout },
    volume: {
      ...{ name, id: `${uuid}.${newSlotName()}`, requiredSize: '60Mi', limitSize: '70Mi', access: 'rw-safe' },
      ...ofVolume,
    },
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

let trial: CrdTrial;
before(async () => {
  trial = await CrdTrial.start();
});
after(() => trial.stop());

describe('a FamfsVolume', () => {
  test('is the record either of a volume or of a slot, and stays that', async () => {
    const words = 'it is the record either of a volume or of the slot that one left';
    await trial.accepted(volume());
    await trial.accepted(slot());
    await trial.refused(volume({ volume: undefined }), words);
    await trial.refused(volume({ leftover: { formerVolumeID: 'x', deletedVolumes: 'Keep' } }), words);
    await trial.refused(
      slot({ claim: { namespace: 'team-a', name: 'weights' } }),
      'a slot was made for no claim',
    );
    const object = volume();
    await trial.create(object);
    const leftover = { formerVolumeID: 'x', deletedVolumes: 'Keep' };
    const stays = 'the record of a volume never becomes that of a slot, nor the other way round';
    await trial.unchangeable(object, { spec: { volume: null, leftover } }, stays);
  });

  test('never changes what it is', async () => {
    const object = volume();
    await trial.create(object);
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
      [{ volume: { access: 'rw' } }, 'where a volume may be written does not change'],
      [{ claim: { namespace: 'team-a', name: 'weights' } }, 'a volume is made for one claim'],
    ] as const)
      await trial.unchangeable(object, { spec: patch }, words);
    await trial.changed(object, { spec: { nodeName: 'node-b' } });

    const left = slot();
    await trial.create(left);
    const words = 'a slot was left by one volume';
    await trial.unchangeable(left, { spec: { leftover: { formerVolumeID: 'another' } } }, words);
    await trial.changed(left, { spec: { leftover: { promisedTo: 'pvc-1' } } });
    await trial.changed(left, { spec: { leftover: { promisedTo: null } } });
  });

  test('is made for one claim, when it is known for which', async () => {
    const object = volume({ claim: { namespace: 'team-a', name: 'weights' } });
    await trial.create(object);
    const words = 'a volume is made for one claim';
    await trial.unchangeable(object, { spec: { claim: { name: 'others' } } }, words);
    await trial.unchangeable(object, { spec: { claim: null } }, words);
    await trial.refused(volume({ claim: { name: 'weights' } }), 'spec.claim.namespace');
    await trial.refused(volume({}, { access: 'ro' }), 'spec.volume.access');
  });

  test('is deleted for good', async () => {
    const object = volume();
    await trial.create(object);
    await trial.changed(object, { spec: { volume: { deleting: false } } });
    await trial.changed(object, { spec: { volume: { deleting: true } } });
    for (const deleting of [false, null])
      await trial.unchangeable(object, { spec: { volume: { deleting } } }, 'a deletion is never taken back');
  });

  test('has files of a size that can be, and that was asked for', async () => {
    const sized = (fileSize: string, ofVolume: Json = {}, ofLayout: Json = {}): Json =>
      volume({ layout: { ...layout, fileSize, ...ofLayout } }, ofVolume);
    const size = 'a file has at least one byte and at most 8Ei - 1';
    await trial.refused(sized('0'), size);
    await trial.refused(sized('8Ei'), size);
    await trial.refused(sized('64M'), 'spec.layout.fileSize');
    await trial.refused(volume({}, { requiredSize: '8Ei' }), 'a size is at most 8Ei - 1');
    await trial.refused(volume({}, { limitSize: '8Ei' }), 'a size is at most 8Ei - 1');
    await trial.refused(sized('64Mi', { limitSize: '59Mi' }), 'the limit is not below what is required');
    await trial.refused(sized('58Mi'), 'its files are smaller than what was asked for');
    await trial.refused(sized('72Mi'), 'its files are larger than the limit');
    await trial.accepted(sized('60Mi'));
    await trial.accepted(sized('70Mi'));
    // The most that CSI can count.
    await trial.accepted(sized('9223372036854775807', { limitSize: '9223372036854775807' }));
    await trial.accepted(sized('64Mi', { limitSize: '9223372036854775807' }));
    await trial.accepted(sized('1', { requiredSize: '0', limitSize: undefined }));

    const several = { kind: 'files', fileCount: 7 };
    await trial.accepted(sized('10Mi', { requiredSize: '70Mi' }, several));
    await trial.refused(
      sized('10Mi', { requiredSize: '73400321', limitSize: '80Mi' }, several),
      'its files are smaller than what was asked for',
    );
    await trial.refused(
      sized('10Mi', { requiredSize: '1Mi', limitSize: '73400319' }, several),
      'its files are larger than the limit',
    );
  });

  test('has files that famfs can make', async () => {
    const laidOut = (changes: Json): Json =>
      volume({ layout: { ...layout, ...changes } }, { requiredSize: '0', limitSize: undefined });
    const together = 'famfs sets owner and group only together; give both uid and gid or neither';
    await trial.accepted(laidOut({ uid: 1000, gid: 1000 }));
    await trial.accepted(laidOut({ uid: 0, gid: 0 }));
    await trial.refused(laidOut({ uid: 1000 }), together);
    await trial.refused(laidOut({ gid: 1000 }), together);
    await trial.refused(laidOut({ uid: 2 ** 31, gid: 0 }), 'spec.layout.uid');
    await trial.accepted(laidOut({ kind: 'files', fileCount: 1000 }));
    await trial.refused(laidOut({ fileCount: 2 }), 'the layout "file" is one file');
    await trial.refused(laidOut({ kind: 'files', fileCount: 0 }), 'spec.layout.fileCount');
    await trial.refused(laidOut({ kind: 'files', fileCount: 1001 }), 'spec.layout.fileCount');
    for (const fileMode of ['644', '4755', '0888', 'rw'])
      await trial.refused(laidOut({ fileMode }), 'spec.layout.fileMode');
    for (const odd of ['../../etc', 'ABCDEFGHIJKLMNOP', 'short'])
      await trial.refused(volume({ slot: odd }), 'spec.slot');
  });

  test('is named so that there is one of each', async () => {
    const words = 'the record of a slot is named slot-SLOT, so that there is one at most';
    await trial.refused(slot({}, `slot-${newSlotName()}`), words);
    await trial.refused(slot({}, newObjectName()), words);
    const named = (metadataName: string, name: string): Json => ({
      ...volume({}, { name }),
      metadata: { name: metadataName },
    });
    const like =
      'the record of a volume is named like the volume, or name-HASH of a name that an object cannot have';
    await trial.accepted(named(`name-${'0123456789abcdef'.repeat(2)}`, 'A Name That No Object Can Have'));
    await trial.refused(named('pvc-1', 'pvc-2'), like);
    await trial.refused(named('slot-abcdefghijklmnop', 'slot-abcdefghijklmnop'), like);
    await trial.refused(named('name-1', 'name-1'), like);
  });

  test('has a status that fits what it is', async () => {
    const object = volume();
    await trial.create(object);
    const slotName = (object.spec as { slot: string }).slot;
    const status = { phase: 'Creating', filesMade: 1, zeroed: '0', logEntries: 3, path: `v/${slotName}` };
    await trial.changed(object, { status: { ...status, conditions: [anyCondition] } }, '/status');
    const phases =
      'the phases of a volume are Pending, Creating, Zeroing, Ready, those of a slot Kept, Scrubbing, Reusable';
    await trial.unchangeable(object, { status: { phase: 'Kept' } }, phases, '/status');
    await trial.unchangeable(
      object,
      { status: { path: 'v/abcdefghijklmnop' } },
      'the directory of a volume is v/SLOT',
      '/status',
    );
    await trial.unchangeable(
      object,
      { status: { filesMade: 2 } },
      'more files than the volume has',
      '/status',
    );
    await trial.unchangeable(object, { status: { path: '../x' } }, 'status.path', '/status');
    const left = slot();
    await trial.create(left);
    await trial.changed(left, { status: { phase: 'Scrubbing' } }, '/status');
    await trial.unchangeable(left, { status: { phase: 'Ready' } }, phases, '/status');
    // What a node writes into the status changes nothing else.
    await trial.changed(
      object,
      { spec: { nodeName: 'node-c' }, metadata: { finalizers: ['x.io/y'] } },
      '/status',
    );
    const { body } = await trial.server.request('GET', routeOf(object));
    assert.equal(body.spec.nodeName, 'node-a');
    assert.equal(body.metadata.finalizers, undefined);
  });

  test('is found by its node', async () => {
    const nodeName = newObjectName();
    const object = volume({ nodeName });
    await trial.create(object);
    await trial.create(volume());
    const { status, body } = await trial.server.request(
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

test('every rule about volumes has refused something', () => {
  assert.deepEqual(trial.untried('FamfsVolume'), []);
});
