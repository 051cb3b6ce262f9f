import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { attachClone, type CloneAttributes } from './bind.ts';
import { closeFd, openPath } from './file-descriptor.ts';
import { listmount, mountIdOf, statmount } from './mount-id.ts';
import { mountFileSystem, mountFlags, setPropagation, unmount } from './mounts.ts';

const { skip } = enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'bind-'));
const pool = path.join(folder, 'pool');
const target = path.join(folder, 'target');
const safest: CloneAttributes = { readOnly: true, nosuid: true, nodev: true, noexec: true };

function withFds<T>(paths: readonly [string, string], body: (sourceFd: number, targetFd: number) => T): T {
  const fds = [openPath(paths[0]), openPath(paths[1])] as const;
  try {
    return body(...fds);
  } finally {
    for (const fd of fds) closeFd(fd);
  }
}

function bind(
  source: string,
  place: string,
  attributes: CloneAttributes,
  beforeAttach?: (id: bigint) => void,
): bigint {
  return withFds([source, place], (sourceFd, targetFd) => {
    const order = { sourceFd, targetFd, attributes };
    return attachClone(beforeAttach === undefined ? order : { ...order, beforeAttach }).mountId;
  });
}

describe('a bind in one step', { skip }, () => {
  before(() => {
    mkdirSync(pool);
    mkdirSync(target);
    mountFileSystem({ source: 'pool', target: pool, type: 'tmpfs' });
    mkdirSync(path.join(pool, 'models'));
    writeFileSync(path.join(pool, 'models/data'), 'weights');
    cpSync('/bin/true', path.join(pool, 'models/program'));
    chmodSync(path.join(pool, 'models/program'), 0o755);
  });
  after(async () => {
    unmount(pool);
    rmSync(folder, { recursive: true });
    await assertNothingLeaked();
  });

  test('has every attribute that was asked for, and the id that it was announced with', () => {
    let announced = 0n;
    const mountId = bind(path.join(pool, 'models'), target, safest, (id) => {
      announced = id;
    });
    const info = statmount(mountId);
    assert.equal(announced, mountId);
    assert.deepEqual(
      [info?.readOnly, info?.nosuid, info?.nodev, info?.noexec, info?.superblockReadOnly],
      [true, true, true, true, false],
    );
    assert.deepEqual([info?.root, info?.mountPoint, info?.source], ['/models', target, 'pool']);
    assert.equal(readFileSync(path.join(target, 'data'), 'utf8'), 'weights');
    assert.throws(() => writeFileSync(path.join(target, 'data'), 'x'), { code: 'EROFS' });
    assert.equal(spawnSync(path.join(target, 'program')).error?.message.includes('EACCES'), true);
    unmount(target);
  });

  test('keeps what it is not told to change, and lifts what it is told to lift', () => {
    const strict = path.join(folder, 'strict');
    mkdirSync(strict);
    mountFileSystem({
      source: 'strict',
      target: strict,
      type: 'tmpfs',
      flags: mountFlags.noexec | mountFlags.nosuid,
    });
    const info = statmount(bind(strict, target, { readOnly: true, noexec: false }));
    assert.deepEqual([info?.readOnly, info?.nosuid, info?.noexec], [true, true, false]);
    unmount(target);
    unmount(strict);
  });

  test('is not to be seen before it is complete', () => {
    const before = listmount();
    bind(path.join(pool, 'models'), target, safest, (id) => {
      assert.deepEqual(listmount(), before);
      assert.equal(statmount(id), undefined);
    });
    unmount(target);
  });

  test('does not happen when the one who is told of it throws', () => {
    const before = listmount();
    const failure = new RangeError('the record cannot be written');
    assert.throws(
      () =>
        bind(path.join(pool, 'models'), target, safest, () => {
          throw failure;
        }),
      failure,
    );
    assert.deepEqual(listmount(), before);
  });

  test('leaves nothing when the kernel refuses the target', () => {
    const before = listmount();
    assert.throws(() => bind(path.join(pool, 'models'), path.join(pool, 'models/data'), safest), {
      code: 'EINVAL',
    });
    assert.deepEqual(listmount(), before);
  });

  test('binds a file onto a file', () => {
    const place = path.join(folder, 'file');
    writeFileSync(place, '');
    bind(path.join(pool, 'models/data'), place, safest);
    assert.equal(readFileSync(place, 'utf8'), 'weights');
    unmount(place);
  });

  test('does not take what is mounted below later on from a shared source', () => {
    setPropagation(pool, 'shared');
    bind(pool, target, safest);
    mountFileSystem({ source: 'later', target: path.join(pool, 'models'), type: 'tmpfs' });
    assert.equal(readFileSync(path.join(target, 'models/data'), 'utf8'), 'weights');
    unmount(path.join(pool, 'models'));
    unmount(target);
    setPropagation(pool, 'private');
  });

  test("reaches the copies of a shared target, as kubelet's directory is one", () => {
    const kubelet = path.join(folder, 'kubelet');
    const copy = path.join(folder, 'copy');
    for (const directory of [kubelet, copy]) mkdirSync(directory);
    mountFileSystem({ source: 'kubelet', target: kubelet, type: 'tmpfs' });
    setPropagation(kubelet, 'shared');
    mkdirSync(path.join(kubelet, 'pod'));
    mountFileSystem({ source: kubelet, target: copy, type: 'none', flags: mountFlags.bind });
    bind(path.join(pool, 'models'), path.join(kubelet, 'pod'), safest);
    assert.equal(readFileSync(path.join(copy, 'pod/data'), 'utf8'), 'weights');
    assert.throws(() => writeFileSync(path.join(copy, 'pod/data'), ''), { code: 'EROFS' });
    unmount(path.join(kubelet, 'pod'));
    assert.throws(() => readFileSync(path.join(copy, 'pod/data')), { code: 'ENOENT' });
    unmount(copy);
    unmount(kubelet);
  });

  test('binds what was opened, though the path leads elsewhere by then', () => {
    withFds([path.join(pool, 'models'), target], (sourceFd, targetFd) => {
      mountFileSystem({ source: 'cover', target: path.join(pool, 'models'), type: 'tmpfs' });
      const { mountId } = mountIdOf(sourceFd);
      attachClone({ sourceFd, targetFd, attributes: safest });
      assert.equal(readFileSync(path.join(target, 'data'), 'utf8'), 'weights');
      assert.equal(mountIdOf(sourceFd).mountId, mountId);
      unmount(path.join(pool, 'models'));
    });
    unmount(target);
  });

  test('closes every descriptor, a thousand times over', () => {
    for (let round = 0; round < 1000; round++) {
      bind(path.join(pool, 'models'), target, safest);
      unmount(target);
    }
  });
});
