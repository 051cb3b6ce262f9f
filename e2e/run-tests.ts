// Runs test files with an environment, without blocking this process: it serves what they use.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { projectRoot } from '../tools/run-tool.ts';
import { cachedCompilation } from '../tools/test-programs.ts';

export interface TestRun {
  readonly files: readonly string[];
  readonly namePattern?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** How many files are run at a time. */
  readonly concurrency?: number;
  /** Of a file. */
  readonly timeoutMs?: number;
  /** Makes of a command one that runs where the tests have to. */
  readonly around?: (command: readonly string[]) => readonly string[];
}

/** @returns the exit status, 1 when a signal ended it */
export async function runTests(run: TestRun): Promise<number> {
  const { files, namePattern, env, concurrency = 2, timeoutMs = 240_000, around } = run;
  const tests = [
    ...[process.execPath, '--disable-warning=ExperimentalWarning', '--test'],
    ...[`--test-concurrency=${concurrency}`, `--test-timeout=${timeoutMs}`],
    ...(namePattern === undefined ? [] : [`--test-name-pattern=${namePattern}`]),
    ...files,
  ];
  const [file = '', ...args] = around?.(tests) ?? tests;
  const child = spawn(file, args, {
    cwd: projectRoot,
    stdio: 'inherit',
    env: { ...process.env, ...cachedCompilation(), ...env },
  });
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
