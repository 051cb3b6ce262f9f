// Runs test files with an environment.
import path from 'node:path';
import type { TestFiles } from '../tools/test-files.ts';
import { cachedCompilation } from '../tools/test-programs.ts';
import { runCommand } from './run-command.ts';

export interface TestRun extends TestFiles {
  readonly env: NodeJS.ProcessEnv;
  /** Makes of a command one that runs where the tests have to. */
  readonly around?: (command: readonly string[]) => readonly string[];
  /** Gets what they print, instead of this terminal. */
  readonly outputFile?: string | undefined;
}

/** @returns the exit status, 1 when a signal ended it */
export function runTests(testRun: TestRun): Promise<number> {
  const { env, around, outputFile, ...files } = testRun;
  const main = path.join(import.meta.dirname, 'test-files-main.ts');
  const tests = [process.execPath, '--disable-warning=ExperimentalWarning', main, JSON.stringify(files)];
  return runCommand(around?.(tests) ?? tests, { env: { ...cachedCompilation(), ...env }, outputFile });
}
