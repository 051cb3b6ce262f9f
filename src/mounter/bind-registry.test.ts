import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { closeFd, openPath } from '../linux/file-descriptor.ts';
import { mountIdOf } from '../linux/mount-id.ts';
import { mountFileSystem, unmount } from '../linux/mounts.ts';
import { type BindRecord, BindRecords } from './bind-record.ts';
import { BindRegistry } from './bind-registry.ts';

/** MS_BIND of mount(2) */
const bindFlag = 0x1000;

const { skip } = enterPrivateMounts();
after(assertNothingLeaked);

describe('the binds that are known', { skip }, () => {
  let folder: string;
  let records: BindRecords;
  let registry: BindRegistry;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'registry-'));
    mountFileSystem({ source: 'none', target: folder, type: 'tmpfs' });
    records = new BindRecords(path.join(folder, 'records'));
    registry = new BindRegistry(records);
  });
  afterEach(() => {
    unmount(folder, { detach: true });
    rmSync(folder, { recursive: true });
  });

  /** A real mount with a record; what it shows does not matter here. */
  function mount(name: string, fields: Partial<BindRecord> = {}): { mountId: bigint; target: string } {
    const target = path.join(folder, name);
    mkdirSync(target);
    mountFileSystem({ source: 'none', target, type: 'tmpfs' });
    const mountId = idOf(target);
    records.write(mountId, { ...record('p'), target, ...fields });
    return { mountId, target };
  }

  function record(poolUuid: string): BindRecord {
    const access = { writable: false, allowExec: false, soleTarget: false };
    return { volumeId: 'v', target: '', poolUuid, path: 'x', ...access, complete: true };
  }

  function idOf(target: string): bigint {
    const fd = openPath(target);
    const { mountId } = mountIdOf(fd);
    closeFd(fd);
    return mountId;
  }

  it('are those that a worker had no time to tell of, and records of its pool alone are removed', () => {
    const known = mount('known');
    registry.load();
    const untold = mount('untold');
    const otherPool = mount('other', { poolUuid: 'q' });
    const record = records.read(untold.mountId) as BindRecord;
    const [gone, goneOfOther] = [1n << 40n, (1n << 40n) + 1n];
    records.write(gone, record);
    records.write(goneOfOther, { ...record, poolUuid: 'q' });
    const unfinished = (id: number, text: string): void =>
      writeFileSync(path.join(folder, 'records', `${id}.new`), text);
    unfinished(1, JSON.stringify(record));
    unfinished(2, JSON.stringify({ ...record, poolUuid: 'q' }));
    unfinished(3, '{"volume');
    registry.reload('p');
    assert.deepEqual(
      registry.all().map(({ target }) => target),
      [known.target, untold.target],
    );
    assert.equal(registry.countOfPool('p'), 2);
    const kept = [known.mountId, untold.mountId, otherPool.mountId, goneOfOther].map(String);
    assert.deepEqual(readdirSync(path.join(folder, 'records')).sort(), [...kept, '2.new', '3.new'].sort());
  });

  it('are found again in another mount namespace, where their mounts have other ids, by what is at their targets', () => {
    const target = path.join(folder, 'target');
    const other = path.join(folder, 'other');
    for (const each of [target, other, path.join(folder, 'pool/v/one')]) mkdirSync(each, { recursive: true });
    mountFileSystem({ source: path.join(folder, 'pool/v/one'), target, type: '', flags: bindFlag });
    mountFileSystem({ source: path.join(folder, 'pool/v'), target: other, type: '', flags: bindFlag });
    const fields = { ...record('p'), target, path: 'pool/v/one' };
    const [former, shownElsewhere, unmounted] = [1n << 40n, (1n << 40n) + 1n, (1n << 40n) + 2n];
    records.write(former, fields);
    records.write(shownElsewhere, { ...fields, target: other });
    records.write(unmounted, { ...fields, target: path.join(folder, 'pool') });
    registry.load();
    const mountId = idOf(target);
    assert.deepEqual(registry.all(), [{ ...fields, mountId }]);
    assert.equal(registry.countOfPool('p'), 1);
    assert.deepEqual(records.mountIds(), [mountId]);
    assert.deepEqual(records.read(mountId), fields);
    for (const each of [target, other]) unmount(each);
  });

  it('are taken up from the records whose mount is there, and the other records removed', () => {
    const { mountId } = mount('one');
    records.write(1n << 40n, { ...(records.read(mountId) as BindRecord), volumeId: 'gone' });
    registry.load();
    assert.deepEqual(
      registry.all().map((bind) => bind.mountId),
      [mountId],
    );
    assert.deepEqual(records.mountIds(), [mountId]);
  });

  it('are found by volume, target and pool', () => {
    const [one, two, three] = [
      mount('one', { volumeId: 'v1' }),
      mount('two', { volumeId: 'v1', poolUuid: 'q' }),
      mount('three', { volumeId: 'v2' }),
    ];
    registry.load();
    const ids = (binds: readonly { mountId: bigint }[]) => binds.map(({ mountId }) => mountId);
    assert.deepEqual(ids(registry.ofVolume('v1')), [one.mountId, two.mountId]);
    assert.deepEqual(ids(registry.atTarget(three.target)), [three.mountId]);
    assert.deepEqual(ids(registry.ofPool('p')), [one.mountId, three.mountId]);
    assert.deepEqual(
      [registry.countOfPool('p'), registry.countOfPool('q'), registry.countOfPool('r')],
      [2, 1, 0],
    );
    assert.deepEqual(registry.ofVolume('v3'), []);
  });

  it('are given only while the kernel has them, and forgotten with their record', () => {
    const { mountId, target } = mount('one');
    registry.load();
    unmount(target);
    assert.deepEqual(registry.atTarget(target), []);
    assert.deepEqual([registry.all(), registry.countOfPool('p'), records.mountIds()], [[], 0, []]);
    registry.forget([mountId, 5n]);
    assert.equal(registry.countOfPool('p'), 0);
  });

  it('are counted once, however often they are learnt', () => {
    const { mountId } = mount('one');
    for (let time = 0; time < 3; time++) registry.learn(mountId);
    assert.equal(registry.countOfPool('p'), 1);
    registry.learn(5n);
    assert.equal(registry.all().length, 1);
  });
});
