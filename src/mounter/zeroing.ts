// Zeros in a file of a mounted pool. Used in worker processes only. famfs hands out memory as it was (famfs reference 1.4),
// so nobody gets a file before this has been over it.
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import { openPathBeneath } from '../linux/file-descriptor.ts';
import { mountFailure, withPoolRoot } from './mounted-pool.ts';
import type { FileRange } from './pool-verbs.ts';

const zeros = Buffer.alloc(4 << 20);

/**
 * Writes zeros over a range. Never extends the file: a write past the end kills the daemon of a pool in fuse mode
 * (famfs reference 5.1), so the caller's range lies within the size that the log gives.
 * @throws DriverError from the pool's mount
 */
export function zeroRange(mountPath: string, range: FileRange): undefined {
  withFile(mountPath, range.path, constants.O_WRONLY, (fd) => {
    eachChunk(range, (position, length) => writeSync(fd, zeros, 0, length, position));
  });
}

/** Whether every byte of a range is zero. */
export function isZeroRange(mountPath: string, range: FileRange): boolean {
  const chunk = Buffer.allocUnsafeSlow(Math.min(zeros.length, Math.max(range.lengthBytes, 1)));
  let isZero = true;
  withFile(mountPath, range.path, constants.O_RDONLY, (fd) => {
    eachChunk(range, (position, length) => {
      const got = readSync(fd, chunk, 0, length, position);
      isZero &&= got > 0 && chunk.compare(zeros, 0, got, 0, got) === 0;
      return got;
    });
  });
  return isZero;
}

function eachChunk(
  { offsetBytes, lengthBytes }: FileRange,
  step: (position: number, length: number) => number,
): void {
  for (let done = 0; done < lengthBytes; ) {
    const moved = step(Number(offsetBytes) + done, Math.min(zeros.length, lengthBytes - done));
    if (moved === 0)
      throw new DriverError('path-not-visible', 'The file ends before the size that its log entry gives.');
    done += moved;
  }
}

function withFile(mountPath: string, path: string, flags: number, use: (fd: number) => void): void {
  try {
    withPoolRoot(mountPath, (rootFd) => {
      const placeFd = openPathBeneath(rootFd, path);
      try {
        const fd = openSync(`/proc/self/fd/${placeFd}`, flags);
        try {
          use(fd);
        } finally {
          closeSync(fd);
        }
      } finally {
        closeSync(placeFd);
      }
    });
  } catch (error) {
    throw mountFailure(error);
  }
}
