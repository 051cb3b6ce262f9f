// Compares proto/csi.proto and proto/registration.proto with the released Go modules, definition by definition.
// `npm run check:proto -- --proto DIR` compares the files of another folder.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildGoProgram } from './go-program.ts';
import { projectRoot, runTool } from './run-tool.ts';

const { values } = parseArgs({ options: { proto: { type: 'string' } } });
const folder = path.resolve(values.proto ?? path.join(projectRoot, 'proto'));

try {
  process.exitCode = runTool(buildGoProgram({ module: 'tools/check-proto' }), ['--proto', folder]);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
