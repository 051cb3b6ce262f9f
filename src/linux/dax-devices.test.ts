import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { listDaxDevices } from './dax-devices.ts';

interface Attribute {
  readonly text?: string;
  readonly link?: string;
}

interface SysfsRecord {
  readonly state: string;
  readonly sysfs: { readonly 'dax0.0': Readonly<Record<string, Attribute>> };
}

const fixture = path.join(import.meta.dirname, '../../test/fixtures/famfs/sysfs.json');
const records: readonly SysfsRecord[] = JSON.parse(readFileSync(fixture, 'utf8'));
const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function newRoot(): string {
  const root = mkdtempSync(path.join(os.tmpdir(), 'sysfs-'));
  folders.push(root);
  return root;
}

/** A device in a folder that looks like sysfs; the device's own directory is behind a link, as it is there. */
function addDevice(root: string, name: string, attributes: Readonly<Record<string, Attribute>>): string {
  const real = path.join(root, 'devices/region0', name);
  const list = path.join(root, 'bus/dax/devices');
  mkdirSync(real, { recursive: true });
  mkdirSync(list, { recursive: true });
  symlinkSync(path.relative(list, real), path.join(list, name));
  for (const [attribute, { text, link }] of Object.entries(attributes)) {
    if (link !== undefined) symlinkSync(link, path.join(real, attribute));
    else if (text !== undefined && !attribute.includes('/')) writeFileSync(path.join(real, attribute), text);
  }
  return real;
}

function attributesOf(state: string): Readonly<Record<string, Attribute>> {
  const record = records.find((each) => each.state === state);
  assert.ok(record !== undefined);
  return record.sysfs['dax0.0'];
}

test('a device in famfs mode is described whole', () => {
  const root = newRoot();
  addDevice(root, 'dax0.0', attributesOf('famfs'));
  assert.deepEqual(listDaxDevices(root), [
    {
      name: 'dax0.0',
      path: '/dev/dax0.0',
      sizeBytes: 5366611968n,
      alignBytes: 2097152n,
      driver: 'fsdev_dax',
      targetNode: 0,
      resource: 0x100200000n,
      deviceMajor: 252,
      deviceMinor: 0,
    },
  ]);
});

test('the driver tells the mode, in every recorded state', () => {
  const drivers = records.map(({ state }) => {
    const root = newRoot();
    addDevice(root, 'dax0.0', attributesOf(state));
    return [state, listDaxDevices(root)[0]?.driver];
  });
  assert.deepEqual(drivers, [
    ['devdax', 'device_dax'],
    ['famfs', 'fsdev_dax'],
    ['disabled', undefined],
    ['devdax again', 'device_dax'],
    ['system-ram, memory left offline', 'kmem'],
    ['famfs refused from system-ram', 'kmem'],
    ['back to devdax', 'device_dax'],
    ['back to famfs', 'fsdev_dax'],
  ]);
});

test('devices are in the order of their numbers, and nothing else is one', () => {
  const root = newRoot();
  for (const name of ['dax10.0', 'dax2.1', 'dax2.0', 'dax2.10', 'region0', 'dax', 'daxa.b']) {
    addDevice(root, name, { size: { text: '4096\n' } });
  }
  const names = listDaxDevices(root, '/node/dev').map((device) => device.path);
  assert.deepEqual(names, ['/node/dev/dax2.0', '/node/dev/dax2.1', '/node/dev/dax2.10', '/node/dev/dax10.0']);
});

test('what the kernel does not show, or shows as nonsense, is not known', () => {
  const root = newRoot();
  addDevice(root, 'dax0.0', {
    size: { text: '4096\n' },
    target_node: { text: '-1\n' },
    resource: { text: 'secret\n' },
  });
  const [device] = listDaxDevices(root);
  assert.deepEqual(
    [device?.targetNode, device?.resource, device?.alignBytes, device?.driver, device?.deviceMajor],
    [-1, undefined, 0n, undefined, undefined],
  );
});

test('a device that is going away is left out, the others are not', () => {
  const root = newRoot();
  const vanishing = addDevice(root, 'dax0.0', { size: { text: '4096\n' } });
  addDevice(root, 'dax1.0', { size: { text: '8192\n' } });
  rmSync(vanishing, { recursive: true });
  assert.deepEqual(
    listDaxDevices(root).map((device) => device.name),
    ['dax1.0'],
  );
});

test('a machine without a DAX bus has no devices', () => {
  assert.deepEqual(listDaxDevices(newRoot()), []);
});

test('a list that cannot be read is an error, not an empty list', () => {
  const root = newRoot();
  mkdirSync(path.join(root, 'bus/dax'), { recursive: true });
  writeFileSync(path.join(root, 'bus/dax/devices'), '');
  assert.throws(() => listDaxDevices(root), { name: 'SyscallError', code: 'ENOTDIR' });
});
