// Keeps a lock for as long as a famfs command runs, also beyond the end of this process, when the command must not
// inherit the lock itself: whatever it inherits, the daemon it starts has too, and that would hold the lock for as
// long as the pool is mounted. Knows no famfs.
import { type CommandOptions, type CommandResult, runCommand } from '../linux/child-process.ts';

/** How often the keeper looks whether the command still runs, should this process be gone. */
const lookEverySeconds = 0.2;

/** The result of a command, and whether a keeper held the lock beside it. */
export interface KeptResult {
  readonly result: CommandResult;
  readonly lockKept: boolean;
}

/**
 * Runs a command without giving it the descriptor of the lock, and beside it coreutils' `tail --pid`, which does
 * nothing but live as long as the command and holds that descriptor. When the command has ended the keeper is ended
 * too, so the lock is free as soon as the caller lets go of it. When the command was abandoned, the keeper stays.
 * Throws what `run` throws; a keeper that cannot be started makes `lockKept` false and nothing else.
 * @param run runs the command with the options it is given, and calls their `onSpawn`
 */
export async function runBesideLockKeeper(
  run: (options: CommandOptions) => Promise<CommandResult>,
  options: CommandOptions,
  lockFd: number,
): Promise<KeptResult> {
  const commandEnded = new AbortController();
  let keeper: Promise<boolean> = Promise.resolve(false);
  const keepLock = (pid: number): void => {
    const keeperArgs = [`--pid=${pid}`, `--sleep-interval=${lookEverySeconds}`, '--follow', '/dev/null'];
    keeper = runCommand('tail', keeperArgs, {
      inheritFds: [lockFd],
      signal: commandEnded.signal,
      label: 'lock keeper',
    }).then(
      ({ aborted }) => aborted,
      () => false,
    );
    options.onSpawn?.(pid);
  };
  const result = await run({ ...options, onSpawn: keepLock });
  if (result.abandoned) return { result, lockKept: true };
  commandEnded.abort();
  return { result, lockKept: await keeper };
}
