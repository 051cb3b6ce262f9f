// Keeps a program running as an init would: when it ends it is started again, unless a file says to leave it. Must not
// know what the program is.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const shortestPauseMs = 100;
const longestPauseMs = 5_000;
/** A program that ran for so long was in order. */
const longEnoughMs = 10_000;

export interface KeptProgram {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Does what belongs to each start, once there is a process. */
  readonly started?: (pid: number) => Promise<void>;
  readonly logFile: string;
  /** Gets the number of the process, as this process sees it, while it runs. */
  readonly pidFile: string;
  /** While this file is there the program is not started; who makes it ends the program as well. */
  readonly holdFile: string;
}

/** Starts the program and from then on keeps it running, as long as this process lives. */
export async function keepRunning(program: KeptProgram): Promise<never> {
  for (const file of [program.logFile, program.pidFile, program.holdFile])
    mkdirSync(path.dirname(file), { recursive: true });
  for (let pauseMs = shortestPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    const startedAtMs = performance.now();
    if (!existsSync(program.holdFile)) await runOnce(program);
    const isHeld = existsSync(program.holdFile);
    if (isHeld || performance.now() - startedAtMs > longEnoughMs) pauseMs = shortestPauseMs;
    await delay(pauseMs);
  }
}

async function runOnce({ command, env, started, logFile, pidFile }: KeptProgram): Promise<void> {
  const [file, ...args] = command;
  if (file === undefined) throw new Error('A program needs a name.');
  const log = openSync(logFile, 'a');
  let child: ChildProcess;
  try {
    child = spawn(file, args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
      detached: true,
    });
  } finally {
    closeSync(log);
  }
  const ended = once(child, 'exit');
  if (child.pid !== undefined) {
    await started?.(child.pid);
    writeFileSync(pidFile, String(child.pid));
  }
  await ended;
  rmSync(pidFile, { force: true });
}
