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
