import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { superblock } from '../../test/memory-pool.ts';
import { DriverError } from '../errors.ts';
import { readSystemUuid, roleOf } from './system-uuid.ts';

test('the system UUID is read as famfs or a person wrote it, and gives the node its role', () => {
  const place = mkdtempSync(path.join(tmpdir(), 'famfs-system-uuid-'));
  try {
    const file = path.join(place, 'system_uuid');
    const read = (text: string): string | undefined => {
      writeFileSync(file, text);
      return readSystemUuid(file);
    };
    const own = superblock.systemUuid;
    assert.equal(readSystemUuid(file), undefined);
    for (const text of [`${own}\0`, own, `${own}\n`, own.toUpperCase()]) assert.equal(read(text), own);
    for (const text of ['', 'x', own.slice(1), `${own}${own}`]) {
      assert.throws(
        () => read(text),
        (error) => error instanceof DriverError && error.reason === 'config-invalid',
      );
    }
    assert.throws(
      () => readSystemUuid(place),
      (error) => error instanceof DriverError && error.reason === 'permission-missing',
    );
    assert.equal(roleOf(superblock, own), 'master');
    assert.equal(roleOf(superblock, superblock.deviceUuid), 'client');
    assert.equal(roleOf(superblock, undefined), 'client');
  } finally {
    rmSync(place, { recursive: true });
  }
});
