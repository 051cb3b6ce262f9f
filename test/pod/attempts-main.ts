// What a process in a pod tries in order to get out of the volumes that are published to it. Runs inside of the pod
// (test/pod/pod.ts makes it) and tells how each attempt ended, a JSON line each. docs/security-model.md has the verdicts.
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { readExtendedAttribute } from '../../src/linux/extended-attributes.ts';
import { ioctl } from '../../src/linux/ioctl.ts';
import { checked, declareFunction, systemCallNumbers } from '../../src/linux/libc.ts';
import { mapFile } from '../../src/linux/memory-map.ts';
import { mountAttributes, mountFileSystem, mountFlags, unmount } from '../../src/linux/mounts.ts';
import type { PodPlan } from './pod.ts';

const nameToHandle = declareFunction('name_to_handle_at', 'int', ['int', 'str', 'void *', 'void *', 'int']);
const openByHandle = declareFunction('open_by_handle_at', 'int', ['int', 'void *', 'int']);
const mknodFunction = declareFunction('mknod', 'int', ['str', 'uint', 'ulong']);
const setxattr = declareFunction('setxattr', 'int', ['str', 'str', 'void *', 'size_t', 'int']);
const fallocateFunction = declareFunction('fallocate', 'int', ['int', 'int', 'int64_t', 'int64_t']);
const flockFunction = declareFunction('flock', 'int', ['int', 'int']);
const fcntlFunction = declareFunction('fcntl', 'int', ['int', 'int', 'long']);
const chrootFunction = declareFunction('chroot', 'int', ['str']);
const fchdirFunction = declareFunction('fchdir', 'int', ['int']);
const madviseFunction = declareFunction('madvise', 'int', ['size_t', 'size_t', 'int']);
const truncateFunction = declareFunction('truncate', 'int', ['str', 'int64_t']);
const socketFunction = declareFunction('socket', 'int', ['int', 'int', 'int']);
const connectFunction = declareFunction('connect', 'int', ['int', 'void *', 'uint']);
const systemCall = declareFunction('syscall', 'long', ['long', 'long', 'str', 'ulong', 'void *', 'size_t']);

const plan = JSON.parse(process.argv[2] ?? '') as PodPlan;
const { volume, executable, sockets, hidden, scratch } = plan;
const beside = (name: string): string => path.join(scratch, name);
const at = (name: string): string => path.join(volume, name);
const data = at('data');

/** The attempt went through and had no effect that would count. */
function nothing(why: string): never {
  throw new Error(why);
}

