// A pod-like process: in a mount namespace of its own, sees the published volume at one path, drops root's rights, maps every
// file and hashes what it sees. Says what it found on stdout as JSON and keeps the mappings until its stdin closes.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { attachClone } from '../src/linux/bind.ts';
import { closeFd, openPath } from '../src/linux/file-descriptor.ts';
import { mapFile, readSmaps } from '../src/linux/memory-map.ts';

/** What the process is told, as JSON in its first argument. */
export interface PodOrder {
  /** Where the driver published the volume on the node. */
  readonly published: string;
  /** Where the pod sees it. */
  readonly volumePath: string;
  readonly files: readonly string[];
  /** Who to be; undefined in a user namespace, which knows one user only. */
  readonly uid: number | undefined;
}

export interface PodReport {
  readonly files: readonly { readonly path: string; readonly mappedBytes: number; readonly sha256: string }[];
  readonly mountLine: string;
  /** errno of root's attempt to write, `none` had it succeeded. */
  readonly writeRefusedWith: string;
}

/** What the process answers when it is asked for its memory. */
export interface PodMemory {
  /** Its share of the pages it has mapped: each divided by the number of processes that map it. */
  readonly pssBytes: string;
  readonly rssBytes: string;
}

const order = JSON.parse(process.argv[2] ?? '') as PodOrder;
const chunkBytes = 8 * 1024 * 1024;

mountVolume();
// Tried with all of root's rights, so that only the mount itself can be what refuses.
const writeRefusedWith = tryToWrite(path.join(order.volumePath, order.files[0] ?? ''));
if (order.uid !== undefined) {
  process.setgroups?.([order.uid]);
  process.setgid?.(order.uid);
  process.setuid?.(order.uid);
}
const mapped = order.files.map((file) => mapWhole(path.join(order.volumePath, file)));
const report: PodReport = {
  files: mapped.map(({ file, mapping }) => ({
    path: file,
    mappedBytes: mapping.lengthBytes,
    sha256: digest(mapping.bytes),
  })),
  mountLine: mountLineOf(order.volumePath),
  writeRefusedWith,
};
process.stdout.write(`${JSON.stringify(report)}\n`);

process.stdin.on('data', () => {
  const own = readSmaps('self').filter((entry) => entry.path.startsWith(`${order.volumePath}/`));
  const sum = (pick: (entry: (typeof own)[number]) => bigint): string =>
    String(own.reduce((all, entry) => all + pick(entry), 0n));
  const memory: PodMemory = {
    pssBytes: sum((entry) => entry.pssBytes),
    rssBytes: sum((entry) => entry.rssBytes),
  };
  process.stdout.write(`${JSON.stringify(memory)}\n`);
});
process.stdin.on('end', () => process.exit(0));

/** What a container runtime does with a volume: binds it to its place in the pod's own mount namespace. */
function mountVolume(): void {
  const sourceFd = openPath(order.published);
  const targetFd = openPath(order.volumePath);
  attachClone({ sourceFd, targetFd, attributes: {} });
  closeFd(sourceFd);
  closeFd(targetFd);
}

function mapWhole(file: string) {
  const fd = openSync(file, 'r');
  try {
    return { file, mapping: mapFile(fd, statSync(file).size) };
  } finally {
    closeSync(fd);
  }
}

/** Hashes the mapped pages where they are. */
function digest(bytes: Uint8Array): string {
  const hash = createHash('sha256');
  for (let offset = 0; offset < bytes.length; offset += chunkBytes)
    hash.update(bytes.subarray(offset, offset + chunkBytes));
  return hash.digest('hex');
}

function mountLineOf(mountPoint: string): string {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  return lines.findLast((line) => line.split(' ')[4] === mountPoint) ?? '';
}

function tryToWrite(file: string): string {
  try {
    writeFileSync(file, 'x', { flag: 'r+' });
    return 'none';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
