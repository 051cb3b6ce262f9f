// A short program, run to its end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runShortCommand } from './short-command.ts';

test('its output, its status and what ended it are told', () => {
  const script = 'echo out; echo err >&2; exit 7';
  const result = runShortCommand('sh', ['-c', script]);
  assert.deepEqual(result, { exitCode: 7, signal: null, stdout: 'out\n', stderr: 'err\n' });
  assert.equal(runShortCommand('sh', ['-c', 'kill -9 $$']).signal, 'SIGKILL');
});

test('it stands in / and has a plain environment, or the one that is given', () => {
  const { stdout } = runShortCommand('sh', ['-c', 'pwd; echo $LC_ALL $HOME; echo "$1"', 'sh', '$(id)']);
  assert.equal(stdout, '/\nC\n$(id)\n');
  assert.equal(runShortCommand('/bin/sh', ['-c', 'echo $A'], { env: { A: 'b' } }).stdout, 'b\n');
});

test('one that cannot be started, or does not end, is an error of the kernel', () => {
  assert.throws(() => runShortCommand('/nowhere/program', []), { name: 'SyscallError', code: 'ENOENT' });
  assert.throws(() => runShortCommand('/etc/passwd', []), { name: 'SyscallError', code: 'EACCES' });
  assert.throws(() => runShortCommand('sleep', ['60'], { timeoutMs: 50 }), {
    name: 'SyscallError',
    code: 'ETIMEDOUT',
  });
});
