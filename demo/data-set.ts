// The files that go into the pool: those of a folder, or made-up ones. Knows famfs's limits, so that a file that cannot go
// in is named before anything starts.
import { createCipheriv, createHash } from 'node:crypto';
import { closeSync, createReadStream, mkdirSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';

/** A regular file with its place below the folder. */
export interface DataFile {
  readonly source: string;
  readonly relativePath: string;
  readonly sizeBytes: number;
}

export interface DataSet {
  readonly files: readonly DataFile[];
  /** Folders below the data's own, parents first. */
  readonly folders: readonly string[];
  readonly sizeBytes: number;
  /** What is left out, with the reason. */
  readonly leftOut: readonly string[];
}

/** Names in a pool, relative to its root, have at most 78 bytes (famfs reference 4.4). */
const longestPathBytes = 78;
const chunkBytes = 8 * 1024 * 1024;

/** Everything below a folder that famfs can hold under `prefix`. */
export function readDataSet(folder: string, prefix: string): DataSet {
  const files: DataFile[] = [];
  const folders: string[] = [];
  const leftOut: string[] = [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries.sort((a, b) => comparePlaces(a, b))) {
    const source = path.join(entry.parentPath, entry.name);
    const relativePath = path.relative(folder, source);
    if (Buffer.byteLength(`${prefix}/${relativePath}`) > longestPathBytes) {
      leftOut.push(`${relativePath}: its name is longer than the ${longestPathBytes} bytes famfs can log`);
    } else if (entry.isDirectory()) {
      folders.push(relativePath);
    } else if (!entry.isFile()) {
      leftOut.push(`${relativePath}: not a regular file`);
    } else {
      const { size } = statSync(source);
      if (size === 0) leftOut.push(`${relativePath}: empty, and famfs has no empty files`);
      else files.push({ source, relativePath, sizeBytes: size });
    }
  }
  return { files, folders, leftOut, sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0) };
}

/** Writes made-up model weights: bytes that look random and are the same every time. */
export function makeDefaultData(folder: string): void {
  const shardBytes = 64 * 1024 * 1024;
  mkdirSync(path.join(folder, 'tokenizer'), { recursive: true });
  for (let shard = 1; shard <= 4; shard++) {
    writeKeystream(path.join(folder, `model-0000${shard}-of-00004.safetensors`), shardBytes, shard);
  }
  writeKeystream(path.join(folder, 'tokenizer/vocabulary.bin'), 300_001, 5);
}

function writeKeystream(file: string, sizeBytes: number, seed: number): void {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  const zeros = Buffer.alloc(Math.min(chunkBytes, sizeBytes));
  const fd = openSync(file, 'w', 0o644);
  try {
    for (let left = sizeBytes; left > 0; left -= zeros.length) {
      writeSync(fd, cipher.update(zeros.subarray(0, Math.min(zeros.length, left))));
    }
  } finally {
    closeSync(fd);
  }
}

/** SHA-256 of a file as hexadecimal text. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function comparePlaces(
  a: { parentPath: string; name: string },
  b: { parentPath: string; name: string },
): number {
  return Buffer.compare(
    Buffer.from(path.join(a.parentPath, a.name)),
    Buffer.from(path.join(b.parentPath, b.name)),
  );
}
