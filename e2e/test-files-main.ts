// The process that runs files of tests for run-tests.ts. Must not know what they test.
import { runTestFiles } from '../tools/test-files.ts';

runTestFiles(JSON.parse(process.argv[2] ?? ''));
