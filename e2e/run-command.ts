// Runs a command without blocking this process, which serves what the command uses.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { projectRoot } from '../tools/run-tool.ts';

export interface CommandRun {
  readonly env?: NodeJS.ProcessEnv;
  /** Gets what it prints, at its end, instead of this terminal. */
  readonly outputFile?: string | undefined;
}

/**
 * Runs a program and passes SIGTERM on to it. Ctrl-C reaches it by itself; this process stays to clean up after it.
 * @returns the exit status, 1 when a signal ended it
 */
export async function runCommand(
  [file = '', ...args]: readonly string[],
  { env = {}, outputFile }: CommandRun,
): Promise<number> {
  const output = outputFile === undefined ? undefined : openSync(outputFile, 'a');
  const child = spawn(file, args, {
    cwd: projectRoot,
    stdio: ['inherit', output ?? 'inherit', output ?? 'inherit'],
    env: { ...process.env, ...env },
  });
  if (output !== undefined) closeSync(output);
  const stay = (): void => {};
  const pass = (): void => void child.kill('SIGTERM');
  process.on('SIGINT', stay).on('SIGTERM', pass);
  try {
    const [code] = await once(child, 'exit');
    return typeof code === 'number' ? code : 1;
  } finally {
    process.off('SIGINT', stay).off('SIGTERM', pass);
  }
}
