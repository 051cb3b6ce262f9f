import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { buildGoProgram, goVersion } from './go-program.ts';

const skip = goVersion() === undefined ? 'Go is not installed' : false;

describe('a Go program', { skip }, () => {
  let module: string;
  let cache: string;
  beforeEach(() => {
    module = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-go-'));
    cache = path.join(module, 'cache');
    writeFileSync(path.join(module, 'go.mod'), 'module example.test/greet\n\ngo 1.26\n');
    write('hello');
  });
  afterEach(() => rmSync(module, { recursive: true }));

  function write(greeting: string): void {
    const source = `package main\n\nimport "os"\n\nfunc main() { _, _ = os.Stdout.WriteString(${JSON.stringify(greeting)}) }\n`;
    writeFileSync(path.join(module, 'main.go'), source);
  }

  test('is built once as long as nothing in it changes', () => {
    const first = buildGoProgram({ module }, cache);
    const builtAtMs = statSync(first).mtimeMs;
    assert.equal(buildGoProgram({ module }, cache), first);
    assert.equal(statSync(first).mtimeMs, builtAtMs);
    assert.equal(execFileSync(first, { encoding: 'utf8' }), 'hello');
  });

  test('is built by other requirements beside the one of the usual ones', () => {
    const usual = buildGoProgram({ module }, cache);
    writeFileSync(path.join(module, 'go-older.mod'), 'module example.test/older\n\ngo 1.26\n');
    const older = buildGoProgram({ module, modFile: 'go-older.mod' }, cache);
    assert.ok(existsSync(usual));
    for (const [executable, builtAs] of [
      [usual, 'greet'],
      [older, 'older'],
    ] as const) {
      const told = execFileSync('go', ['version', '-m', executable], { encoding: 'utf8' });
      assert.match(told, new RegExp(`example\\.test/${builtAs}`));
    }
    const builtAtMs = statSync(older).mtimeMs;
    assert.equal(buildGoProgram({ module, modFile: 'go-older.mod' }, cache), older);
    assert.equal(statSync(older).mtimeMs, builtAtMs);
  });

  test('is built once when two processes want it at the same time', async (t) => {
    const script = `
      import { buildGoProgram } from ${JSON.stringify(path.join(import.meta.dirname, 'go-program.ts'))};
      console.log(buildGoProgram({ module: ${JSON.stringify(module)} }, ${JSON.stringify(cache)}));
    `;
    // Says so when it is run, which takes some time, so that the other process comes in between.
    // Beside the module, whose files are what a build is known by.
    const aside = `${module}-aside`;
    mkdirSync(aside);
    t.after(() => rmSync(aside, { recursive: true }));
    const notes = path.join(aside, 'notes');
    const compiler = execFileSync('sh', ['-c', 'command -v go'], { encoding: 'utf8' }).trim();
    writeFileSync(
      path.join(aside, 'go'),
      `#!/bin/sh\n[ "$1" != build ] || echo built >> '${notes}'\nexec '${compiler}' "$@"\n`,
      { mode: 0o755 },
    );
    const env = { ...process.env, PATH: `${aside}:${process.env.PATH}` };
    const argv = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script];
    const runs = [1, 2].map(() => promisify(execFile)(process.execPath, argv, { env }));
    const said = await Promise.all(runs.map(async (run) => (await run).stdout));
    assert.equal(said[0], said[1]);
    assert.equal(readFileSync(notes, 'utf8'), 'built\n');
  });

  test('is built anew when its source has changed, and the old one is not kept', () => {
    const first = buildGoProgram({ module }, cache);
    write('good day');
    const second = buildGoProgram({ module }, cache);
    assert.notEqual(second, first);
    assert.equal(execFileSync(second, { encoding: 'utf8' }), 'good day');
    assert.ok(!existsSync(first));
    assert.deepEqual(readdirSync(cache), [path.basename(second)]);
  });

  test('is built with the flags that it names, and anew for others', () => {
    const source = 'package main\n\nvar name = "nobody"\n\nfunc main() { print(name) }\n';
    writeFileSync(path.join(module, 'main.go'), source);
    const named = (name: string): string => {
      const built = buildGoProgram({ module, flags: [`-ldflags=-X main.name=${name}`] }, cache);
      return spawnSync(built, { encoding: 'utf8' }).stderr;
    };
    assert.equal(named('alice'), 'alice');
    assert.equal(named('bob'), 'bob');
  });

  test('that does not compile is refused with what the compiler says', () => {
    writeFileSync(path.join(module, 'main.go'), 'package main\n\nfunc main() { undefinedThing() }\n');
    assert.throws(() => buildGoProgram({ module }, cache), /undefined: undefinedThing/);
    assert.deepEqual(readdirSync(cache), []);
  });
});
