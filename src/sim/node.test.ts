// A simulated node as the driver looks at one: sysfs, device nodes, programs, identity.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { runCommand } from '../linux/child-process.ts';
import { listDaxDevices } from '../linux/dax-devices.ts';
import { createDevice, type SimulatedDevice } from './device.ts';
import {
  addNodeDevice,
  createNode,
  ensureNode,
  findNodeDevice,
  hideNodeDevice,
  listNodeDevices,
  openNode,
  removeNodeDevice,
  setDeviceDriver,
} from './node.ts';

const sizeBytes = 5_366_611_968n;
let directory: string;
let device: SimulatedDevice;

/** A program that says how it was called. */
const echoProgram = [process.execPath, '--eval', 'console.log(JSON.stringify(process.argv.slice(1)))', '--'];

before(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'famfs-node-test-'));
  device = createDevice(path.join(directory, 'memory'), sizeBytes);
});
after(() => rmSync(directory, { recursive: true }));

function at(name: string): string {
  return path.join(directory, name);
}

test('its sysfs shows the device as the kernel does', () => {
  const node = createNode({ root: at('sysfs'), devices: [{ name: 'dax1.0', devicePath: device.directory }] });
  assert.deepEqual(listDaxDevices(node.sysDirectory, node.devDirectory), [
    {
      name: 'dax1.0',
      path: path.join(node.devDirectory, 'dax1.0'),
      sizeBytes,
      alignBytes: 2_097_152n,
      driver: 'fsdev_dax',
      targetNode: 0,
      resource: 0x1_0000_0000n,
      deviceMajor: 252,
      deviceMinor: 0,
    },
  ]);
});

test('a device has the driver it was given, until another is bound', () => {
  const devices = [{ name: 'dax0.0', devicePath: device.directory, driver: 'device_dax' as const }];
  const node = createNode({ root: at('driver'), devices });
  assert.equal(findNodeDevice(node, 'dax0.0')?.driver, 'device_dax');
  setDeviceDriver(node, 'dax0.0', null);
  assert.equal(findNodeDevice(node, 'dax0.0')?.driver, null);
  setDeviceDriver(node, 'dax0.0', 'fsdev_dax');
  assert.equal(listDaxDevices(node.sysDirectory, node.devDirectory)[0]?.driver, 'fsdev_dax');
});

test('a device comes and goes while the node is there', () => {
  const node = createNode({ root: at('hotplug'), devices: [] });
  assert.deepEqual(listNodeDevices(node), []);
  addNodeDevice(node, { name: 'dax0.0', devicePath: device.directory });
  addNodeDevice(node, { name: 'dax1.0', devicePath: device.directory });
  assert.deepEqual(
    listNodeDevices(node).map(({ name, device: found }) => [name, found.directory]),
    [
      ['dax0.0', device.directory],
      ['dax1.0', device.directory],
    ],
  );
  removeNodeDevice(node, 'dax0.0');
  assert.deepEqual(readdirSync(node.devDirectory), ['dax1.0']);
  assert.equal(listDaxDevices(node.sysDirectory, node.devDirectory).length, 1);
});

test('a device is found by its path, by its name and through a link to the folder, and nothing else is', () => {
  const node = createNode({ root: at('paths'), devices: [{ name: 'dax0.0', devicePath: device.directory }] });
  symlinkSync(node.devDirectory, at('dev-link'));
  for (const way of [path.join(node.devDirectory, 'dax0.0'), 'dax0.0', path.join(at('dev-link'), 'dax0.0')]) {
    assert.equal(findNodeDevice(node, way)?.name, 'dax0.0', way);
  }
  for (const other of ['/dev/dax0.0', 'dax9.0', '/dev/null', '', node.devDirectory]) {
    assert.equal(findNodeDevice(node, other), undefined, other);
  }
});

test('its programs start the simulator with the node, the tool and the caller’s words', async () => {
  const root = at("it's a node");
  const node = createNode({ root, devices: [], program: echoProgram });
  assert.deepEqual(readdirSync(node.binDirectory), ['famfs', 'famfs_fused', 'mkfs.famfs', 'simulator']);
  const result = await runCommand(path.join(node.binDirectory, 'mkfs.famfs'), [
    '-l',
    '8m',
    'two words',
    '$HOME',
  ]);
  assert.deepEqual(JSON.parse(result.stdout), [
    '--node',
    root,
    'mkfs.famfs',
    '-l',
    '8m',
    'two words',
    '$HOME',
  ]);
});

