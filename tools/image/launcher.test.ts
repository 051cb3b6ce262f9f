// The image's command `famfs-csi`: which file and which words it hands to Node.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bundles } from '../bundle.ts';

const home = '/opt/famfs-csi';
let folder: string;

before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-launcher-'));
  mkdirSync(path.join(folder, 'bin'));
  // In the place of Node: tells its words, one a line, and that it is the process that was started.
  writeFileSync(path.join(folder, 'bin/node'), '#!/bin/sh\necho "pid $$"\nprintf "%s\\n" "$@"\n', {
    mode: 0o755,
  });
  const text = readFileSync(path.join(import.meta.dirname, 'famfs-csi.sh'), 'utf8');
  assert.ok(text.includes(`home=${home}\n`), 'the launcher no longer says where the program lies');
  writeFileSync(path.join(folder, 'famfs-csi'), text.replace(home, folder));
});
after(() => rmSync(folder, { recursive: true }));

/** The words that Node gets, without those for V8. */
function started(...args: string[]): string[] {
  const { stdout, pid } = spawnSync('sh', [path.join(folder, 'famfs-csi'), ...args], { encoding: 'utf8' });
  const [first, ...words] = stdout.trimEnd().split('\n');
  assert.equal(first, `pid ${pid}`, 'a shell stays between the init and Node');
  return words.filter((word) => !/^--(?:max|no-concurrent)/.test(word));
}

describe('the command of the image', () => {
  test('starts each role from the bundle that holds it alone', () => {
    for (const role of ['node', 'agent', 'controller', 'mounter'])
      assert.deepEqual(started(role, '--a', 'b c'), [`${folder}/dist/${role}.cjs`, role, '--a', 'b c']);
  });

  test('starts the simulator without the word that chose it', () => {
    assert.deepEqual(started('sim', 'install', '--x=y'), [`${folder}/dist/sim.cjs`, 'install', '--x=y']);
  });

  test('leaves everything else to the bundle that holds everything, unchanged', () => {
    for (const words of [[], ['--help'], ['state', '--json'], ['*'], ['all-in-one', "it's"]])
      assert.deepEqual(started(...words), [`${folder}/dist/famfs-csi.cjs`, ...words]);
  });

  test('starts only bundles that are made', () => {
    const named = [...readFileSync(path.join(folder, 'famfs-csi'), 'utf8').matchAll(/bundle=([a-z-]+)/g)];
    const names = bundles.map(({ name }) => name);
    for (const [, name = ''] of named) assert.ok(names.includes(name), name);
    assert.equal(named.length, 2);
  });
});