/** Does `work` with an open file of the volume. */
function withFile<T>(name: string, flags: string | number, work: (fd: number) => T): T {
  const fd = openSync(at(name), flags);
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

/** The first of these that is there. */
function sees(...places: readonly string[]): string {
  return places.find((place) => existsSync(place)) ?? nothing('nothing of it is there');
}

function run(file: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8', timeout: 20_000 });
  if (error !== undefined) throw error;
  return status === 0 ? stdout.trim() : nothing(`ended with ${status}: ${stderr.trim()}`);
}

/** As root of a user namespace of one's own, which any process may make where the kernel lets it. */
function asOwnRoot(script: string): string {
  return run('unshare', '--user', '--map-root-user', '--mount', 'sh', '-ec', script);
}

function fileHandle(place: string): Buffer {
  const handle = Buffer.alloc(8 + 128);
  handle.writeUInt32LE(128, 0);
  checked('name_to_handle_at', nameToHandle(-100, place, handle, Buffer.alloc(4), 0));
  return handle;
}

function openHandle(handle: Buffer): string {
  return withFile('.', 'r', (fd) => {
    closeSync(checked('open_by_handle_at', openByHandle(fd, handle, constants.O_RDONLY)));
    return 'opened';
  });
}

/** A handle as FUSE without handles of its own makes them: the inode's number and generation (fs/fuse/inode.c). */
function forgedHandle(): Buffer {
  const handle = Buffer.alloc(8 + 128);
  handle.writeUInt32LE(12, 0);
  handle.writeInt32LE(0x81, 4);
  handle.writeUInt32LE(1, 12);
  return handle;
}

/** Whether a change of `data` is really there for who reads it anew. */
function bytesChange(change: () => void): string {
  const before = readFileSync(data);
  change();
  return readFileSync(data).equals(before) ? nothing('no byte has changed') : 'bytes changed';
}

function mapped(flags: 'r' | 'r+', work: (map: ReturnType<typeof mapFile>, fd: number) => void): string {
  return withFile('data', flags, (fd) => {
    const map = mapFile(fd, 4096, { write: flags === 'r+' });
    try {
      work(map, fd);
      return 'done';
    } finally {
      map.unmap();
    }
  });
}

/** Out of a chroot of one's own, which a root that was made by chroot(2) would not survive. */
function escapeByChroot(): string {
  const outerFd = openSync('/', 'r');
  mkdirSync(beside('jail'), { recursive: true });
  checked('chroot', chrootFunction(beside('jail')));
  checked('fchdir', fchdirFunction(outerFd));
  for (let up = 0; up < 64; up++) process.chdir('..');
  checked('chroot', chrootFunction('.'));
  return sees(hidden);
}

function connectTo(socket: string): string {
  const fd = checked('socket', socketFunction(1, 1, 0));
  try {
    const address = Buffer.alloc(110);
    address.writeUInt16LE(1, 0);
    address.write(socket, 2);
    checked('connect', connectFunction(fd, address, address.length));
    return 'connected';
  } finally {
    closeSync(fd);
  }
}

/** Where a link of /proc leads; the descriptor of the listing itself is gone by now. */
function linkTarget(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}

/** Descriptors of any process in sight that lie outside of what the pod was given. */
function foreignDescriptors(): string {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const place of [`/proc/${pid}/cwd`, `/proc/${pid}/root`]) {
      if (existsSync(`${place}${hidden}`)) return place;
    }
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      if (linkTarget(`/proc/${pid}/fd/${fd}`).includes(path.dirname(hidden))) return `${pid} ${fd}`;
    }
  }
  return nothing('all descriptors are the own');
}

function makeNode(name: string, type: number, device = 0): string {
  checked('mknod', mknodFunction(at(name), type | 0o666, device));
  return 'made';
}

const readOnlyAttribute = (): Buffer => {
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(mountAttributes.readOnly | mountAttributes.nosuid), 8);
  return attributes;
};

