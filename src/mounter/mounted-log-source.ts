// The log of a mounted pool for a worker process: each read opens, reads and closes, so that nothing keeps the mount busy,
// and blocks its thread, so that a hung mount is noticed. Only under the pool's lock: closing `.meta/.log` in fuse mode
// releases the lock of whoever is writing (famfs reference 5.5).
import { closeSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import type { LogSource } from '../famfs/log-source.ts';
import { superblockBytes } from '../famfs/superblock.ts';

/** Superblock and log below `mountPath`. Errors of the file system come through as they are. */
export function mountedLogSource(mountPath: string): LogSource {
  const superblock = path.join(mountPath, '.meta/.superblock');
  const log = path.join(mountPath, '.meta/.log');
  return {
    kind: 'mounted pool',
    readSuperblock: () => readRange(superblock, 0, superblockBytes),
    readLog: (offset, length) => readRange(log, offset, length),
    close: () => undefined,
  };
}

function readRange(file: string, offset: number, length: number): Buffer {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const got = readSync(fd, bytes, done, length - done, offset + done);
      if (got === 0) break;
      done += got;
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(fd);
  }
}
