// The servers that are measured, each with what a client must know to have it publish: our driver (mounter and node
// as processes over a pool) and the reference peer, which publishes the very same directory.
import path from 'node:path';
import { BackgroundProcess } from '../tools/background-process.ts';
import { buildGoProgram } from '../tools/go-program.ts';

/** A CSI node server that listens, and what publishes the measured directory there. */
export interface Subject {
  readonly name: string;
  readonly socket: string;
  readonly volumeContext: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Where everything of a run lies: a tmpfs of its own, with "famfs" in its path as the mounter wants it. */
export interface Places {
  readonly folder: string;
  /** Below it every target lies. */
  readonly kubeletDir: string;
}

/** Starts the reference peer; it publishes `source`. */
export async function startPeer(places: Places, name: string, source: string): Promise<Subject> {
  const socket = path.join(places.folder, `${name.replaceAll(' ', '-')}.sock`);
  const server = new BackgroundProcess(name, buildGoProgram({ module: 'bench', package: 'peer' }), [
    '-socket',
    socket,
  ]);
  await server.waitForSocket(socket);
  return { name, socket, volumeContext: { source }, stop: () => server.stop() };
}

/** Starts a server of grpc-js that answers the call that does nothing, and no other. */
export async function startBareGrpc({ folder }: Places): Promise<Subject> {
  const name = 'grpc-js alone';
  const socket = path.join(folder, 'bare-grpc.sock');
  const program = path.join(import.meta.dirname, 'bare-grpc-main.ts');
  const words = ['--disable-warning=ExperimentalWarning', program, '--socket', socket];
  const server = new BackgroundProcess(name, process.execPath, words);
  await server.waitForSocket(socket);
  return { name, socket, volumeContext: {}, stop: () => server.stop() };
}
