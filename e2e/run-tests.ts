// Runs test files with an environment, without blocking this process: it serves what they use.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../tools/run-tool.ts';
import type { TestFiles } from '../tools/test-files.ts';
import { cachedCompilation } from '../tools/test-programs.ts';

export interface TestRun extends TestFiles {
  readonly env: NodeJS.ProcessEnv;
  /** Makes of a command one that runs where the tests have to. */
  readonly around?: (command: readonly string[]) => readonly string[];
  /** Gets what they print, instead of this terminal. */
  readonly outputFile?: string;
}

/** @returns the exit status, 1 when a signal ended it */
export async function runTests(testRun: TestRun): Promise<number> {
  const { env, around, outputFile, ...files } = testRun;
  const main = path.join(import.meta.dirname, 'test-files-main.ts');
  const tests = [process.execPath, '--disable-warning=ExperimentalWarning', main, JSON.stringify(files)];
  const [file = '', ...args] = around?.(tests) ?? tests;
  const output = outputFile === undefined ? undefined : openSync(outputFile, 'a');
  const child = spawn(file, args, {
    cwd: projectRoot,
    stdio: ['inherit', output ?? 'inherit', output ?? 'inherit'],
    env: { ...process.env, ...cachedCompilation(), ...env },
  });
  if (output !== undefined) closeSync(output);
  // Ctrl-C reaches the tests by itself; this process stays to clean up after them.
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
