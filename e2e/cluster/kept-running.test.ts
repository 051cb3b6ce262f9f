import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { processState } from '../../src/linux/processes.ts';
import { waitUntil } from '../../test/wait-until.ts';

let folder: string;
let keeper: ReturnType<typeof spawn>;
const pidFile = (): string => path.join(folder, 'pids/program');
const holdFile = (): string => path.join(folder, 'held/program');

/** The number of the program's process once it is another than `before`. */
async function pidAfter(before: number): Promise<number> {
  let pid = before;
  await waitUntil('the program runs', () => {
    const text = existsSync(pidFile()) ? readFileSync(pidFile(), 'utf8') : '';
    pid = text === '' ? before : Number(text);
    return pid !== before;
  });
  return pid;
}

const hasEnded = (pid: number): boolean => ['Z', undefined].includes(processState(pid)?.state);

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-kept-'));
  const program = {
    command: ['sleep', '1000000'],
    logFile: path.join(folder, 'log/program'),
    pidFile: pidFile(),
    holdFile: holdFile(),
  };
  const code = `import { keepRunning } from ${JSON.stringify(path.join(import.meta.dirname, 'kept-running.ts'))};
await keepRunning(${JSON.stringify(program)});`;
  keeper = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
});

afterEach(async () => {
  const ended = once(keeper, 'exit');
  keeper.kill('SIGKILL');
  await ended;
  const pid = existsSync(pidFile()) ? Number(readFileSync(pidFile(), 'utf8')) : undefined;
  if (pid !== undefined && !hasEnded(pid)) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true });
});

test('a kept program that ends is started again', async () => {
  const first = await pidAfter(0);
  process.kill(first, 'SIGKILL');
  const second = await pidAfter(first);
  assert.ok(hasEnded(first));
  assert.equal(processState(second)?.comm, 'sleep');
});

test('a kept program that is held stays away until it is released', async () => {
  const first = await pidAfter(0);
  writeFileSync(holdFile(), '');
  process.kill(first, 'SIGKILL');
  await waitUntil('its end is noticed', () => !existsSync(pidFile()));
  rmSync(holdFile());
  assert.equal(processState(await pidAfter(first))?.comm, 'sleep');
});
