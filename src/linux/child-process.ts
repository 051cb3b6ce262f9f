// Runs one program to its end and reports what it said. Knows no program and judges no exit status. A child that
// even SIGKILL cannot end is given up, because the caller has a deadline and the kernel has none.
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { execa } from 'execa';
import { afterEffect, beforeEffect, effectEnvironment } from './effect-point.ts';
import { errorNumber, SyscallError } from './syscall-error.ts';

export interface CommandOptions {
  /** Added to the fixed environment (LC_ALL=C and a system PATH); nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** The child's working directory; `/` unless given, so that no child keeps a mount busy by standing in it. */
  readonly cwd?: string;
  /** After this long the whole process group is sent SIGKILL. No limit unless given. */
  readonly timeoutMs?: number;
  /** Aborting is like reaching the deadline, but is reported as `aborted`. */
  readonly signal?: AbortSignal;
  /** Open descriptors of this process that become descriptors 3, 4, … of the child, in this order. */
  readonly inheritFds?: readonly number[];
  /** How much of stdout and of stderr is kept, 1 MiB each unless given; the rest is read and dropped. */
  readonly maxOutputBytes?: number;
  /** The child's file mode creation mask; this process's unless given. Main thread only. */
  readonly umask?: number;
  /** Written to the child's standard input, which is /dev/null otherwise. */
  readonly input?: string;
  /** Told the process id as soon as there is one. When it throws, the child is killed and the error passed on. */
  readonly onSpawn?: (pid: number) => void;
  /** What effect points call it (effect-point.ts); the program's name unless given. */
  readonly label?: string;
}

export interface CommandResult {
  /** null when a signal ended the child, or nothing did */
  readonly exitCode: number | null;
  /** the signal that ended the child, `SIGKILL` at the deadline */
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** whether `maxOutputBytes` cut something off */
  readonly outputTruncated: boolean;
  readonly timedOut: boolean;
  readonly aborted: boolean;
  /** the child survived SIGKILL (uninterruptible sleep): it still runs, and still holds what it inherited */
  readonly abandoned: boolean;
  readonly durationMs: number;
  /** null when the signal was aborted before the child was started */
  readonly pid: number | null;
}

/** The environment every command starts from. */
export const commandEnvironment: Readonly<Record<string, string>> = {
  LC_ALL: 'C',
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};

const defaultMaxOutputBytes = 1 << 20;
/** SIGKILL takes effect in milliseconds, or not at all. */
const killGraceMs = 1000;

interface Child {
  readonly process: ChildProcess;
  readonly pid: number | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** execa's account of the end: settles when the last holder of the pipes has gone, which a daemon can be */
  readonly result: Promise<{ readonly code?: string | undefined }>;
}

/**
 * Runs `file` (an absolute path, or a name found on the fixed PATH) with `args`, never through a shell, in a process
 * group of its own. Resolves whatever the exit status is, once the child has ended or was given up; a daemon that the
 * child leaves behind with its output open is not waited for. The child is not ended when this process is.
 *
 * When `abandoned`, the child still exists. A lock passed in `inheritFds` is then still held, as it should be.
 * @throws SyscallError (`spawn`) when the program could not be started: ENOENT, EACCES, EAGAIN, …
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const startedAt = performance.now();
  if (options.signal?.aborted) return neverStarted();
  const what = options.label ?? path.basename(file);
  beforeEffect(`spawn ${what}`);
  const child = startChild(file, args, options);
  const { pid } = child;
  if (pid === undefined) throw await spawnError(file, child);
  afterEffect(`spawn ${what}`);
  child.result.catch(() => undefined);
  const stdout = collect(child.stdout, options.maxOutputBytes ?? defaultMaxOutputBytes);
  const stderr = collect(child.stderr, options.maxOutputBytes ?? defaultMaxOutputBytes);
  try {
    options.onSpawn?.(pid);
  } catch (error) {
    killGroup(pid);
    throw error;
  }
  const ending = await waitForEnd(child, pid, options);
  afterEffect(`exit of ${what}`);
  if (!ending.abandoned) await drain([stdout, stderr]);
  release(child, ending.abandoned);
  return {
    ...ending,
    stdout: stdout.text(),
    stderr: stderr.text(),
    outputTruncated: stdout.isTruncated() || stderr.isTruncated(),
    durationMs: performance.now() - startedAt,
    pid,
  };
}

function neverStarted(): CommandResult {
  return {
    exitCode: null,
    signal: null,
    stdout: '',
    stderr: '',
    outputTruncated: false,
    timedOut: false,
    aborted: true,
    abandoned: false,
    durationMs: 0,
    pid: null,
  };
}

function startChild(file: string, args: readonly string[], options: CommandOptions): Child {
  const { input, inheritFds = [] } = options;
  const subprocess = withUmask(options.umask, () =>
    execa(file, args, {
      env: { ...commandEnvironment, ...effectEnvironment(), ...options.env },
      extendEnv: false,
      cwd: options.cwd ?? '/',
      detached: true,
      cleanup: false,
      buffer: false,
      reject: false,
      ...(input === undefined ? {} : { input }),
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...inheritFds.map(asStdio)],
    }),
  );
  const { nodeChildProcess, pid, stdout, stderr } = subprocess;
  return { process: nodeChildProcess, pid, stdout, stderr, result: subprocess };
}

/** execa takes every open descriptor, but its types list those of one digit only. */
function asStdio(fd: number): 3 {
  return fd as 3;
}

