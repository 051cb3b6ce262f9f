import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';

const script = `
  import { spawnSync } from 'node:child_process';
  import net from 'node:net';
  import { leaveNetwork } from ${JSON.stringify(path.join(import.meta.dirname, 'network-namespace.ts'))};
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    leaveNetwork();
    const interfaces = spawnSync('cat', ['/proc/net/dev'], { encoding: 'utf8' }).stdout.match(/^ *[^ |]+:/gm);
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => report('connected'));
    socket.on('error', (error) => report(error.code));
    function report(outcome) {
      console.log(JSON.stringify([interfaces.map((name) => name.trim()), outcome]));
      process.exit(0);
    }
  });
`;

test('a process that left the network reaches nobody, not even itself', {
  skip: process.getuid?.() === 0 ? false : 'needs root to leave a network namespace',
}, () => {
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.deepEqual(JSON.parse(stdout || 'null'), [['lo:'], 'ENETUNREACH'], stderr);
});
