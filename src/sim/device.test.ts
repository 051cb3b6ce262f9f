// The bytes of a simulated device, on an ordinary folder.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import {
  clearLog,
  createDevice,
  ensureExtent,
  extentPath,
  isPoisoned,
  logPath,
  openDevice,
  readLog,
  readSuperblockBytes,
  type SimulatedDevice,
  setPoisoned,
  superblockPath,
  writeLog,
  writeSuperblockBytes,
} from './device.ts';

let directory: string;
let device: SimulatedDevice;

beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'famfs-device-test-'));
  device = createDevice(path.join(directory, 'memory'), 8n << 30n);
});
afterEach(() => rmSync(directory, { recursive: true }));

test('a new device is all zero and opens with its size', () => {
  assert.deepEqual(openDevice(device.directory), { directory: device.directory, sizeBytes: 8n << 30n });
  assert.deepEqual(readSuperblockBytes(device), Buffer.alloc(200));
  assert.deepEqual(readLog(device, 1_000_000, 48), Buffer.alloc(48));
});

test('a device is made once, and a folder without one is refused', () => {
  assert.throws(() => createDevice(device.directory, 1n), { reason: 'exists-differently' });
  assert.throws(() => openDevice(directory), { reason: 'device-unsuitable' });
  writeFileSync(path.join(device.directory, 'size'), 'large\n');
  assert.throws(() => openDevice(device.directory), { reason: 'device-unsuitable' });
});

test('superblock and log are where the memory has them', () => {
  assert.equal(extentPath(device, 0n), superblockPath(device));
  assert.equal(extentPath(device, 0x200000n), logPath(device));
  assert.equal(extentPath(device, 0xa00000n), path.join(device.directory, 'x10485760'));
});

test('what is written is read, and the rest of the superblock’s area stays as long as it is', () => {
  writeSuperblockBytes(device, Buffer.from('super'));
  writeLog(device, 592, Buffer.from('entry'));
  assert.equal(readSuperblockBytes(device, 5).toString(), 'super');
  assert.equal(statSync(superblockPath(device)).size, 0x200000);
  assert.equal(readLog(device, 592, 5).toString(), 'entry');
});

test('clearing the log makes it as long as asked and all zero', () => {
  writeLog(device, 10, Buffer.from('old'));
  clearLog(device, 0x800000n);
  assert.equal(statSync(logPath(device)).size, 0x800000);
  assert.deepEqual(readLog(device, 10, 3), Buffer.alloc(3));
});

test('an extent keeps its old bytes when another file gets its place', () => {
  const file = ensureExtent(device, 0xa00000n, 10n);
  writeFileSync(file, 'old secret');
  ensureExtent(device, 0xa00000n, 3n);
  assert.equal(readFileSync(file, 'utf8'), 'old');
  ensureExtent(device, 0xa00000n, 6n);
  assert.equal(readFileSync(file, 'latin1'), 'old\0\0\0');
});

test('memory fails on all nodes or on those that are named', () => {
  assert.equal(isPoisoned(device, '/node'), false);
  setPoisoned(device, true);
  assert.equal(isPoisoned(device, '/node'), true);
  setPoisoned(device, true, ['/other', '/third']);
  assert.deepEqual([isPoisoned(device, '/node'), isPoisoned(device, '/third')], [false, true]);
  setPoisoned(device, false);
  assert.equal(isPoisoned(device, '/third'), false);
});
