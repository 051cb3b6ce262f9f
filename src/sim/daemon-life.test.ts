// Who holds a device, what a daemon's end looks like, and what failing memory looks like.
import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { get } from 'node:http';
import path from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../../test/private-mounts.ts';
import { DriverError } from '../errors.ts';
import { type CommandResult, runCommand } from '../linux/child-process.ts';
import { tryFileLock } from '../linux/file-lock.ts';
import { mapFile } from '../linux/memory-map.ts';
import { readMountTable } from '../linux/mount-table.ts';
import { unmount } from '../linux/mounts.ts';
import { setPoisoned, writeSuperblockBytes } from './device.ts';
import { isDeviceHeld } from './device-holder.ts';
import { createShadow } from './shadow.ts';
import { readMountRecords, type SimulatedMount } from './simulated-mount.ts';
import { codeOf, ended, makeFile, passthroughMissing, SimulatedRig, wholeProgram } from './simulated-rig.ts';

const { skipUnlessRoot } = enterPrivateMounts();
const skip = skipUnlessRoot || passthroughMissing();
let rig: SimulatedRig;

beforeEach(() => {
  if (skip === false) rig = new SimulatedRig();
});
afterEach(() => rig?.dispose());
after(assertNothingLeaked);

/** Reads what a health probe reads. */
function readSuperblockOf(mount: SimulatedMount): string {
  return readFileSync(path.join(mount.mountPoint, '.meta/.superblock')).toString('latin1', 0, 5);
}

function isHeldElsewhere(error: unknown): boolean {
  return error instanceof DriverError && error.reason === 'pool-held-elsewhere';
}

/** What the daemon's socket answers, or the code of the error. */
function ask(mount: SimulatedMount, route: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get(
      { socketPath: path.join(mount.shadow, 'sock'), path: route, agent: false },
      (response) => {
        let text = `${response.statusCode} `;
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('end', () => resolve(text));
      },
    );
    request.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
  });
}

test('a second mount in standalone mode is refused, and possible once the first is gone', {
  skip,
}, async () => {
  const node = rig.node();
  const first = await rig.mount(node, 'standalone');
  assert.equal(isDeviceHeld(node, 'dax0.0'), true);
  await assert.rejects(rig.mount(node, 'standalone'), isHeldElsewhere);
  const hidden = (): string[] =>
    readdirSync(node.runDirectory).filter((name) => name.startsWith('standalone-'));
  assert.deepEqual(hidden(), [path.basename(first.shadow)]);
  await rig.unmount(first);
  assert.deepEqual(hidden(), []);
  assert.equal(isDeviceHeld(node, 'dax0.0'), false);
  await rig.mount(node, 'standalone');
});

test('a second mount in fuse mode is made, and nothing can be read through it', { skip }, async () => {
  const node = rig.node();
  writeSuperblockBytes(rig.device, Buffer.from('famfs'));
  const first = await rig.mount(node, 'standalone');
  const second = await rig.mount(node, 'fuse');
  assert.equal(second.broken, true);
  assert.equal(
    codeOf(() => readSuperblockOf(second)),
    'EIO',
  );
  assert.deepEqual(readdirSync(second.mountPoint), ['.meta']);
  assert.equal(readSuperblockOf(first), 'famfs');
});

test('two nodes hold the same device without being in each other’s way', { skip }, async () => {
  const mounts = [await rig.mount(rig.node(), 'fuse'), await rig.mount(rig.node(), 'standalone')];
  assert.deepEqual(
    mounts.map(({ broken }) => broken),
    [false, false],
  );
});

test('a mount that only another namespace still shows holds the device', { skip }, async () => {
  const node = rig.node();
  const mount = await rig.mount(node, 'standalone');
  const elsewhere = await rig.mountApart(rig.node(), 'fuse');
  unmount(mount.mountPoint);
  assert.equal(
    readMountTable().some(({ mountPoint }) => mountPoint === mount.mountPoint),
    false,
  );
  await assert.rejects(rig.mount(node, 'standalone'), isHeldElsewhere);
  process.kill(elsewhere.pid, 'SIGTERM');
  await ended(mount.pid);
  await rig.mount(node, 'standalone');
});

