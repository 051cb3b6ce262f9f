import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { readExtendedAttribute } from './extended-attributes.ts';
import { checked, declareFunction } from './libc.ts';
import { mountFileSystem, unmount } from './mounts.ts';

const { skip } = enterPrivateMounts();
const folder = mkdtempSync(path.join(os.tmpdir(), 'attributes-'));
after(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeaked();
});

const setxattrFunction = declareFunction('setxattr', 'int', ['str', 'str', 'void *', 'size_t', 'int']);

test('an attribute is read whole, as bytes', { skip }, () => {
  const target = path.join(folder, 'target');
  mkdirSync(target);
  // tmpfs keeps attributes of users since Linux 6.6.
  mountFileSystem({ source: 'attributes', target, type: 'tmpfs' });
  const file = path.join(target, 'file');
  writeFileSync(file, '');
  const value = Buffer.from([0, 1, 254, 255, 0]);
  checked('setxattr', setxattrFunction(file, 'user.test', value, value.length, 0));
  assert.deepEqual(readExtendedAttribute(file, 'user.test'), value);
  unmount(target);
});

test('a file without it, or of a file system without any, says so', { skip }, () => {
  assert.throws(() => readExtendedAttribute(folder, 'user.none'), { code: /ENODATA|ENOTSUP/, path: folder });
  assert.throws(() => readExtendedAttribute('/proc/self/status', 'user.none'), { code: 'ENOTSUP' });
  assert.throws(() => readExtendedAttribute('/no/such/file', 'user.none'), { code: 'ENOENT' });
  assert.throws(() => readExtendedAttribute(folder, 'user.a\0b'), TypeError);
});
