// A log whose CRCs are right and whose names are hostile: refused, or shown with nothing in it that a terminal obeys.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { directoryLayout, encodeLogEntry, entryCrcOffset } from '../src/famfs/log-entry.ts';
import { encodeLogHeader } from '../src/famfs/log-header.ts';
import { emptyLogHeader } from '../src/famfs/log-writer.ts';
import { encodeSuperblock } from '../src/famfs/superblock.ts';
import { runInspect } from '../src/roles/inspect.ts';
import { hostileStrings } from './hostile-strings.ts';
import { directory, logLengthBytes, superblock } from './memory-pool.ts';

const pathBytes = 80;
let folder: string;

before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'hostile-logs-'));
});
after(() => rmSync(folder, { recursive: true }));

/** What may stand in a log as its only entry: whatever has a directory above it lacks that one. */
function mayBeLogged(text: string): boolean {
  if (['', '.', '..', '.meta'].includes(text) || text.includes('/')) return false;
  return Buffer.byteLength(text) <= 78 && [...text].every((each) => each >= ' ' && each !== '\u007f');
}

/** A pool with one directory of that name; a NUL ends it, as it does for famfs. */
function writePool(name: Uint8Array, devicePath: string): void {
  const header = { ...emptyLogHeader(logLengthBytes), nextIndex: 1n, nextSequence: 1n };
  const entry = encodeLogEntry(directory('x'), 0);
  entry.fill(0, directoryLayout.path, directoryLayout.path + pathBytes);
  Buffer.from(name).copy(entry, directoryLayout.path, 0, pathBytes);
  entry.writeUInt32LE(crc32(entry.subarray(0, entryCrcOffset)), entryCrcOffset);
  writeFileSync(path.join(folder, 'superblock'), encodeSuperblock({ ...superblock, devicePath }));
  writeFileSync(path.join(folder, 'log'), Buffer.concat([encodeLogHeader(header), entry]));
}

async function shown(...options: string[]): Promise<{ status: number; text: string }> {
  let text = '';
  const stream = { write: (more: string) => (text += more) };
  const status = await runInspect([folder, ...options], { stdout: stream, stderr: stream });
  return { status, text };
}

describe('a log with right CRCs', () => {
  it('and a hostile path is refused when no log may hold it, and shown safely otherwise', async () => {
    for (const { name, bytes, text } of hostileStrings) {
      writePool(bytes, '/dev/dax0.0');
      const logged = text?.split('\0')[0];
      const good = logged !== undefined && mayBeLogged(logged);
      for (const options of [[], ['--json']]) {
        const answer = await shown(...options);
        assert.equal(answer.status, good ? 0 : 1, `${name}: ${answer.text}`);
        assert.doesNotMatch(answer.text.replaceAll('\n', ''), /\p{C}/u, name);
      }
    }
  });

  it('and a hostile device in its superblock is shown safely', async () => {
    for (const { name, text } of hostileStrings) {
      if (text === undefined || Buffer.byteLength(text) > 63) continue;
      writePool(Buffer.from('models'), text);
      const answer = await shown();
      assert.equal(answer.status, 0, `${name}: ${answer.text}`);
      assert.doesNotMatch(answer.text.replaceAll('\n', ''), /\p{C}/u, name);
    }
  });
});
