// Format and lint; `--write` mends what can be mended.
import { runTool } from './run-tool.ts';

process.exit(runTool('biome', ['check', '--error-on-warnings', ...process.argv.slice(2)]));
