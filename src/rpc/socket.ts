// The rules for a Unix socket we serve on: whose it is, where it may lie, what may be replaced. Knows nothing of
// what is spoken over it.
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync, type Stats } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { atEffect } from '../linux/effect-point.ts';

/** `sun_path` of unix(7) holds 108 bytes with the NUL; longer names do not bind. */
export const maximumSocketPathBytes = 107;

/**
 * The path in `unix:///run/x.sock`, `unix:/run/x.sock` or `/run/x.sock`.
 * @throws {DriverError} config-invalid when it is none of these, relative, or too long for the kernel.
 */
export function parseSocketAddress(address: string): string {
  const socketPath = address.replace(/^unix:\/\/(?=\/)|^unix:(?!\/\/)/, '');
  if (!path.isAbsolute(socketPath) || socketPath.includes('\0')) {
    throw new DriverError(
      'config-invalid',
      `${JSON.stringify(address)} is not a socket address; give unix:///path/to.sock or an absolute path`,
    );
  }
  const lengthBytes = Buffer.byteLength(socketPath);
  if (lengthBytes > maximumSocketPathBytes) {
    throw new DriverError(
      'config-invalid',
      `${socketPath} is too long for a socket: ${lengthBytes} bytes, where Linux takes ${maximumSocketPathBytes}`,
    );
  }
  return socketPath;
}

export interface SocketFolderOptions {
  /**
   * Take the folder's rights from everybody else (0700) when the socket is all it holds. A folder made by
   * kubelet for a hostPath is 0755; one with other content, such as /run, is never touched.
   */
  readonly makeFolderPrivate?: boolean;
}

/**
 * Makes a path free to bind: its folder exists, is ours and closed to others' writes; a socket that nobody
 * serves any more is removed.
 * @throws {DriverError} socket-refused when something else is there, or somebody serves it.
 */
export async function claimSocketPath(socketPath: string, options: SocketFolderOptions = {}): Promise<void> {
  claimFolder(socketPath, options);
  const found = statOf(socketPath);
  if (found === undefined) return;
  if (!found.isSocket()) refuse(socketPath, 'is not a socket', 'move it away or configure another path');
  if (found.uid !== ownUid()) {
    refuse(
      socketPath,
      `belongs to uid ${found.uid}, not to ${ownUid()}`,
      'remove it or configure another path',
    );
  }
  if (await isServed(socketPath)) {
    refuse(socketPath, 'is served by another process', 'stop that process first');
  }
  atEffect('remove socket', () => rmSync(socketPath, { force: true }));
}

/**
 * Gives the socket to its owner alone; to be called right after binding. Nothing removes it again: closing a listener
 * does (libuv unlinks the path), and whatever is there later belongs to a successor.
 */
export function protectSocket(socketPath: string): void {
  atEffect('protect socket', () => chmodSync(socketPath, 0o600));
}

/** Whether a process accepts connections on the socket. */
function isServed(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = net.connect(socketPath);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    // ECONNREFUSED: bound once, served no more. ENOENT: gone meanwhile. Anything else (a full backlog, EACCES)
    // means that somebody is there.
    connection.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

function claimFolder(socketPath: string, options: SocketFolderOptions): void {
  const folder = path.dirname(socketPath);
  try {
    mkdirSync(path.dirname(folder), { recursive: true, mode: 0o755 });
    if (statOf(folder) === undefined)
      atEffect('mkdir socket folder', () => mkdirSync(folder, { mode: 0o700 }));
  } catch (cause) {
    throw new DriverError('socket-refused', `the folder of the socket ${socketPath} cannot be made`, {
      cause,
    });
  }
  const found = lstatSync(folder);
  if (!found.isDirectory()) refuse(folder, 'is not a directory', 'configure another path for the socket');
  if (found.uid !== ownUid()) {
    refuse(folder, `belongs to uid ${found.uid}, not to ${ownUid()}`, 'configure a folder of our own');
  }
  if ((found.mode & 0o022) !== 0) {
    refuse(folder, 'can be written by others', 'use a folder with mode 0700 (chmod go-w)');
  }
  const name = path.basename(socketPath);
  const holdsMore = (): boolean => readdirSync(folder).some((entry) => entry !== name);
  if (options.makeFolderPrivate === true && (found.mode & 0o077) !== 0 && !holdsMore()) {
    chmodSync(folder, 0o700);
  }
}

function statOf(somePath: string): Stats | undefined {
  return lstatSync(somePath, { throwIfNoEntry: false });
}

function ownUid(): number {
  return process.geteuid?.() ?? 0;
}

function refuse(somePath: string, why: string, whatToDo: string): never {
  throw new DriverError('socket-refused', `${somePath} ${why}; ${whatToDo}`);
}
