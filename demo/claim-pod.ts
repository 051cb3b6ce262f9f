// A pod-like process with a volume on demand: in a mount namespace of its own, sees the volume at one path, maps its one file,
// perhaps writes it from end to end, and hashes what is there. Says what it found on stdout as JSON.
import { createHash } from 'node:crypto';
import { closeSync, openSync, statSync } from 'node:fs';
import path from 'node:path';
import { closeFd, openPath } from '../src/linux/file-descriptor.ts';
import { mapFile } from '../src/linux/memory-map.ts';
import { moveMount, openTree } from '../src/linux/mounts.ts';

/** What the process is told, as JSON in its first argument. */
export interface ClaimPodOrder {
  readonly published: string;
  readonly volumePath: string;
  /** Fill the file with what follows from this text; undefined: only read. */
  readonly fillWith: string | undefined;
}

export interface ClaimPodReport {
  readonly mappedBytes: number;
  readonly sha256: string;
  readonly isZero: boolean;
}

const chunkBytes = 1 << 20;

function run({ published, volumePath, fillWith }: ClaimPodOrder): ClaimPodReport {
  const sourceFd = openPath(published);
  const targetFd = openPath(volumePath);
  // With what is mounted below it: in a writable publish each file is a mount of its own.
  const treeFd = openTree(sourceFd, { clone: true, recursive: true });
  moveMount(treeFd, targetFd);
  closeFd(treeFd);
  closeFd(sourceFd);
  closeFd(targetFd);
  const file = path.join(volumePath, 'data');
  const fd = openSync(file, fillWith === undefined ? 'r' : 'r+');
  const mapping = mapFile(fd, statSync(file).size, { write: fillWith !== undefined });
  closeSync(fd);
  if (fillWith !== undefined) fill(mapping.bytes, fillWith);
  const report = { mappedBytes: mapping.lengthBytes, ...look(mapping.bytes) };
  mapping.unmap();
  return report;
}

/** Each MiB begins with its own number, so that no two places hold the same. */
function fill(bytes: Uint8Array, text: string): void {
  const pattern = Buffer.alloc(chunkBytes, text);
  for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
    bytes.set(pattern.subarray(0, Math.min(chunkBytes, bytes.length - offset)), offset);
    new DataView(bytes.buffer, bytes.byteOffset + offset).setUint32(0, offset / chunkBytes);
  }
}

function look(bytes: Uint8Array): { sha256: string; isZero: boolean } {
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(chunkBytes);
  let isZero = true;
  for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
    const chunk = bytes.subarray(offset, offset + chunkBytes);
    hash.update(chunk);
    isZero &&= zeros.compare(chunk, 0, chunk.length, 0, chunk.length) === 0;
  }
  return { sha256: hash.digest('hex'), isZero };
}

process.stdout.write(`${JSON.stringify(run(JSON.parse(process.argv[2] ?? '') as ClaimPodOrder))}\n`);
