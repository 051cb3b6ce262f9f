// The situations in which the famfs programs were recorded: what to do to a simulated pair before a record so that it
// finds the state that the real one found. Knows nothing of what a record has to answer.
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { LogEntry } from '../famfs/log-entry.ts';
import { encodeLog, minLogLengthBytes } from '../famfs/log-writer.ts';
import { mountFileSystem, mountFlags, unmount } from '../linux/mounts.ts';
import { clearLog, readLog, readSuperblockBytes, writeLog, writeSuperblockBytes } from './device.ts';
import { setDeviceDriver } from './node.ts';
import type { SimulatedPair } from './simulated-pair.ts';

const slot = 'pvc-11111111-2222-4333-8444-555555555555';
/** How long a lock is held against a waiting writer. */
const lockedMs = 300;

/** What stays open from one record to the next, and how to end it. */
export interface OpenEnds {
  ends: (() => void | Promise<void>)[];
}

type Step = (pair: SimulatedPair, open: OpenEnds) => Promise<void> | void;

/** Ends whatever earlier states hold open. */
export async function endAll(open: OpenEnds): Promise<void> {
  const ends = open.ends;
  open.ends = [];
  for (const end of ends) await end();
}

const bothMounted: Step = async (pair) => {
  await pair.format();
  await pair.mount('client');
  await pair.mount('master');
};

const masterUnmounted: Step = (pair) => pair.unmountAll('master');

function flipLogBit(pair: SimulatedPair, offsetBytes: number): void {
  const [byte = 0] = readLog(pair.device, offsetBytes, 1);
  writeLog(pair.device, offsetBytes, Buffer.from([byte ^ 1]));
}

function flipSuperblockBit(pair: SimulatedPair): void {
  const bytes = readSuperblockBytes(pair.device);
  bytes[50] = (bytes[50] ?? 0) ^ 1;
  writeSuperblockBytes(pair.device, bytes);
}

function setSuperblockVersion(pair: SimulatedPair, version: bigint): void {
  const bytes = readSuperblockBytes(pair.device);
  bytes.writeBigUInt64LE(version, 8);
  bytes.writeBigUInt64LE(BigInt(crc32(bytes.subarray(0, 96))), 96);
  writeSuperblockBytes(pair.device, bytes);
}

/** Sources for cp, with the sizes and permission bits that the records show. */
const makeSources: Step = (pair) => {
  const place = (name: string): string => pair.real('master', `/tmp/w/${name}`);
  writeFileSync(place('one'), Buffer.alloc(5000, 1), { mode: 0o640 });
  writeFileSync(place('two'), Buffer.alloc(3_000_000, 2), { mode: 0o640 });
  for (const [name, size] of [
    ['big', 6_442_450_944],
    ['empty', 0],
    ['spacebig', 6_291_461],
    ['regular', 5_368_709_120],
  ] as const) {
    writeFileSync(place(name), '');
    truncateSync(place(name), size);
  }
  for (const name of ['src', 'src/sub', 'src/sub/deep']) {
    mkdirSync(place(name));
    chmodSync(place(name), 0o777);
  }
  writeFileSync(place('src/x'), Buffer.alloc(1000, 3));
  writeFileSync(place('src/sub/y'), Buffer.alloc(3_000_000, 4));
  writeFileSync(place('src/sub/deep/z'), 'abc');
};

const holdLock: Step = async (pair, open) => {
  // flock(1) holds the lock for as long as its child lives; a waiting writer gets it when the time is over.
  const log = pair.real('master', '/mnt/famfs/.meta/.log');
  const seconds = pair.mode === 'v1' ? lockedMs / 1000 : 3600;
  const script = `echo held >&3; exec sleep ${seconds}`;
  open.ends.push(await pair.startHolder(['flock', '--exclusive', '--no-fork', log, 'sh', '-c', script]));
};

const fillLog: Step = async (pair, open) => {
  await endAll(open);
  await pair.format();
  const header = { kind: 'directory', mode: 0o755, uid: 0, gid: 0 } as const;
  const directories = pair.mode === 'fuse' ? 15_414 : 15_418;
  const entries: LogEntry[] = Array.from({ length: directories }, (_, index) => ({
    ...header,
    path: `d${index}`,
  }));
  if (pair.mode === 'fuse') {
    const extents = [{ offsetBytes: 10_485_760n, lengthBytes: 2_097_152n }];
    entries.push({ kind: 'file', path: 'f', sizeBytes: 1_048_576n, mode: 0o644, uid: 0, gid: 0, extents });
  }
  clearLog(pair.device, minLogLengthBytes);
  writeLog(pair.device, 0, encodeLog(minLogLengthBytes, entries));
  await pair.mount('master');
};

