// Lints the workflow files of the public CI with actionlint, which is built from its released module.
import { globSync } from 'node:fs';
import { buildGoProgram } from './go-program.ts';
import { projectRoot, runTool } from './run-tool.ts';

try {
  const actionlint = buildGoProgram({
    module: 'tools/check-workflows',
    tool: 'github.com/rhysd/actionlint/cmd/actionlint',
  });
  const files = globSync('.github/workflows/*.yaml', { cwd: projectRoot }).sort();
  if (files.length === 0) throw new Error('There are no workflow files in .github/workflows.');
  // Other linters are left out, so that the outcome does not depend on what a machine happens to have.
  process.exitCode = runTool(actionlint, ['-shellcheck=', '-pyflakes=', ...files]);
  if (process.exitCode === 0) console.log(`${files.length} workflow files are in order`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