/** Every attempt, in the order of the page; those that others would suffer from come last. */
const attempts: Readonly<Record<string, () => unknown>> = {
  'see the directory above the volume': () => {
    const above = [at('..'), at('sub/../..'), `/proc/self/root${volume}/..`];
    const { dev } = statSync(volume);
    return above.find((place) => statSync(place).dev === dev) ?? nothing('it is the own root');
  },
  "see the pool's `.meta`": () => sees(at('.meta'), at('../.meta'), at('sub/../../.meta')),
  'see another volume of the pool': () => sees(at('../other'), at('../../other'), at('other')),
  'walk up from a working directory in the volume': () => {
    process.chdir(at('sub'));
    process.chdir('../..');
    try {
      return sees('other', '../other', path.join('.', hidden));
    } finally {
      process.chdir('/');
    }
  },
  'reach the host by `/proc/self/root` or `/proc/1/root`': () =>
    sees(`/proc/self/root${hidden}`, `/proc/1/root${hidden}`, `/proc/1/cwd${hidden}`),
  'reach the host by a descriptor of any process in sight': foreignDescriptors,
  'leave by a chroot of its own': () =>
    run(
      process.execPath,
      ...process.execArgv,
      import.meta.filename,
      JSON.stringify({ ...plan, only: 'chroot' }),
    ),
  "enter the namespaces of the pod's first process": () => run('nsenter', '--target', '1', '--mount', 'true'),
  'open a file by its handle': () => openHandle(fileHandle(data)),
  'open the root of the pool by a forged handle': () => openHandle(forgedHandle()),
  'learn device and directory from `/proc/self/mountinfo`': () => {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' '));
    const [, , , root = '/'] = mounts.find(([, , , , mountPoint]) => mountPoint === volume) ?? [];
    return root === '/' ? nothing('not told') : root;
  },
  'learn the path of the shadow tree from an extended attribute': () =>
    readExtendedAttribute(data, 'user.famfs.shadow').toString(),
  'see the shadow tree at that path': () => sees(readExtendedAttribute(data, 'user.famfs.shadow').toString()),

  'make a file': () => closeSync(openSync(at('new-file'), 'wx')),
  'make a file without a name (`O_TMPFILE`)': () =>
    closeSync(openSync(volume, 0o20200000 | constants.O_RDWR)),
  'make a directory': () => mkdirSync(at('new-directory')),
  'make a symbolic link': () => symlinkSync('/etc', at('new-link')),
  'make a hard link in the volume': () => linkSync(data, at('new-name')),
  'make a hard link out of the volume': () => linkSync(data, beside('link')),
  'make a FIFO': () => makeNode('new-fifo', 0o010000),
  'make a device node': () => makeNode('new-device', 0o020000, 0x103),
  'rename a file': () => renameSync(at('sub/renamed'), at('sub/renamed-too')),
  'move a file out': () => renameSync(at('sub/moved'), beside('moved')),
  'remove a file': () => unlinkSync(at('sub/removed')),
  'remove a directory': () => rmdirSync(at('empty')),

  'open a file for writing': () => withFile('data', 'r+', () => 'opened'),
  'change bytes of a file': () =>
    bytesChange(() => withFile('data', 'r+', (fd) => writeSync(fd, String(Math.random()), 0))),
  'make a file longer': () => {
    const { size } = statSync(data);
    appendFileSync(data, 'x');
    return statSync(data).size > size ? 'longer' : nothing('it has not grown');
  },
  'allocate or punch (fallocate)': () =>
    withFile('data', 'r+', (fd) => {
      checked('fallocate', fallocateFunction(fd, 3, 0, 4096));
    }),
  'map a file shared and store to it': () =>
    bytesChange(() =>
      mapped('r+', (map) => {
        map.bytes[0] = (map.bytes[0] ?? 0) ^ 1;
      }),
    ),
  'map it writable over a descriptor that only reads': () =>
    withFile('data', 'r', (fd) => mapFile(fd, 4096, { write: true }).unmap()),
  'store through `/proc/self/mem` to a mapping that only reads': () =>
    bytesChange(() =>
      mapped('r', ({ address }) => {
        const memory = openSync('/proc/self/mem', 'r+');
        try {
          writeSync(memory, Buffer.from(String(Math.random())), 0, 4, Number(address));
        } finally {
          closeSync(memory);
        }
      }),
    ),
  'punch a hole through a mapping that only reads (`MADV_REMOVE`)': () =>
    mapped('r', ({ address }) => {
      checked('madvise', madviseFunction(address, 4096, 9));
    }),
  'open a read descriptor anew for writing (`/proc/self/fd/N`)': () =>
    withFile('data', 'r', (fd) => {
      closeSync(openSync(`/proc/self/fd/${fd}`, 'r+'));
    }),
  'change the mode of a file': () => chmodSync(data, 0o777),
  'change the mode of a directory': () => chmodSync(at('sub'), 0o700),
  'give a file to another user': () => chownSync(data, 1, 1),
  'change the times of a file': () => utimesSync(data, 1, 1),
  'change the times of a directory': () => lutimesSync(at('sub'), 1, 1),
  'set an extended attribute (`user.*`)': () =>
    checked('setxattr', setxattr(data, 'user.x', Buffer.from('x'), 1, 0)),
  'give a file a capability (`security.capability`)': () => {
    const capability = Buffer.alloc(20);
    capability.writeUInt32LE(0x02000001, 0);
    capability.writeUInt32LE(0xff, 4);
    checked('setxattr', setxattr(at('tool'), 'security.capability', capability, capability.length, 0));
  },
  'register a backing file with FUSE (ioctl)': () =>
    withFile('data', 'r', (fd) => ioctl(fd, 0x4010e501, Buffer.alloc(16))),
  'make a file immutable (ioctl)': () =>
    withFile('data', 'r', (fd) => ioctl(fd, 0x40086602, Buffer.from([16, 0, 0, 0, 0, 0, 0, 0]))),

  'mount the volume writable (remount)': () =>
    mountFileSystem({
      source: 'none',
      target: volume,
      type: 'none',
      flags: mountFlags.remount | mountFlags.bind,
    }),
  'clear its attributes (mount_setattr)': () =>
    checked(
      'mount_setattr',
      systemCall(systemCallNumbers.mount_setattr, -100, volume, 0, readOnlyAttribute(), 32),
    ),
  'bind it a second time': () => {
    mkdirSync(beside('bind'), { recursive: true });
    mountFileSystem({ source: volume, target: beside('bind'), type: 'none', flags: mountFlags.bind });
  },
  'mount it writable as root of a user namespace of its own': () =>
    asOwnRoot(`mount -o remount,bind,rw,exec '${volume}'`),
  'unmount it in a user namespace of its own': () => asOwnRoot(`umount '${volume}'`),
  'bind it without its attributes in a user namespace of its own': () =>
    asOwnRoot(
      `mkdir -p ${beside('own')} && mount --bind '${volume}' ${beside('own')} && mount -o remount,bind,rw,suid,dev,exec ${beside('own')}`,
    ),
  'unmount it, to see what lies below': () => unmount(volume, { detach: true }),
  'run a program of the volume': () => run(at('tool'), '-u'),
  'run a program where the volume allows it (`exec`)': () => run(path.join(executable, 'tool'), '-u'),
  'become root by a setuid program there': () => {
    const user = run(path.join(executable, 'tool'), '-u');
    return user === '0' && process.getuid?.() !== 0 ? user : nothing(`it runs as ${user}`);
  },

  'take an exclusive lock (flock)': () =>
    withFile('data', 'r', (fd) => checked('flock', flockFunction(fd, 2 | 4))),
  'take a write lease': () => withFile('data', 'r', (fd) => checked('fcntl', fcntlFunction(fd, 1024, 1))),
  'take a read lease': () => withFile('data', 'r', (fd) => checked('fcntl', fcntlFunction(fd, 1024, 0))),
  'call the mounter, where the pod was given the folder of its socket': () =>
    connectTo(path.join(sockets, 'mounter.sock')),
  'call the CSI service, where the pod was given the folder of its socket': () =>
    connectTo(path.join(sockets, 'csi.sock')),
  'reach a socket of the driver otherwise': () =>
    connectTo(path.join(path.dirname(hidden), 'sockets/mounter.sock')),

  'make a file unreadable for all (`O_TRUNC`, then write)': () => {
    withFile('victim', 'w', (fd) => {
      try {
        writeSync(fd, 'x');
      } catch {
        // What counts is what others read then.
      }
    });
    try {
      return statSync(at('victim')).size === 0 || readSync(openSync(at('victim'), 'r'), Buffer.alloc(1)) === 0
        ? 'empty'
        : nothing('it reads as before');
    } catch (error) {
      return String(error);
    }
  },
  "end the pool's mount on this node (truncate)": () => {
    try {
      checked('truncate', truncateFunction(data, 1));
    } catch (error) {
      if (
        error instanceof Error &&
        'code' in error &&
        (error.code === 'ECONNABORTED' || error.code === 'ENOTCONN')
      )
        return error.code;
      throw error;
    }
    return 'truncated';
  },
};

if (plan.only === 'chroot') {
  try {
    writeSync(1, escapeByChroot());
  } catch (error) {
    writeSync(2, String(error));
    process.exitCode = 1;
  }
} else {
  for (const [attempt, work] of Object.entries(attempts)) {
    let end: { succeeded: boolean; detail: string };
    try {
      end = { succeeded: true, detail: String(work() ?? 'done') };
    } catch (error) {
      end = {
        succeeded: false,
        detail: error instanceof Error ? error.message.slice(0, 200) : String(error),
      };
    }
    writeSync(1, `${JSON.stringify({ attempt, ...end })}\n`);
  }
}
