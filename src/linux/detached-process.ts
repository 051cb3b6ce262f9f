// Starts a process that outlives this one, and waits for the one line by which it says that it is ready. Knows no
// program. Unlike child-process.ts it loads nothing but Node's own, for commands whose start must be quick.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { afterEffect, beforeEffect, effectEnvironment } from './effect-point.ts';

export interface DetachedOptions {
  /** Program, absolute, and its arguments. */
  readonly argv: readonly string[];
  /** What the process shows as its own name (argv[0]); the program's path unless given. */
  readonly argv0?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where stdout and stderr go, appended. A pipe would end the process when this one is gone. */
  readonly logPath: string;
  /** Open descriptors of this process that become descriptors 4, 5, … of the new one. */
  readonly inheritFds?: readonly number[];
  /** Whether the line says that the process is ready. One that is not is expected to end, and is waited for. */
  readonly isReady: (line: string) => boolean;
}

/** How the start went. `line` is undefined when the process ended, or closed descriptor 3, without a word. */
export interface DetachedStart {
  readonly pid: number;
  readonly line: string | undefined;
}

/**
 * Starts a process in a session of its own, with `/` as its directory, that survives this one. It is ready when it
 * has written a line to its descriptor 3; of this process's descriptors it inherits those that are named.
 * @throws Error of `spawn` when the program cannot be started
 */
export async function startDetached(options: DetachedOptions): Promise<DetachedStart> {
  const [file, ...args] = options.argv;
  if (file === undefined) throw new TypeError('a process needs a program');
  const log = openSync(options.logPath, 'a', 0o600);
  beforeEffect('spawn daemon');
  const child = spawn(file, args, {
    argv0: options.argv0 ?? file,
    env: { ...effectEnvironment(), ...options.env },
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log, 'pipe', ...(options.inheritFds ?? [])],
  });
  closeSync(log);
  const started = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => resolve(child.pid ?? 0));
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const pid = await started;
  afterEffect('spawn daemon');
  const line = await readLine(child.stdio[3] as Readable);
  afterEffect('start of daemon');
  if (line !== undefined && options.isReady(line)) child.unref();
  else await ended;
  return { pid, line };
}

/** The first line of a stream, or undefined when it ends before one. Closes the stream. */
function readLine(stream: Readable): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const settle = (line: string | undefined): void => {
      stream.destroy();
      resolve(line);
    };
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end !== -1) settle(text.slice(0, end));
    });
    stream.once('end', () => settle(undefined));
    stream.once('error', () => settle(undefined));
  });
}
