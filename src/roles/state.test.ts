// What `famfs-csi state` says where no mounter answers. What it shows of one that does: test/end-to-end.test.ts.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { sourceProgram } from '../../test/driver-process.ts';
import { runCommand } from '../linux/child-process.ts';

test('a mounter that does not answer is told in a sentence, with what to do', async (context) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-state-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const socket = path.join(folder, 'mounter.sock');
  const [file = '', ...program] = sourceProgram;
  for (const options of [[], ['--json']]) {
    const argv = [...program, 'state', ...options, `--mounter-socket=${socket}`];
    const { exitCode, stdout, stderr } = await runCommand(file, argv);
    assert.equal(exitCode, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^famfs-csi state: .*nobody answers on .*mounter\.sock.*\n.*--mounter-socket.*\n$/);
  }
});
