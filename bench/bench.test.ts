// The benchmark with little work and the peer on both sides: figures come out, and nothing stays behind.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { goVersion } from '../tools/go-program.ts';

const script = path.join(import.meta.dirname, 'bench.ts');

function run(
  args: readonly string[],
  temporaryFolder = os.tmpdir(),
): { status: number | null; stdout: string; stderr: string } {
  const argv = ['--disable-warning=ExperimentalWarning', script, ...args];
  return spawnSync(process.execPath, argv, {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: temporaryFolder },
  });
}

function whyNot(): string | false {
  if (goVersion() === undefined) return 'Go is not installed, and peer and client are Go programs';
  return process.getuid?.() === 0 ? false : 'mounting needs root';
}

describe('npm run bench', () => {
  test('tells how to use it', () => {
    const { status, stdout } = run(['--help']);
    assert.equal(status, 0);
    assert.match(stdout, /--only NAME .*mapping, publish-cycle/);
  });

  test('refuses a benchmark that is not there', () => {
    const { status, stderr } = run(['--only', 'speed-of-light']);
    assert.equal(status, 1);
    assert.match(stderr, /there is no benchmark "speed-of-light"/);
  });

  test('measures, reports in every form, and leaves no mount and no file', { skip: whyNot() }, () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-bench-test-'));
    try {
      const [json, svg] = [path.join(folder, 'figures.json'), path.join(folder, 'figures.svg')];
      // The gate takes all figures; these need peer and client, and real mounts.
      const chosen = ['--only', 'publish-cycle', '--only', 'mapping'];
      const { status, stdout, stderr } = run(
        ['--self-check', '--quick', ...chosen, '--json', json, '--svg', svg],
        folder,
      );
      assert.equal(status, 0, stdout + stderr);
      assert.match(stdout, /Linux .* · Node v24.* · go1\./);
      const lines = readFileSync(json, 'utf8').trimEnd().split('\n');
      const names = lines.map((line) => (JSON.parse(line) as { name: string }).name);
      for (const name of [
        'publish-cycle-against-peer-1',
        'publish-cycle-against-peer-8',
        'mapping-sequential',
      ]) {
        assert.ok(names.includes(name), `${name} is not among ${names.join(', ')}`);
      }
      assert.match(readFileSync(svg, 'utf8'), /^<svg .*<\/svg>\n$/s);
      assert.deepEqual(readdirSync(folder).sort(), ['figures.json', 'figures.svg']);
      assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(folder), 'a mount is left');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('measures what concerns the processes of the driver alone', { skip: whyNot() }, () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-bench-test-'));
    try {
      const json = path.join(folder, 'figures.jsonl');
      const { status, stdout, stderr } = run([
        '--quick',
        '--only',
        'start',
        '--only',
        'memory',
        '--json',
        json,
      ]);
      assert.equal(status, 0, stdout + stderr);
      const names = readFileSync(json, 'utf8');
      for (const name of ['start-to-first-probe', 'kill-to-serving-mounter', 'memory-node-after-work'])
        assert.ok(names.includes(`{"name":"${name}",`), `${name} is not in ${names}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
