// The simulator's end of a FUSE mount: mounts, answers INIT, then hands each request to a handler. Knows the
// kernel's rules for /dev/fuse and nothing of famfs.
import { closeSync, constants, openSync, read, readSync, writeSync } from 'node:fs';
import { ioctl } from '../linux/ioctl.ts';
import { mountFileSystem, mountFlags, unmount } from '../linux/mounts.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';
import { decodeInit, decodeRequest, type FuseRequest, opcodes, requestBufferBytes } from './protocol.ts';
import { encodeAnswer, encodeInit } from './protocol-answers.ts';

const backingOpenRequest = 0x4010e501;
const backingCloseRequest = 0x4004e502;

export interface FuseMountOptions {
  readonly source: string;
  readonly target: string;
  /** `fuse`, or `fuse.` and anything. */
  readonly type: string;
  /** `mountFlags`, or-ed. */
  readonly flags: number;
  readonly allowOther: boolean;
  readonly defaultPermissions: boolean;
  /** Whether flock(2) is asked of the server. */
  readonly serverLocks: boolean;
}

/** A FUSE mount whose INIT was answered: it is served as soon as `serveFuse` runs, and dead once `fd` is closed. */
export interface FuseConnection {
  readonly fd: number;
}

/**
 * Mounts and answers INIT. The caller serves the connection, or unmounts and closes it.
 * @throws SyscallError of mount(2) — EPERM without CAP_SYS_ADMIN; Node's error when /dev/fuse cannot be opened
 */
export function mountFuse(options: FuseMountOptions): FuseConnection {
  const fd = openSync('/dev/fuse', constants.O_RDWR);
  try {
    const data = [
      `fd=${fd}`,
      'rootmode=40000',
      'user_id=0',
      'group_id=0',
      ...(options.defaultPermissions ? ['default_permissions'] : []),
      ...(options.allowOther ? ['allow_other'] : []),
    ].join(',');
    mountFileSystem({
      source: options.source,
      target: options.target,
      type: options.type,
      flags: options.flags,
      data,
    });
    answerInit(fd, options.serverLocks);
    return { fd };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Registers an open file as what a passed-through file reads and writes. The descriptor may be closed afterwards. */
export function openBacking(connection: FuseConnection, fd: number): number {
  const argument = Buffer.alloc(16);
  argument.writeInt32LE(fd, 0);
  return ioctl(connection.fd, backingOpenRequest, argument);
}

/** Gives a registration back. */
export function closeBacking(connection: FuseConnection, backingId: number): void {
  const argument = Buffer.alloc(4);
  argument.writeUInt32LE(backingId, 0);
  ioctl(connection.fd, backingCloseRequest, argument);
}

/**
 * Why a FUSE mount with passthrough is not possible here, or undefined when it is: tried on a mount that is gone
 * again at once. `scratchDirectory` is an empty directory; `file` is on the file system that is to be passed through to.
 */
export function passthroughProblem(scratchDirectory: string, file: string): string | undefined {
  const options = {
    source: 'probe',
    target: scratchDirectory,
    type: 'fuse',
    flags: mountFlags.nosuid | mountFlags.nodev,
  };
  try {
    const connection = mountFuse({
      ...options,
      allowOther: false,
      defaultPermissions: true,
      serverLocks: false,
    });
    try {
      checkPassthrough(connection, file);
    } finally {
      unmount(scratchDirectory, { detach: true });
      closeSync(connection.fd);
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Throws what the kernel says when it does not pass data through to the file. */
export function checkPassthrough(connection: FuseConnection, file: string): void {
  const fd = openSync(file, 'r');
  try {
    closeBacking(connection, openBacking(connection, fd));
  } finally {
    closeSync(fd);
  }
}

/**
 * Answers requests until the last mount of the connection is gone. One read is always outstanding, which holds one
 * of libuv's threads; process.exit() would wait for it for ever, so whoever ends early ends by SIGKILL.
 */
export function serveFuse(
  connection: FuseConnection,
  handle: (request: FuseRequest) => Buffer | undefined,
): Promise<void> {
  const buffer = Buffer.alloc(requestBufferBytes);
  return new Promise((resolve, reject) => {
    const next = (): void => {
      read(connection.fd, buffer, 0, buffer.length, null, (error, count) => {
        const code = errorCodeOf(error);
        if (code === 'ENODEV') return resolve();
        // ENOENT: the caller gave up before the request was read.
        if (error !== null && code !== 'EINTR' && code !== 'EAGAIN' && code !== 'ENOENT')
          return reject(error);
        if (error === null) answer(connection.fd, handle(decodeRequest(buffer.subarray(0, count))));
        next();
      });
    };
    next();
  });
}

function answer(fd: number, reply: Buffer | undefined): void {
  if (reply === undefined) return;
  try {
    writeSync(fd, reply);
  } catch (error) {
    // ENOENT: the caller was interrupted meanwhile. ENODEV: the mount went; the next read says so.
    if (errorCodeOf(error) !== 'ENOENT' && errorCodeOf(error) !== 'ENODEV') throw error;
  }
}

/** mount(2) returns before the kernel has its answer to INIT; until then every access to the mount waits. */
function answerInit(fd: number, serverLocks: boolean): void {
  const buffer = Buffer.alloc(requestBufferBytes);
  for (;;) {
    const request = decodeRequest(buffer.subarray(0, readSync(fd, buffer)));
    if (request.opcode !== opcodes.init) continue;
    const init = decodeInit(request.body);
    writeSync(fd, encodeAnswer(request.unique, encodeInit(init, { serverLocks })));
    return;
  }
}