test('every node is somebody of its own, or whom it is told to be', () => {
  const [first, second] = ['uuid1', 'uuid2'].map((name) => createNode({ root: at(name), devices: [] }));
  assert.ok(first !== undefined && second !== undefined);
  const uuid = readFileSync(first.systemUuidPath, 'utf8');
  assert.match(uuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.notEqual(uuid, readFileSync(second.systemUuidPath, 'utf8'));
  assert.equal(statSync(first.systemUuidPath).mode & 0o777, 0o444);
  const told = createNode({ root: at('uuid3'), devices: [], systemUuid: uuid });
  assert.equal(readFileSync(told.systemUuidPath, 'utf8'), uuid);
  const nobody = createNode({ root: at('uuid4'), devices: [], systemUuid: null });
  assert.equal(statSync(nobody.systemUuidPath, { throwIfNoEntry: false }), undefined);
});

test('a node opens as it was made; a second one in its place and a folder that is none are refused', () => {
  const node = createNode({ root: at('again'), devices: [], presentation: 'views' });
  assert.deepEqual(openNode(node.root), node);
  assert.throws(() => createNode({ root: node.root, devices: [] }), { reason: 'exists-differently' });
  assert.throws(() => openNode(directory), { reason: 'config-invalid' });
});

test('made again it keeps who it is, sees what it is told to see, and starts the programs it is told of', () => {
  const second = createDevice(at('second-memory'), sizeBytes);
  const root = at('again');
  const first = { name: 'dax0.0', devicePath: device.directory };
  const node = ensureNode({ root, devices: [first], program: echoProgram });
  const identity = readFileSync(node.systemUuidPath, 'utf8');
  const link = statSync(path.join(node.devDirectory, 'dax0.0')).ino;
  ensureNode({
    ...{ root, program: ['/other/program'] },
    devices: [first, { name: 'dax1.0', devicePath: second.directory }],
  });
  assert.equal(readFileSync(node.systemUuidPath, 'utf8'), identity);
  assert.equal(statSync(path.join(node.devDirectory, 'dax0.0')).ino, link);
  assert.deepEqual(
    listNodeDevices(node).map(({ name }) => name),
    ['dax0.0', 'dax1.0'],
  );
  assert.deepEqual(openNode(root).program, ['/other/program']);
  assert.match(readFileSync(path.join(node.binDirectory, 'famfs'), 'utf8'), /exec '\/other\/program'/);
  const numbers = listDaxDevices(node.sysDirectory, node.devDirectory).map(({ deviceMinor }) => deviceMinor);
  assert.deepEqual(numbers, [0, 1]);
  ensureNode({ root, devices: [{ name: 'dax1.0', devicePath: second.directory }] });
  assert.deepEqual(
    listDaxDevices(node.sysDirectory, node.devDirectory).map(({ name }) => name),
    ['dax1.0'],
  );
});

test('a device that is unplugged is out of sight until it is plugged in, or the node is made again', () => {
  const devices = [{ name: 'dax0.0', devicePath: device.directory }];
  const node = createNode({ root: at('plugged'), devices });
  const seen = () => [
    listDaxDevices(node.sysDirectory, node.devDirectory).length,
    readdirSync(node.devDirectory).length,
  ];
  hideNodeDevice(node, 'dax0.0', true);
  assert.deepEqual(seen(), [0, 0]);
  assert.equal(findNodeDevice(node, 'dax0.0'), undefined);
  assert.throws(() => hideNodeDevice(node, 'dax0.0', true), { reason: 'device-not-found' });
  hideNodeDevice(node, 'dax0.0', false);
  assert.deepEqual(seen(), [1, 1]);
  assert.throws(() => hideNodeDevice(node, 'dax0.0', false), { reason: 'device-not-found' });
  hideNodeDevice(node, 'dax0.0', true);
  ensureNode({ root: node.root, devices });
  assert.deepEqual(seen(), [1, 1]);
  hideNodeDevice(node, 'dax0.0', true);
  ensureNode({ root: node.root, devices: [] });
  assert.deepEqual(seen(), [0, 0]);
  assert.throws(() => hideNodeDevice(node, 'dax0.0', false), { reason: 'device-not-found' });
});
