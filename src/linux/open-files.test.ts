import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { processesWithOpen } from './open-files.ts';

describe('processesWithOpen', () => {
  it('names whoever has a file open, for as long as it has', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-open-'));
    try {
      const file = path.join(folder, 'file');
      writeFileSync(file, '');
      const open = async (): Promise<number[]> =>
        (await processesWithOpen((each) => each === file)).map(({ pid }) => pid);
      assert.deepEqual(await open(), []);
      const fd = openSync(file, 'r');
      assert.deepEqual(await open(), [process.pid]);
      closeSync(fd);
      assert.deepEqual(await open(), []);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
