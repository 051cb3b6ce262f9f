// Runs one of the project's development tools and hands back its exit status.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

export const projectRoot = path.dirname(import.meta.dirname);

/** Runs a program of node_modules/.bin (or an absolute path) in the project's root, output passed through. */
export function runTool(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): number {
  const file = path.isAbsolute(program) ? program : path.join(projectRoot, 'node_modules/.bin', program);
  const { status, error } = spawnSync(file, args, { cwd: projectRoot, stdio: 'inherit', env });
  if (error !== undefined) console.error(`${program}: ${error.message}`);
  return status ?? 1;
}
