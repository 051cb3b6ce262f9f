// What preflight finds on nodes of many kinds, by what it is told of them: kernel symbols, mount tables, sysfs.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseMountTable } from '../linux/mount-table.ts';
import { deviceChecks, famfsProgramCheck, identityCheck, programFileCheck } from './famfs-checks.ts';
import { launcherCheck, poolPlacesCheck, propagationCheck, socketCheck } from './host-checks.ts';
import { famfsInKernel, famfsKernelCheck, rightsCheck } from './kernel-checks.ts';
import { problemsOf } from './node-check.ts';

const image = { kind: 'image' } as const;
let directory: string;

before(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'famfs-checks-'));
});
after(() => rmSync(directory, { recursive: true }));

describe('famfs in the kernel', () => {
  const builtIn = 'ffffffff81234560 t famfs_fuse_iomap_begin\n';
  const asModule = 'ffffffffc0a01230 t famfs_fuse_iomap_begin\t[fuse]\n';
  const stock = 'ffffffff81234560 T fuse_iomap_begin\n';

  test('is seen in either mode, as a module or built in', () => {
    const known = 'nodev\tsysfs\n\text4\nnodev\tfamfs\n';
    assert.deepEqual(famfsInKernel(known, stock, []), {
      standalone: true,
      fuse: false,
      unloadedModule: undefined,
    });
    for (const symbols of [builtIn, asModule])
      assert.equal(famfsInKernel('nodev\tfuse\n', symbols, []).fuse, true);
    assert.equal(famfsInKernel('nodev\tfuse\n', '', []).fuse, undefined);
  });

  test('that is installed but not loaded is named with what loads it', () => {
    const found = famfsInKernel('nodev\tfuse\n', stock, [
      'kernel/fs/fuse/fuse.ko.xz',
      'updates/famfsv1.ko.zst',
    ]);
    assert.equal(found.unloadedModule, 'famfsv1');
    const check = famfsKernelCheck(found, 'auto', false);
    assert.equal(check.state, 'missing');
    assert.match(check.remedy ?? '', /^modprobe famfsv1/);
    assert.equal(famfsKernelCheck(found, 'fuse', false).remedy?.includes('modprobe'), false);
  });

  test('has to be of the mode that is asked for, unless famfs is simulated', () => {
    const standalone = famfsInKernel('nodev\tfamfs\n', stock, []);
    assert.equal(famfsKernelCheck(standalone, 'auto', false).state, 'ok');
    assert.equal(famfsKernelCheck(standalone, 'standalone', false).state, 'ok');
    const refusal = famfsKernelCheck(standalone, 'fuse', false);
    assert.equal(refusal.state, 'missing');
    assert.match(refusal.found, /no famfs for fuse mode, but for standalone mode/);
    const nothing = famfsInKernel('nodev\tfuse\n', stock, []);
    assert.equal(famfsKernelCheck(nothing, 'auto', false).reason, 'famfs-unsupported');
    assert.equal(famfsKernelCheck(nothing, 'auto', true).state, 'ok');
  });

  test('that cannot be seen is not called missing', () => {
    assert.equal(famfsKernelCheck(famfsInKernel('nodev\tfuse\n', '', []), 'auto', false).state, 'note');
  });
});

