// Type check of the whole tree.
import { runTool } from './run-tool.ts';

process.exit(runTool('tsc', ['--project', 'tsconfig.json', ...process.argv.slice(2)]));
