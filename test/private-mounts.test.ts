import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { patienceVariable } from './private-mounts.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'private-mounts-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

/** Runs a test file of its own that has `body` as its only test, as the test runner would. */
function runFile(
  name: string,
  body: string,
  leakPatienceMs: number,
): { status: number | null; output: string } {
  const file = path.join(folder, `${name}.test.ts`);
  const imports = [
    `import { enterPrivateMounts, assertNothingLeaked } from ${JSON.stringify(path.join(import.meta.dirname, 'private-mounts.ts'))};`,
    `import { mountFileSystem } from ${JSON.stringify(path.join(import.meta.dirname, '../src/linux/mounts.ts'))};`,
    "import { openSync } from 'node:fs';",
    "import { spawn } from 'node:child_process';",
    "import { after, test } from 'node:test';",
    'const { skip } = enterPrivateMounts();',
    'after(assertNothingLeaked);',
  ];
  writeFileSync(
    file,
    [...imports, `test(${JSON.stringify(name)}, { skip }, async () => {`, body, '});'].join('\n'),
  );
  // Without the variables by which this file would be taken for a part of the inner run.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  const args = ['--disable-warning=ExperimentalWarning', '--test', file];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...env, [patienceVariable]: String(leakPatienceMs) },
  });
  return { status, output: stdout + stderr };
}

test('a file that cleans up passes', () => {
  const { status, output } = runFile('clean', '', 20_000);
  assert.equal(status, 0, output);
  assert.match(output, /pass 1/);
});

test('a mount that is left behind fails the file and is named, and never reaches the machine', () => {
  const target = path.join(folder, 'target');
  const mark = path.join(target, 'mark');
  const { status, output } = runFile(
    'mounting',
    `
    const { mkdirSync, writeFileSync } = await import('node:fs');
    mkdirSync(${JSON.stringify(target)});
    mountFileSystem({ source: 'left', target: ${JSON.stringify(target)}, type: 'tmpfs' });
    writeFileSync(${JSON.stringify(mark)}, '');
  `,
    0,
  );
  assert.equal(status, 1, output);
  assert.match(output, new RegExp(`mount \\d+ tmpfs ${target}`));
  assert.equal(existsSync(target), true, 'it ran');
  assert.equal(existsSync(mark), false, 'and what it mounted is not here');
});

test('a descriptor that is left open fails the file and is named', () => {
  const { status, output } = runFile('opening', "openSync('/etc/passwd');", 0);
  assert.equal(status, 1, output);
  assert.match(output, /descriptor \d+ -> \/etc\/passwd/);
});

test('a daemon that outlives its parent fails the file and is named', () => {
  const { status, output } = runFile(
    'daemon',
    `
    const { once } = await import('node:events');
    await once(spawn('sh', ['-c', 'sleep 20 & exit'], { stdio: 'ignore' }), 'exit');
  `,
    0,
  );
  assert.equal(status, 1, output);
  // It is a copy of its parent until it has become sleep(1).
  assert.match(output, /process \d+ (?:sleep|sh) \(alive/);
});
