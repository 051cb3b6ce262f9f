import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { type BindRecord, BindRecords } from './bind-record.ts';

let folder: string;
let records: BindRecords;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'records-'));
  records = new BindRecords(path.join(folder, 'binds'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const record: BindRecord = {
  volumeId: 'v1',
  target: '/var/lib/kubelet/pods/p/mount',
  poolUuid: '85216692-c8d2-4255-bbaa-171e9a2cebef',
  path: 'models/llama',
  writable: true,
  allowExec: false,
  soleTarget: true,
  complete: false,
};

test('what was written is read back, whatever texts are in it', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
      (volumeId, target, id) => {
        records.write(id, { ...record, volumeId, target });
        assert.deepEqual(records.read(id), { ...record, volumeId, target });
      },
    ),
    { numRuns: 50 },
  );
});

test('a record is for root alone', () => {
  records.write(7n, record);
  assert.equal(statSync(path.join(folder, 'binds/7')).mode & 0o777, 0o600);
  assert.equal(statSync(path.join(folder, 'binds')).mode & 0o777, 0o700);
});

test('a record that is damaged, or of another shape, is as good as none', () => {
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{"volumeId":"v1"}',
    JSON.stringify({ ...record, complete: 'yes' }),
  ]) {
    writeFileSync(path.join(folder, 'binds/9'), text);
    assert.equal(records.read(9n), undefined, text);
  }
  assert.equal(records.read(10n), undefined);
});

test('only whole records are counted, and what a killed writer left is removed', () => {
  records.write(3n, record);
  writeFileSync(path.join(folder, 'binds/4.new'), '{"volu');
  writeFileSync(path.join(folder, 'binds/notes.txt'), 'not ours');
  assert.deepEqual(records.mountIds(), [3n]);
  records.removeUnfinished();
  assert.deepEqual(readdirSync(path.join(folder, 'binds')).sort(), ['3', 'notes.txt']);
});

test('removing a record twice is no error', () => {
  records.write(3n, record);
  records.remove(3n);
  records.remove(3n);
  assert.deepEqual(records.mountIds(), []);
});