test('a killed daemon leaves a dead mount that holds the device until it is unmounted', {
  skip,
}, async () => {
  const node = rig.node();
  const mount = await rig.mount(node, 'fuse');
  makeFile(rig.device, [mount], 'data');
  const file = path.join(mount.mountPoint, 'data');
  const fd = openSync(file, 'r');
  const looked = statSync(file);
  process.kill(mount.pid, 'SIGKILL');
  await ended(mount.pid);
  assert.equal(
    codeOf(() => openSync(file, 'r')),
    'ENOTCONN',
  );
  assert.equal(
    codeOf(() => readdirSync(mount.mountPoint)),
    'ENOTCONN',
  );
  assert.equal(
    codeOf(() => readSuperblockOf(mount)),
    'ENOTCONN',
  );
  assert.equal(statSync(file).size, looked.size);
  assert.equal(readSync(fd, Buffer.alloc(4096), 0, 4096, 0), 4096);
  assert.equal(
    codeOf(() => closeSync(fd)),
    'ENOTCONN',
  );
  assert.equal(isDeviceHeld(node, 'dax0.0'), true);
  unmount(mount.mountPoint);
  assert.equal(isDeviceHeld(node, 'dax0.0'), false);
});

test('a stopped daemon hangs who asks it, not who has mapped a file; going on, it answers', {
  skip,
}, async () => {
  const mount = await rig.mount(rig.node(), 'fuse');
  makeFile(rig.device, [mount], 'data');
  const fd = openSync(path.join(mount.mountPoint, 'data'), 'r');
  using mapped = mapFile(fd, 4096);
  // Before the stop, for two reasons: the first close of a mount asks the daemon and waits for its answer beyond any
  // signal; and a child that inherits the descriptor waits for it in its exec, where it blocks every reader of /proc.
  closeSync(fd);
  process.kill(mount.pid, 'SIGSTOP');
  try {
    const hung = await runCommand('stat', ['--file-system', mount.mountPoint], { timeoutMs: 300 });
    assert.deepEqual([hung.timedOut, hung.abandoned], [true, false]);
    assert.equal(mapped.bytes[0], 0);
  } finally {
    process.kill(mount.pid, 'SIGCONT');
  }
  assert.equal((await runCommand('stat', ['--file-system', mount.mountPoint])).exitCode, 0);
});

test('a terminated daemon takes its mount along and leaves the shadow tree', { skip }, async () => {
  const node = rig.node();
  const mount = await rig.mount(node, 'fuse');
  process.kill(mount.pid, 'SIGTERM');
  await ended(mount.pid);
  assert.equal(
    readMountTable().some(({ mountPoint }) => mountPoint === mount.mountPoint),
    false,
  );
  assert.deepEqual(readMountRecords(node), []);
  assert.ok(existsSync(path.join(mount.shadow, 'root/.meta/.log')));
});

test('the socket tells who the daemon is, and refuses connections once it was killed', { skip }, async () => {
  const mount = await rig.mount(rig.node(), 'fuse');
  assert.equal(statSync(path.join(mount.shadow, 'sock')).mode & 0o777, 0o660);
  assert.equal(await ask(mount, '/pid'), `200 pid: ${mount.pid}\n`);
  assert.equal(await ask(mount, '/log_level'), '200 log_level: 5\n');
  assert.match(await ask(mount, '/elsewhere'), /^404 /);
  assert.match(await ask(mount, '/simulator'), /"presentation":"fuse"/);
  process.kill(mount.pid, 'SIGKILL');
  await ended(mount.pid);
  assert.equal(await ask(mount, '/pid'), 'ECONNREFUSED');
});

