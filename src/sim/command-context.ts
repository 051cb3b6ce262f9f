// What a simulated command runs in: its node, its caller, and where its words go. Knows no command.
import os from 'node:os';
import { openNode, type SimulatedNode } from './node.ts';

/** How a command ended. `exit` is 128 + n after a signal, as a shell shows it. */
export interface CommandOutcome {
  readonly exit: number;
  readonly signal?: 'SIGABRT' | 'SIGSEGV';
  readonly stdout: string;
  readonly stderr: string;
}

/** The real program dies here: an assertion (SIGABRT) or a bad access (SIGSEGV). */
export class ProcessDeath extends Error {
  override readonly name = 'ProcessDeath';
  readonly signal: 'SIGABRT' | 'SIGSEGV';

  constructor(signal: 'SIGABRT' | 'SIGSEGV') {
    super(`the command dies of ${signal}`);
    this.signal = signal;
  }
}

/** The surroundings of one run of a command. `print` and `complain` take a line without its newline. */
export interface CommandContext {
  readonly node: SimulatedNode;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly gid: number;
  /** What famfs believes to be the kernel; `2.6…` (setarch --uname-2.6) makes it map devices itself. */
  readonly kernelRelease: string;
  /** Where famfs makes `famfs_dummy_*` and `famfs_shadow_*`; /tmp on a real node. */
  readonly temporaryDirectory: string;
  /** What stands for the 51 seconds for which the real famfs retries an unmount. */
  readonly patienceMs: number;
  print(line: string): void;
  complain(line: string): void;
}

/** How a context differs from that of the calling process. */
export interface ContextOptions {
  readonly nodeRoot: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly kernelRelease?: string;
  readonly print: (line: string) => void;
  readonly complain: (line: string) => void;
}

const defaultPatienceSeconds = 0.5;

/**
 * The context of a command on the node at `nodeRoot`. The simulator's own settings come from the environment:
 * FAMFS_SIM_PATIENCE (seconds, default 0.5; the real famfs takes 51) and FAMFS_SIM_TMP (default: the node's own, or /tmp).
 */
export function commandContext(options: ContextOptions): CommandContext {
  const environment = options.environment ?? process.env;
  const seconds = Number(environment.FAMFS_SIM_PATIENCE ?? defaultPatienceSeconds);
  const node = openNode(options.nodeRoot);
  return {
    node,
    environment,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    kernelRelease: options.kernelRelease ?? os.release(),
    temporaryDirectory: environment.FAMFS_SIM_TMP ?? node.temporaryDirectory ?? '/tmp',
    patienceMs: 1000 * (Number.isFinite(seconds) && seconds >= 0 ? seconds : defaultPatienceSeconds),
    print: options.print,
    complain: options.complain,
  };
}

/** Ends the command as a failed assertion of the C library does (status 134). */
export function abortOnAssertion(context: CommandContext, place: string, assertion: string): never {
  context.complain(`famfs: ${place}: Assertion \`${assertion}' failed.`);
  throw new ProcessDeath('SIGABRT');
}

/** The exit status that famfs makes of a result code (famfs reference 1.0). */
export function exitStatus(result: number): number {
  return Math.min(Math.abs(result), 127);
}