/** What happens before the record of that name. A record that is not named here finds what the one before it left. */
export const statesBefore: Readonly<Record<string, Step>> = {
  'mount-no-superblock': makeSources,
  'daxctl-to-devdax': (pair) => setDeviceDriver(pair.nodes.master, 'dax0.0', 'device_dax'),
  'mount-no-driver': async (pair) => {
    await pair.unmountAll('master');
    setDeviceDriver(pair.nodes.master, 'dax0.0', null);
  },
  'daxctl-to-famfs-already': (pair) => setDeviceDriver(pair.nodes.master, 'dax0.0', 'fsdev_dax'),
  'mount-ok-empty': (pair) => pair.format(),
  'mount-ok-client': async (pair) => {
    await pair.do('master', 'famfs', 'mkdir', '-u', '1000', '-g', '1000', `/mnt/famfs/${slot}`);
    const owner = ['-u', '1000', '-g', '1000'];
    await pair.do('master', 'famfs', 'creat', '-s', '5000000', ...owner, `/mnt/famfs/${slot}/data`);
    await pair.do('master', 'famfs', 'creat', '-s', '4194305', '/mnt/famfs/plain.bin');
  },
  'mount-ok-replay': masterUnmounted,
  'mount-missing-mount-point': masterUnmounted,
  'mount-wrong-mode-for-kernel': (pair) => pair.setMissingModules(pair.mode === 'fuse' ? 'famfs' : 'fuse'),
  'mount-held-in-other-namespace': async (pair, open) => {
    pair.setMissingModules();
    await pair.unmountAll('master');
    open.ends.push(await pair.holdInOtherNamespace('master'));
  },
  'mkfs-held-in-other-namespace': (pair) => {
    // The broken mount of the record before; its holder lives on.
    if (pair.mode === 'fuse') unmount(pair.real('master', '/mnt/famfs'), { detach: true });
  },
  'mount-corrupt-superblock': async (pair, open) => {
    for (const name of pair.temporaryNames().filter((each) => each.startsWith('famfs_dummy_'))) {
      const place = pair.real('master', `/tmp/${name}`);
      if (pair.mode === 'fuse' && isMountPoint(place)) unmount(place, { detach: true });
    }
    await endAll(open);
    flipSuperblockBit(pair);
  },
  'mount-other-version': (pair) => {
    flipSuperblockBit(pair);
    setSuperblockVersion(pair, 47n);
  },
  'logplay-nothing-empty': bothMounted,
  'creat-lock-held': holdLock,
  'umount-busy': async (pair, open) => {
    await endAll(open);
    const fd = openSync(pair.real('master', '/mnt/famfs/plain.bin'), 'r');
    open.ends.push(() => closeSync(fd));
  },
  'umount-not-mounted': async (pair, open) => {
    await endAll(open);
    await pair.unmountAll('master');
  },
  'umount-with-bind': async (pair, open) => {
    await pair.mount('master');
    const place = pair.real('master', '/tmp/w/bind-famfs');
    mkdirSync(place);
    mountFileSystem({
      source: pair.real('master', `/mnt/famfs/${slot}`),
      target: place,
      type: 'none',
      flags: mountFlags.bind,
    });
    open.ends.push(() => unmount(place));
  },
  'logplay-corrupt-entry': async (pair, open) => {
    await endAll(open);
    await bothMounted(pair, open);
    for (const name of ['c0', 'c1', 'c2'])
      await pair.do('master', 'famfs', 'creat', '-s', '4096', `/mnt/famfs/${name}`);
    flipLogBit(pair, 48 + 544 + 20);
  },
  'fsck-device-corrupt-entry': masterUnmounted,
  'logplay-corrupt-header': async (pair) => {
    await pair.unmountAll('master');
    flipLogBit(pair, 48 + 544 + 20);
    await pair.mount('master');
    flipLogBit(pair, 8);
  },
  'mount-corrupt-header': masterUnmounted,
  'logplay-corrupt-superblock': async (pair) => {
    await pair.unmountAll('master');
    flipLogBit(pair, 8);
    await pair.mount('master');
    flipSuperblockBit(pair);
  },
  'fsck-reformatted-under-client': async (pair) => {
    flipSuperblockBit(pair);
    await pair.unmountAll('master');
    await pair.do('master', 'mkfs.famfs', pair.mode === 'fuse' ? '--fuse' : '--nofuse', '-f', '/dev/dax0.0');
    await pair.mount('master');
    await pair.do('master', 'famfs', 'creat', '-s', '4096', '/mnt/famfs/newfs');
  },
  'fsck-nearly-full': async (pair, open) => {
    await bothMounted(pair, open);
    await pair.do('master', 'famfs', 'creat', '-s', '5349834752', '/mnt/famfs/filler');
  },
  'fsck-log-nearly-full': fillLog,
  'fsck-log-full': async (pair) => {
    const left = pair.mode === 'fuse' ? 5 : 2;
    for (let index = 0; index < left; index += 1) {
      await pair.do('master', 'famfs', 'mkdir', `/mnt/famfs/last${index}`);
    }
  },
  'mount-log-full': masterUnmounted,
  'mount-autodetect-without-famfs-support': async (pair) => {
    await pair.format();
    pair.setMissingModules('fuse');
  },
  'mount-autodetect-no-module': async (pair) => {
    await pair.format();
    pair.setMissingModules('fuse', 'famfs');
  },
};

function isMountPoint(place: string): boolean {
  const table = readFileSync('/proc/self/mountinfo', 'utf8');
  return table.includes(` ${path.resolve(place)} `);
}
