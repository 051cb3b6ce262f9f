// Runs the famfs programs: the one place in the driver that does. Each method checks its values, runs one program and
// hands back a judged outcome; reading back what was done, queues and locks are the mounter's.
import { DriverError, type Reason } from '../errors.ts';
import { type CommandOptions, type CommandResult, runCommand } from '../linux/child-process.ts';
import { errorCodeOf } from '../linux/syscall-error.ts';
import {
  type CommandName,
  commandLine,
  type FamfsRequest,
  type MountRequest,
  makesMount,
  subjectOf,
} from './command-line.ts';
import {
  type CommandLocation,
  type LocatedCommand,
  locateCommand,
  requireFreshShadow,
} from './command-location.ts';
import { type FamfsMode, modeEnvironment } from './famfs-mode.ts';
import { runBesideLockKeeper } from './lock-keeper.ts';
import { classify, type Outcome, type OutcomeOf } from './outcome.ts';

/** A command that has ended, for logs and figures. `result` is absent when the program could not be started. */
export interface FinishedCommand {
  readonly request: FamfsRequest;
  readonly outcome: Outcome<unknown>;
  readonly result?: CommandResult;
  /** whether the lock that was passed would have outlived this process */
  readonly lockKept: boolean;
}

export interface FamfsCommandsOptions {
  readonly mode: FamfsMode;
  readonly location: CommandLocation;
  /** the folder of `famfs`, `mkfs.famfs` and `famfs_fused` in that location; its PATH is searched when absent */
  readonly famfsBinDir?: string;
  /** told of every command that was started, or could not be */
  readonly onFinished?: (finished: FinishedCommand) => void;
  /** the shortest time a command that mounts is given, 150 s unless a test with a program that hangs says less */
  readonly minMountTimeoutMs?: number;
}

export interface RunOptions {
  /** after this long the command is killed; each command has a default */
  readonly timeoutMs?: number;
  /**
   * Ends a logplay, cp, flush, verify or fsck of a mounted pool. mount, mkfs, mkdir, creat and fsck of a device are
   * not begun when it is aborted already, and are left alone once begun: killed half way they leave a mount, a
   * daemon or a phantom behind, and whoever waited can stop waiting without that.
   */
  readonly signal?: AbortSignal;
  /** an open descriptor of the pool's lock, held until the command has ended even if this process ends before */
  readonly lockFd?: number;
}

export interface MountRunOptions extends RunOptions {
  /** starts the command in place of runCommand, so that its daemon lives in a cgroup or unit of its own */
  readonly launch?: CommandLauncher;
}

/** Runs a command to its end with these options; their `onSpawn` is to be called, or the lock is not kept. */
export type CommandLauncher = (command: LocatedCommand, options: CommandOptions) => Promise<CommandResult>;

/** A request without its name, which the method gives. */
export type Wish<Name extends CommandName> =
  Extract<FamfsRequest, { name: Name }> extends infer Request
    ? Request extends unknown
      ? Omit<Request, 'name'>
      : never
    : never;

/** famfs itself takes over two minutes before it gives up a mount (reference 1.2). */
const minMountTimeoutMs = 150_000;
const defaultTimeoutsMs: Readonly<Record<CommandName, number>> = {
  mkfs: 180_000,
  mount: 180_000,
  'dummy-mount': 180_000,
  logplay: 120_000,
  mkdir: 60_000,
  creat: 60_000,
  cp: 600_000,
  fsck: 180_000,
  flush: 120_000,
  verify: 600_000,
};
const maxOutputBytes = 256 << 10;

interface Ran {
  readonly result: CommandResult;
  readonly lockKept: boolean;
}

/**
 * The famfs programs of one node. Always with `--fuse` or `--nofuse` where a subcommand takes it and FAMFS_MODE for
 * the others, umask 0, working directory `/`, one file a command.
 *
 * Every method throws DriverError `invalid-argument`, `path-too-long`, `cancelled` or `config-invalid` before anything
 * ran, and never afterwards: what happened then is the outcome.
 */