test('failing memory fails new reads in fuse mode for good, while names and figures go on', {
  skip,
}, async () => {
  const mount = await rig.mount(rig.node(), 'fuse');
  assert.equal(readSuperblockOf(mount).length, 5);
  setPoisoned(rig.device, true);
  assert.match(
    codeOf(() => readSuperblockOf(mount)),
    /133/,
  );
  assert.equal(
    codeOf(() => readSuperblockOf(mount)),
    'EIO',
  );
  assert.deepEqual(readdirSync(mount.mountPoint), ['.meta']);
  assert.match(await ask(mount, '/pid'), /^200 /);
  setPoisoned(rig.device, false);
  assert.equal(
    codeOf(() => readSuperblockOf(mount)),
    'EIO',
  );
  const node = rig.nodes[0];
  assert.ok(node);
  await rig.unmount(mount);
  assert.equal(readSuperblockOf(await rig.mount(node, 'fuse')).length, 5);
});

test('failing memory of one node leaves another node alone, and is ENODEV in standalone mode', {
  skip,
}, async () => {
  const [sick, well] = [rig.node(), rig.node()];
  const mounts = { sick: await rig.mount(sick, 'standalone'), well: await rig.mount(well, 'fuse') };
  setPoisoned(rig.device, true, [sick.root]);
  assert.equal(
    codeOf(() => readSuperblockOf(mounts.sick)),
    'ENODEV',
  );
  assert.equal(readSuperblockOf(mounts.well).length, 5);
});

test('a shadow path that is too long for a socket gives a mount without one', { skip }, async () => {
  const shadow = path.join(rig.folder(), 'x'.repeat(100));
  mkdirSync(shadow);
  createShadow(shadow);
  const mount = await rig.mount(rig.node(), 'fuse', { shadow });
  assert.deepEqual(readdirSync(shadow), ['root']);
  assert.equal(readSuperblockOf(mount).length, 5);
});

test('a socket that cannot be made fails the start and leaves no mount behind', { skip }, async () => {
  const node = rig.node();
  const shadow = rig.folder();
  createShadow(shadow);
  mkdirSync(path.join(shadow, 'sock'));
  await assert.rejects(rig.mount(node, 'fuse', { shadow }), /cannot listen on its socket/);
  assert.deepEqual(readMountRecords(node), []);
  assert.equal(
    readMountTable().some(({ source }) => source.endsWith('dax0.0')),
    false,
  );
});

test('a mount point or a device that is not there fails the start with a reason', { skip }, async () => {
  const node = rig.node();
  const nowhere = { mountPoint: path.join(rig.directory, 'nowhere') };
  await assert.rejects(rig.mount(node, 'standalone', nowhere), DriverError);
  await assert.rejects(rig.mount(node, 'standalone', { source: path.join(node.devDirectory, 'dax7.0') }), {
    reason: 'device-unsuitable',
  });
});

test('a daemon keeps what the caller of famfs had open, as the real one does', { skip }, async () => {
  const node = rig.node({ program: wholeProgram });
  const device = path.join(node.devDirectory, 'dax0.0');
  const mountPoint = rig.folder();
  const famfs = (
    tool: string,
    args: readonly string[],
    inheritFds: readonly number[],
  ): Promise<CommandResult> =>
    runCommand(path.join(node.binDirectory, tool), args, {
      inheritFds,
      env: { FAMFS_SIM_TMP: rig.directory },
    });
  const lock = tryFileLock(path.join(rig.directory, 'lock'));
  assert.ok(lock);
  assert.equal((await famfs('mkfs.famfs', ['--fuse', device], [])).exitCode, 0);
  const mounted = await famfs('famfs', ['mount', '--fuse', device, mountPoint], [lock.fd]);
  assert.equal(mounted.exitCode, 0, mounted.stderr);
  lock.release();
  assert.equal(tryFileLock(lock.path), undefined);
  const [record] = readMountRecords(node);
  assert.ok(record);
  unmount(mountPoint);
  await ended(record.pid);
  tryFileLock(lock.path)?.release();
});
