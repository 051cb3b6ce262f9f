import assert from 'node:assert/strict';
import { linkSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { identityOf } from './file-identity.ts';
import { isTmpfs } from './file-system-type.ts';
import { readOrEmpty } from './file-text.ts';

describe('a file', () => {
  let folder: string;
  const place = (name: string): string => path.join(folder, name);
  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'file-facts-'));
    writeFileSync(place('one'), 'text');
    writeFileSync(place('other'), 'text');
    linkSync(place('one'), place('hard'));
    symlinkSync('one', place('soft'));
  });
  after(() => rmSync(folder, { recursive: true }));

  test('is the same by every name that it has, and no other', () => {
    for (const name of ['hard', 'soft']) assert.equal(identityOf(place(name)), identityOf(place('one')));
    assert.notEqual(identityOf(place('other')), identityOf(place('one')));
    assert.equal(identityOf(place('none')), undefined);
  });

  test('is empty when it cannot be read', () => {
    assert.equal(readOrEmpty(place('one')), 'text');
    assert.equal(readOrEmpty(place('none')), '');
    assert.equal(readOrEmpty(folder), '');
  });

  test('is on a tmpfs or not', () => {
    assert.equal(isTmpfs('/dev/shm'), true);
    assert.equal(isTmpfs('/proc/self'), false);
    assert.throws(() => isTmpfs(place('none')), { code: 'ENOENT' });
  });
});
