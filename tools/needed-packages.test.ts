import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

const module = path.join(import.meta.dirname, 'needed-packages.ts');
const needsRoot = process.getuid?.() === 0 ? false : 'only root may install packages';

/** An apt-get that notes how it is called, and fails the first time. */
const script = `#!/bin/sh
echo "$@" >> "$APT_CALLS"
case "$1 $(grep -c ^install "$APT_CALLS")" in "install 1") echo no lists >&2; exit 100;; esac
`;

describe('packages that a tool needs', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'needed-packages-'));
    writeFileSync(path.join(folder, 'apt-get'), script);
    chmodSync(path.join(folder, 'apt-get'), 0o755);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function install(missing: readonly string[], { forbid = false } = {}) {
    const code = `
      import { forbidInstalling, installPackages } from ${JSON.stringify(module)};
      ${forbid ? 'forbidInstalling();' : ''}
      try { installPackages(${JSON.stringify(missing)}, 'The cluster', console.log); }
      catch (error) { console.log(error.message); process.exitCode = 1; }`;
    const calls = path.join(folder, 'calls');
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', code], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${folder}:${process.env.PATH}`, APT_CALLS: calls },
    });
    const called = existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : [];
    return { status, said: stdout, called };
  }

  it('are installed when they are missing, with new lists where the old ones do not do', {
    skip: needsRoot,
  }, () => {
    const { status, said, called } = install(['runc', 'tar']);
    assert.deepEqual([status, said], [0, 'installing Debian packages, which stay: runc tar …\n']);
    assert.deepEqual(
      called.map((call) => call.split(' ')[0]),
      ['install', 'update', 'install'],
    );
    assert.match(called[2] ?? '', /--no-install-recommends runc tar$/);
  });

  it('are left alone where that is asked for, and the command is told', () => {
    const { status, said, called } = install(['runc', 'tar'], { forbid: true });
    assert.deepEqual([status, called], [1, []]);
    assert.match(
      said,
      /^The cluster needs .*: runc, tar\. As root, run\n {2}apt-get install --yes --no-install-recommends runc tar\n$/,
    );
  });

  it('are nothing to anybody when they are there', () => {
    assert.deepEqual(install([], { forbid: true }), { status: 0, said: '', called: [] });
  });
});