describe('famfs on the node', () => {
  test('is started where it would be run, and asked for its commands', async () => {
    const folder = path.join(directory, 'bin');
    const program = path.join(folder, 'famfs');
    mkdirSync(folder);
    const script = (text: string): void => writeFileSync(program, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    const commands = ['mount', 'fsck', 'mkdir', 'creat', 'flush', 'logplay'];
    script(`printf 'Commands:\\n'; printf '\\t%s\\n' ${commands.join(' ')}`);
    const check = await famfsProgramCheck(image, folder);
    assert.equal(check.state, 'ok', check.found);
    assert.equal(programFileCheck(folder).state, 'ok');
    script(`printf '\\t%s\\n' ${commands.slice(0, -1).join(' ')}`);
    assert.match((await famfsProgramCheck(image, folder)).found, /has no command logplay\./);
    script('echo "no library" >&2; exit 127');
    const broken = await famfsProgramCheck(image, folder);
    assert.equal(broken.state, 'missing');
    assert.match(broken.found, /does not run \(status 127\): no library/);
    const absent = await famfsProgramCheck(image, path.join(directory, 'nowhere'));
    assert.equal(absent.reason, 'famfs-missing');
  });

  test('without its program makes the problem that the mounter reports at its start', () => {
    const folder = path.join(directory, 'empty');
    assert.deepEqual(problemsOf([programFileCheck(folder), rightsCheck([])]), [
      {
        reason: 'famfs-missing',
        message: `There is no famfs program in ${folder}. Install famfs there or point --famfs-bin-dir to it.`,
      },
    ]);
  });

  test('may have no identity yet', () => {
    const file = path.join(directory, 'system_uuid');
    assert.equal(identityCheck(file).state, 'note');
    writeFileSync(file, '11111111-2222-4333-8444-555555555555');
    assert.equal(identityCheck(file).state, 'ok');
    writeFileSync(file, 'nonsense');
    assert.equal(identityCheck(file).state, 'missing');
  });
});

describe('devices', () => {
  function addDevice(name: string, driver: string | undefined, sizeBytes = 8n << 30n): void {
    const folder = path.join(directory, 'sys/bus/dax/devices', name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'size'), `${sizeBytes}\n`);
    if (driver !== undefined) symlinkSync(`../../drivers/${driver}`, path.join(folder, 'driver'));
    mkdirSync(path.join(directory, 'dev'), { recursive: true });
    writeFileSync(path.join(directory, 'dev', name), '');
  }
  const look = (allowDriverSwitch = false) =>
    new Map(
      deviceChecks(path.join(directory, 'sys'), path.join(directory, 'dev'), allowDriverSwitch).map(
        (check) => [check.name.replace('device ', ''), check],
      ),
    );

  test('that are not there are said to be missing, with how to get one', () => {
    const check = look().get('devices');
    assert.equal(check?.reason, 'device-not-found');
    assert.match(check?.remedy ?? '', /ndctl create-namespace --mode=devdax --map=mem/);
  });

  test('are told with their mode, and how each comes into the right one', () => {
    addDevice('dax0.0', 'fsdev_dax');
    addDevice('dax1.0', 'device_dax');
    addDevice('dax2.0', 'kmem');
    addDevice('dax3.0', undefined);
    addDevice('dax4.0', 'fsdev_dax', 1n << 30n);
    addDevice('dax5.0', 'fsdev_dax');
    rmSync(path.join(directory, 'dev/dax5.0'));
    const found = look();
    assert.deepEqual(
      [...found].map(([name, { state }]) => [name, state]),
      [
        ['dax0.0', 'ok'],
        ...['dax1.0', 'dax2.0', 'dax3.0', 'dax4.0', 'dax5.0'].map((name) => [name, 'missing']),
      ],
    );
    assert.match(found.get('dax1.0')?.remedy ?? '', /^daxctl reconfigure-device -m famfs dax1\.0/);
    assert.match(found.get('dax2.0')?.remedy ?? '', /-f -m devdax dax2\.0.*-m famfs dax2\.0/);
    assert.match(found.get('dax4.0')?.found ?? '', /at least 4 GiB/);
    assert.match(found.get('dax5.0')?.found ?? '', /but there is no .*dev\/dax5\.0/);
    assert.equal(look(true).get('dax1.0')?.state, 'note');
  });
});

describe('the border to the host', () => {
  const table = parseMountTable(
    [
      '20 1 8:1 / / rw - ext4 /dev/sda1 rw',
      '21 20 0:5 / /var rw shared:1 - tmpfs var rw',
      '22 21 0:6 / /var/lib/kubelet rw master:3 - tmpfs kubelet rw',
      '',
    ].join('\n'),
  );

  test('is crossed by mounts only where the mount is shared', () => {
    assert.equal(propagationCheck('/var', true, image, table).state, 'ok');
    const slave = propagationCheck('/var/lib/kubelet/pools', true, image, table);
    assert.equal(slave.state, 'missing');
    assert.match(slave.found, /on a mount \(\/var\/lib\/kubelet\) that is not shared/);
    assert.match(propagationCheck('/nowhere/at/all', false, image, table).found, /There is no/);
  });

  test('is where daemons live on, or not', () => {
    assert.equal(launcherCheck('systemd', true).state, 'ok');
    assert.equal(launcherCheck('in-place', true).state, 'note');
    assert.equal(launcherCheck('in-place', false).state, 'ok');
  });

  test('has directories whose names famfs can work with', () => {
    assert.equal(poolPlacesCheck('/run/pools', '/run/famfs/shadow', image).state, 'missing');
    assert.equal(poolPlacesCheck('/run/famfs/pools', `/run/${'x'.repeat(60)}`, image).state, 'missing');
    assert.equal(poolPlacesCheck('/run/famfs/pools', '/dev/shm/shadow', image).state, 'ok');
    assert.equal(poolPlacesCheck('/run/famfs/pools', '/proc/shadow', image).state, 'note');
  });

  test("has a socket's folder that is root's, or none yet", () => {
    assert.equal(socketCheck(path.join(directory, 'none/mounter.sock')).state, 'ok');
    const file = path.join(directory, 'file');
    writeFileSync(file, '');
    assert.equal(socketCheck(path.join(file, 'mounter.sock')).reason, 'socket-refused');
  });
});
