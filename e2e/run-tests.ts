// Runs test files with an environment, without blocking this process: it serves what they use.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { projectRoot } from '../tools/run-tool.ts';

/** @returns the exit status, 1 when a signal ended it */
export async function runTests(
  files: readonly string[],
  namePattern: string | undefined,
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const child = spawn(
    process.execPath,
    [
      ...['--disable-warning=ExperimentalWarning', '--test', '--test-concurrency=2', '--test-timeout=240000'],
      ...(namePattern === undefined ? [] : [`--test-name-pattern=${namePattern}`]),
      ...files,
    ],
    { cwd: projectRoot, stdio: 'inherit', env: { ...process.env, ...env } },
  );
  // Ctrl-C reaches the tests by itself; this process stays to clean up after them.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}
