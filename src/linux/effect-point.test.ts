import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { runCommand } from './child-process.ts';
import { effectEnvironment, effectPointsVariable, killedFile, passedFile } from './effect-point.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'effect-points-'));
after(() => rmSync(folder, { recursive: true }));
const made = path.join(folder, 'made');

/** Runs a process that makes a file between two points, with the seam switched on or not. */
function runMaker({ on, times = 1 }: { on: boolean; times?: number }): string | number | null {
  rmSync(made, { force: true });
  rmSync(path.join(folder, passedFile), { force: true });
  const source = `
    import { writeFileSync } from 'node:fs';
    import { atEffect, nameEffectRole } from ${JSON.stringify(path.join(import.meta.dirname, 'effect-point.ts'))};
    nameEffectRole('maker');
    for (let i = 0; i < ${times}; i++) atEffect('make file', () => writeFileSync(${JSON.stringify(made)}, String(i)));`;
  const { [effectPointsVariable]: _, ...env } = process.env;
  const { status, signal, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '--eval', source],
    { cwd: folder, encoding: 'utf8', env: on ? { ...env, [effectPointsVariable]: folder } : env },
  );
  assert.equal(stderr, '');
  return signal ?? status;
}

/** Asks for the death of whoever is the n-th to pass a point. */
function arm(nth: number, point: string): void {
  rmSync(path.join(folder, killedFile), { force: true });
  writeFileSync(path.join(folder, `kill-${nth}`), point);
}

function passed(): string[] {
  return readFileSync(path.join(folder, passedFile), 'utf8').trimEnd().split('\n');
}

test('a point does nothing, and hands nothing on to children, unless the environment switches it on', async () => {
  assert.deepEqual(effectEnvironment(), {}, 'tests run with it off, as production does');
  const { stdout } = await runCommand('env', []);
  assert.doesNotMatch(stdout, new RegExp(effectPointsVariable));
  arm(1, 'maker: before make file');
  assert.equal(runMaker({ on: false }), 0);
  assert.equal(existsSync(made), true);
  assert.deepEqual(readdirSync(folder).sort(), ['kill-1', 'made']);
  rmSync(path.join(folder, 'kill-1'));
});

test('a process that is switched on notes each point it passes, in order', () => {
  assert.equal(runMaker({ on: true, times: 2 }), 0);
  const both = ['maker: before make file', 'maker: after make file'];
  assert.deepEqual(passed(), [...both, ...both]);
});

test('a process dies before an effect or after it, as it is told', () => {
  arm(1, 'maker: before make file');
  assert.equal(runMaker({ on: true }), 'SIGKILL');
  assert.equal(existsSync(made), false);
  arm(1, 'maker: after make file');
  assert.equal(runMaker({ on: true }), 'SIGKILL');
  assert.equal(existsSync(made), true);
});

test('the n-th passing is counted over processes, and one dies of it', () => {
  arm(3, 'maker: before make file');
  assert.equal(runMaker({ on: true, times: 2 }), 0);
  assert.deepEqual(readdirSync(folder).sort(), ['kill-1', 'made', passedFile]);
  assert.equal(runMaker({ on: true, times: 2 }), 'SIGKILL');
  assert.equal(existsSync(made), false);
  assert.equal(runMaker({ on: true, times: 2 }), 0);
  assert.equal(readFileSync(path.join(folder, killedFile), 'utf8'), 'maker: before make file');
});

test('children of a process that is switched on take part', () => {
  const source = `
    import { runCommand } from ${JSON.stringify(path.join(import.meta.dirname, 'child-process.ts'))};
    const { stdout } = await runCommand('printenv', [${JSON.stringify(effectPointsVariable)}], { label: 'look' });
    process.stdout.write(stdout);`;
  const { stdout } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '--eval', source],
    { cwd: folder, encoding: 'utf8', env: { ...process.env, [effectPointsVariable]: folder } },
  );
  assert.equal(stdout, `${folder}\n`);
  assert.deepEqual(passed().slice(-3), [
    'process: before spawn look',
    'process: after spawn look',
    'process: after exit of look',
  ]);
});
