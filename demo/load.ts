// Puts files into a pool, as an administrator on the master node would: makes each at its full size, then writes the bytes.
// A process of its own, started in the node's mount namespace; says on stdout, a JSON line at a time, how far it is.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { FamfsCommands } from '../src/famfs/famfs-commands.ts';
import type { Outcome } from '../src/famfs/outcome.ts';
import { acquireFileLock } from '../src/linux/file-lock.ts';
import type { DataFile } from './data-set.ts';

/** What the process is told, as JSON in its first argument. */
export interface LoadOrder {
  readonly famfsBinDir: string;
  readonly mode: 'fuse' | 'standalone';
  readonly mountPoint: string;
  /** The pool's lock, which everybody takes who runs famfs commands on it. */
  readonly lockPath: string;
  readonly prefix: string;
  readonly folders: readonly string[];
  readonly files: readonly DataFile[];
}

export type LoadReport =
  | { readonly kind: 'progress'; readonly bytes: number; readonly file: string }
  | { readonly kind: 'loaded'; readonly file: string; readonly sha256: string };

const chunkBytes = 8 * 1024 * 1024;

async function load(order: LoadOrder): Promise<void> {
  const { famfsBinDir, mode, mountPoint, prefix } = order;
  const commands = new FamfsCommands({ mode, location: { kind: 'image' }, famfsBinDir });
  const owner = { uid: 0, gid: 0 };
  const locked = async (work: (lockFd: number) => Promise<Outcome<unknown>>): Promise<void> => {
    const lock = await acquireFileLock(order.lockPath, { timeoutMs: 60_000 });
    try {
      const outcome = await work(lock.fd);
      if (outcome.kind === 'failed') throw outcome.error;
    } finally {
      lock.release();
    }
  };
  for (const folder of [prefix, ...order.folders.map((folder) => `${prefix}/${folder}`)]) {
    await locked((lockFd) => commands.mkdir({ mountPoint, path: folder, mode: 0o755, ...owner }, { lockFd }));
  }
  for (const { source, relativePath, sizeBytes } of order.files) {
    const place = `${prefix}/${relativePath}`;
    await locked((lockFd) =>
      commands.creat(
        { mountPoint, path: place, sizeBytes: BigInt(sizeBytes), mode: 0o644, ...owner },
        { lockFd },
      ),
    );
    const written = path.join(mountPoint, place);
    if (statSync(written).size !== sizeBytes) throw new Error(`${written} has not the size it was made with`);
    report({ kind: 'loaded', file: relativePath, sha256: copyInto(source, written, relativePath) });
  }
}

/** Copies a file's bytes over those of a file that is there, and returns their SHA-256. */
function copyInto(source: string, target: string, name: string): string {
  const hash = createHash('sha256');
  const from = openSync(source, 'r');
  const to = openSync(target, 'r+');
  try {
    const chunk = Buffer.alloc(chunkBytes);
    for (let offset = 0; ; ) {
      const length = readSync(from, chunk, 0, chunk.length, offset);
      if (length === 0) return hash.digest('hex');
      const bytes = chunk.subarray(0, length);
      hash.update(bytes);
      writeSync(to, bytes, 0, length, offset);
      offset += length;
      report({ kind: 'progress', bytes: length, file: name });
    }
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

function report(message: LoadReport): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

await load(JSON.parse(process.argv[2] ?? '') as LoadOrder);
