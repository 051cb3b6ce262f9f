// Runs one short program to its end while nothing else goes on, with Node alone: for set-up commands, whose start must be
// quick. Whoever serves others meanwhile, or may meet a hung mount, takes child-process.ts.
import { spawnSync } from 'node:child_process';
import { errorNumber, SyscallError } from './syscall-error.ts';

export interface ShortCommandOptions {
  /** After this long it is sent SIGKILL; two minutes unless given. */
  readonly timeoutMs?: number;
  /** The whole environment of the program; LC_ALL=C and a system PATH unless given. */
  readonly env?: Readonly<Record<string, string>>;
  /** Its output goes where ours does, and is not kept. */
  readonly showsOutput?: boolean;
}

export interface ShortCommandResult {
  /** null when a signal ended it */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

const defaultTimeoutMs = 120_000;
const maxOutputBytes = 1 << 20;
const systemEnvironment = {
  LC_ALL: 'C',
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};

/**
 * Runs `file` with `args`, never through a shell, with `/` as its directory, and waits for its end and for the end of its
 * output: not for a program that leaves a daemon behind with its output open.
 * @throws SyscallError (`spawn`) when it could not be started: ENOENT, EACCES, … and ETIMEDOUT at the limit
 */
export function runShortCommand(
  file: string,
  args: readonly string[],
  options: ShortCommandOptions = {},
): ShortCommandResult {
  const output = options.showsOutput === true ? 'inherit' : 'pipe';
  const { error, status, signal, stdout, stderr } = spawnSync(file, args, {
    cwd: '/',
    env: options.env ?? systemEnvironment,
    stdio: ['ignore', output, output],
    encoding: 'utf8',
    timeout: options.timeoutMs ?? defaultTimeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: maxOutputBytes,
  });
  if (error !== undefined) {
    const code = 'code' in error ? String(error.code) : '';
    throw new SyscallError('spawn', errorNumber(code), file, { cause: error });
  }
  return { exitCode: status, signal, stdout: stdout ?? '', stderr: stderr ?? '' };
}