/**
 * Node gives a child the umask of this process, so the mask is switched around the spawn, which is synchronous: no
 * other JavaScript of this thread can run in between. Node's pool threads share the mask, however: a file that
 * `node:fs` creates asynchronously in that millisecond gets the child's mask. That is safe as long as every file
 * this process creates is created with the mode it shall have (0600, 0700), which is a rule of this project, and
 * because worker threads cannot switch the mask at all: `process.umask` throws there.
 */
function withUmask<T>(umask: number | undefined, spawn: () => T): T {
  if (umask === undefined) return spawn();
  const previous = process.umask(umask);
  try {
    return spawn();
  } finally {
    process.umask(previous);
  }
}

async function spawnError(file: string, child: Child): Promise<Error> {
  const result = await child.result;
  const errno = result.code === undefined ? 0 : errorNumber(result.code);
  if (errno === 0) return result instanceof Error ? result : new Error(`${file} could not be started`);
  return new SyscallError('spawn', errno, file, { cause: result });
}

interface Collected {
  readonly text: () => string;
  readonly isTruncated: () => boolean;
  /** grows with every byte that arrives, dropped ones included */
  readonly receivedBytes: () => number;
  readonly isEnded: () => boolean;
}

function collect(stream: Readable, maxBytes: number): Collected {
  const chunks: Buffer[] = [];
  let keptBytes = 0;
  let receivedBytes = 0;
  let ended = false;
  stream.on('data', (chunk: Buffer) => {
    receivedBytes += chunk.length;
    const kept = chunk.subarray(0, maxBytes - keptBytes);
    if (kept.length === 0) return;
    keptBytes += kept.length;
    chunks.push(kept);
  });
  stream.on('error', () => {
    ended = true;
  });
  stream.on('close', () => {
    ended = true;
  });
  return {
    text: () => Buffer.concat(chunks).toString('utf8'),
    isTruncated: () => receivedBytes > keptBytes,
    receivedBytes: () => receivedBytes,
    isEnded: () => ended,
  };
}

type Ending = Pick<CommandResult, 'exitCode' | 'signal' | 'timedOut' | 'aborted' | 'abandoned'>;

/** Waits for the exit of the child itself, ends its group when it takes too long, and gives up when that fails. */
function waitForEnd(child: Child, pid: number, options: CommandOptions): Promise<Ending> {
  return new Promise((resolve) => {
    let cause: 'deadline' | 'abort' | undefined;
    let giveUp: NodeJS.Timeout | undefined;
    const kill = (why: 'deadline' | 'abort'): void => {
      if (cause !== undefined) return;
      cause = why;
      killGroup(pid);
      giveUp = setTimeout(() => settle(null, null, true), killGraceMs);
    };
    const onAbort = (): void => kill('abort');
    const deadline =
      options.timeoutMs === undefined ? undefined : setTimeout(() => kill('deadline'), options.timeoutMs);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    // `onSpawn` may have aborted it already, and a signal tells that only once.
    if (options.signal?.aborted) onAbort();
    const settle = (exitCode: number | null, signal: string | null, abandoned: boolean): void => {
      clearTimeout(deadline);
      clearTimeout(giveUp);
      options.signal?.removeEventListener('abort', onAbort);
      resolve({ exitCode, signal, timedOut: cause === 'deadline', aborted: cause === 'abort', abandoned });
    };
    child.process.once('exit', (exitCode, signal) => settle(exitCode, signal, false));
  });
}

/** The group cannot be another's: it is ours as long as its leader is not reaped, which `exit` reports. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // ESRCH: everyone in it has ended on their own and `exit` is about to say so.
  }
}

/**
 * Reads on until what the child wrote before its end has arrived. Its end may be reported before the last of its
 * output; but whatever it wrote is in the pipe by then, and the loop reads a readable pipe in each of its turns.
 * So two turns without a byte mean empty pipes, though someone else may hold them open.
 */
async function drain(outputs: readonly Collected[]): Promise<void> {
  for (let quietTurns = 0; quietTurns < 2; ) {
    if (outputs.every((output) => output.isEnded())) return;
    const before = outputs.map((output) => output.receivedBytes());
    await nextTurn();
    const isQuiet = outputs.every((output, index) => output.receivedBytes() === before[index]);
    quietTurns = isQuiet ? quietTurns + 1 : 0;
  }
}

/** Lets go of the pipes; a child that could not be ended must not keep this process alive either. */
function release(child: Child, abandoned: boolean): void {
  child.process.stdin?.destroy();
  child.stdout.destroy();
  child.stderr.destroy();
  if (abandoned) child.process.unref();
}