export class FamfsCommands {
  readonly #options: FamfsCommandsOptions;

  constructor(options: FamfsCommandsOptions) {
    this.#options = options;
  }

  /** Formats a device. The outcome carries the new superblock, its UUID included; read it back before trusting it. */
  mkfs(wish: Wish<'mkfs'>, options: RunOptions = {}): Promise<OutcomeOf<'mkfs'>> {
    return this.#run({ ...wish, name: 'mkfs' }, options);
  }

  /** Mounts a pool and replays its log. A failed outcome says whether a mount may remain (reference 1.2). */
  async mount(wish: Wish<'mount'>, options: MountRunOptions = {}): Promise<OutcomeOf<'mount'>> {
    const request: MountRequest = { ...wish, name: 'mount' };
    commandLine(request, this.#options.mode);
    if (request.shadowPath !== undefined && this.#options.mode === 'fuse') {
      await requireFreshShadow(this.#options.location, request.shadowPath);
    }
    return this.#run(request, options);
  }

  /** Mounts a device below /tmp for a look at its superblock. The caller unmounts it and removes what is left. */
  dummyMount(wish: Wish<'dummy-mount'>, options: MountRunOptions = {}): Promise<OutcomeOf<'dummy-mount'>> {
    return this.#run({ ...wish, name: 'dummy-mount' }, options);
  }

  /** Makes what is new in the log visible on this node. A squatted name is skipped without a word: check the paths. */
  logplay(wish: Wish<'logplay'>, options: RunOptions = {}): Promise<OutcomeOf<'logplay'>> {
    return this.#run({ ...wish, name: 'logplay' }, options);
  }

  /** Makes a directory. Success is silent, so the outcome is at best `unproven`: read the log. */
  mkdir(wish: Wish<'mkdir'>, options: RunOptions = {}): Promise<OutcomeOf<'mkdir'>> {
    return this.#run({ ...wish, name: 'mkdir' }, options);
  }

  /** Makes a file. Success is silent, so without a seed the outcome is at best `unproven`: read the log. */
  creat(wish: Wish<'creat'>, options: RunOptions = {}): Promise<OutcomeOf<'creat'>> {
    return this.#run({ ...wish, name: 'creat' }, options);
  }

  /** Copies one file into the pool. It is visible to other nodes before its contents are complete (reference 1.5). */
  cp(wish: Wish<'cp'>, options: RunOptions = {}): Promise<OutcomeOf<'cp'>> {
    return this.#run({ ...wish, name: 'cp' }, options);
  }

  /** Checks a pool, mounted or not. A failed outcome carries the report as `details` whenever there was one. */
  fsck(wish: Wish<'fsck'>, options: RunOptions = {}): Promise<OutcomeOf<'fsck'>> {
    const request: FamfsRequest =
      wish.device === undefined
        ? { name: 'fsck', mountPoint: wish.mountPoint }
        : { name: 'fsck', device: wish.device };
    return this.#run(request, options);
  }

  /** Writes back or drops the processor's copy of a file. Says "done" of any readable file, in a pool or not. */
  flush(wish: Wish<'flush'>, options: RunOptions = {}): Promise<OutcomeOf<'flush'>> {
    return this.#run({ ...wish, name: 'flush' }, options);
  }

  /** Checks the contents of a file made by `creat` with the same seed. */
  verify(wish: Wish<'verify'>, options: RunOptions = {}): Promise<OutcomeOf<'verify'>> {
    return this.#run({ ...wish, name: 'verify' }, options);
  }

  async #run<Name extends CommandName>(
    request: Extract<FamfsRequest, { name: Name }>,
    options: MountRunOptions,
  ): Promise<OutcomeOf<Name>> {
    const { mode, location, famfsBinDir, onFinished } = this.#options;
    const command = locateCommand(commandLine(request, mode), location, famfsBinDir);
    if (options.signal?.aborted) throw cancelledBefore(request, options.signal);
    let ran: Ran;
    try {
      ran = await this.#execute(command, request, options);
    } catch (error) {
      const outcome = notStarted(request, command, error);
      onFinished?.({ request, outcome, lockKept: false });
      return outcome;
    }
    const context = {
      name: request.name as Name,
      subject: subjectOf(request),
      makesMount: makesMount(request),
    };
    const outcome = classify(context, ran.result);
    onFinished?.({ request, outcome, ...ran });
    return outcome;
  }

  async #execute(command: LocatedCommand, request: FamfsRequest, options: MountRunOptions): Promise<Ran> {
    const { signal, lockFd, launch = runHere } = options;
    const base: CommandOptions = {
      env: { FAMFS_MODE: modeEnvironment[this.#options.mode] },
      umask: 0,
      timeoutMs: this.#timeoutMs(request, options.timeoutMs),
      maxOutputBytes,
      label: request.name,
      ...(signal === undefined || finishesOnceBegun(request) ? {} : { signal }),
    };
    const run = (all: CommandOptions): Promise<CommandResult> => launch(command, all);
    if (lockFd === undefined) return { result: await run(base), lockKept: false };
    // A daemon inherits all that famfs has and would hold the lock for as long as the pool is mounted.
    if (this.#options.mode === 'fuse' && makesMount(request)) {
      return await runBesideLockKeeper(run, base, lockFd);
    }
    return { result: await run({ ...base, inheritFds: [lockFd] }), lockKept: true };
  }

  #timeoutMs(request: FamfsRequest, asked: number | undefined): number {
    const timeoutMs = asked ?? defaultTimeoutsMs[request.name];
    if (!makesMount(request)) return timeoutMs;
    return Math.max(timeoutMs, this.#options.minMountTimeoutMs ?? minMountTimeoutMs);
  }
}

function runHere({ argv }: LocatedCommand, options: CommandOptions): Promise<CommandResult> {
  const [file, ...args] = argv;
  return runCommand(file, args, options);
}

function finishesOnceBegun(request: FamfsRequest): boolean {
  return makesMount(request) || request.name === 'mkdir' || request.name === 'creat';
}

function cancelledBefore(request: FamfsRequest, signal: AbortSignal): DriverError {
  if (signal.reason instanceof DriverError) return signal.reason;
  const message = `${subjectOf(request)} was not begun because the caller had withdrawn.`;
  return new DriverError('cancelled', message, { cause: signal.reason });
}

function reasonNotStarted(code: string | undefined, file: string): { reason: Reason; advice: string } {
  if (code === 'ENOENT' && file === 'nsenter') {
    return { reason: 'config-invalid', advice: 'Install nsenter of util-linux beside the mounter.' };
  }
  if (code === 'ENOENT' || code === 'ENOEXEC') {
    const advice = 'Install famfs there, or tell the driver the folder that holds its programs.';
    return { reason: 'famfs-missing', advice };
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return { reason: 'permission-missing', advice: 'Make the program executable for the mounter.' };
  }
  if (code === 'EAGAIN' || code === 'ENOMEM' || code === 'EMFILE' || code === 'ENFILE') {
    return {
      reason: 'resource-exhausted',
      advice: 'Give the mounter more processes, memory or descriptors.',
    };
  }
  return { reason: 'internal', advice: 'Look into the log of the mounter.' };
}

function notStarted(request: FamfsRequest, command: LocatedCommand, error: unknown): Outcome<never> {
  const [file] = command.argv;
  const code = errorCodeOf(error);
  const { reason, advice } = reasonNotStarted(code, file);
  const message = `${subjectOf(request)} failed: ${file} could not be started (${code ?? String(error)}). ${advice}`;
  return {
    kind: 'failed',
    error: new DriverError(reason, message, { cause: error, details: { command: request.name } }),
    causes: [],
    leftovers: { mountMayRemain: false },
  };
}
