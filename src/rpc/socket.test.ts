import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { reasonIs } from '../../test/reason-is.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { silentLogger } from '../observe/logger.ts';
import { FrameServer } from './frame-server.ts';
import { RpcServer } from './server.ts';
import { parseSocketAddress } from './socket.ts';

for (const Server of [RpcServer, FrameServer]) {
  describe(`the socket of a ${Server.name}`, () => {
    let folder: string;
    let socketPath: string;
    const servers: { drain(graceMs: number): Promise<void> }[] = [];

    beforeEach(() => {
      folder = mkdtempSync(path.join(tmpdir(), 'socket-'));
      socketPath = path.join(folder, 'm.sock');
    });

    afterEach(async () => {
      for (const server of servers.splice(0)) await server.drain(0);
      rmSync(folder, { recursive: true });
    });

    function make() {
      const server = new Server({ name: 'test', logger: silentLogger });
      servers.push(server);
      return server;
    }

    it('is open to its owner only, in a folder that is', async () => {
      socketPath = path.join(folder, 'new/deep/m.sock');
      await make().listen(socketPath);
      assert.equal(statSync(socketPath).mode & 0o777, 0o600);
      assert.equal(statSync(path.dirname(socketPath)).mode & 0o777, 0o700);
    });

    it('replaces one that nobody serves any more', async () => {
      leaveStaleSocket(socketPath);
      await make().listen(socketPath);
      await assert.rejects(make().listen(socketPath), reasonIs('socket-refused', /another process/));
    });

    it('refuses a path that a living process serves', async () => {
      const first = make();
      await first.listen(socketPath);
      const second = make();
      await assert.rejects(second.listen(socketPath), reasonIs('socket-refused', /another process/));
      assert.equal(first.socketPath, socketPath);
      assert.equal(second.socketPath, undefined);
      assert.ok(statSync(socketPath).isSocket());
    });

    it('refuses a path taken by something else, and leaves it alone', async () => {
      const other = make();
      writeFileSync(socketPath, 'mine');
      await assert.rejects(other.listen(socketPath), reasonIs('socket-refused', /not a socket/));
      rmSync(socketPath);
      symlinkSync('/nowhere', socketPath);
      await assert.rejects(other.listen(socketPath), reasonIs('socket-refused', /not a socket/));
      assert.ok(existsSync(folder));
    });

    it('refuses a folder that is a symbolic link, wherever that leads', async () => {
      const real = path.join(folder, 'real');
      mkdirSync(real, { mode: 0o700 });
      symlinkSync(real, path.join(folder, 'link'));
      const refused = reasonIs('socket-refused', /not a directory/);
      await assert.rejects(make().listen(path.join(folder, 'link/m.sock')), refused);
      assert.deepEqual(readdirSync(real), []);
    });

    it('leaves the socket of its successor alone when it ends', async () => {
      const first = make();
      await first.listen(socketPath);
      const idle = net.connect({ path: socketPath, allowHalfOpen: true });
      try {
        await once(idle, 'connect');
        const ended = first.drain(500);
        await waitUntil('the path is free', () => !existsSync(socketPath));
        const second = make();
        await second.listen(socketPath);
        await ended;
        assert.ok(existsSync(socketPath), 'the successor can still be reached');
        await second.drain(0);
        assert.equal(existsSync(socketPath), false);
      } finally {
        idle.destroy();
      }
    });

    it('refuses a folder that others can write', async () => {
      const open = path.join(folder, 'open');
      mkdirSync(open);
      chmodSync(open, 0o777);
      const other = make();
      await assert.rejects(
        other.listen(path.join(open, 's')),
        reasonIs('socket-refused', /written by others/),
      );
    });

    it('refuses a socket and a folder of another user', {
      skip: process.geteuid?.() === 0 ? false : 'only root can give files away',
    }, async () => {
      const other = make();
      leaveStaleSocket(socketPath);
      chownSync(socketPath, 12345, 12345);
      await assert.rejects(other.listen(socketPath), reasonIs('socket-refused', /belongs to uid 12345/));
      rmSync(socketPath);
      chownSync(folder, 12345, 12345);
      await assert.rejects(other.listen(socketPath), reasonIs('socket-refused', /belongs to uid 12345/));
    });

    it('closes a folder that holds nothing else, when asked, and no other', async () => {
      const own = path.join(folder, 'own');
      const shared = path.join(folder, 'shared');
      mkdirSync(own, { mode: 0o755 });
      mkdirSync(shared, { mode: 0o755 });
      writeFileSync(path.join(shared, 'x'), '');
      for (const [place, mode] of [
        [own, 0o700],
        [shared, 0o755],
      ] as const) {
        const other = make();
        await other.listen(path.join(place, 's'), { makeFolderPrivate: true });
        assert.equal(statSync(place).mode & 0o777, mode);
        await other.drain(0);
      }
    });
  });
}

describe('the address of a socket', () => {
  it('has three spellings and at most 107 bytes', () => {
    for (const address of ['unix:///run/x.sock', 'unix:/run/x.sock', '/run/x.sock']) {
      assert.equal(parseSocketAddress(address), '/run/x.sock');
    }
    for (const address of ['', 'x.sock', 'unix:x.sock', 'unix://x.sock', 'tcp://1.2.3.4:5', '/a\0b']) {
      assert.throws(() => parseSocketAddress(address), reasonIs('config-invalid'), address);
    }
    assert.equal(parseSocketAddress(`/${'x'.repeat(106)}`).length, 107);
    assert.throws(() => parseSocketAddress(`/${'x'.repeat(107)}`), reasonIs('config-invalid', /107/));
  });
});

/** A socket file as a killed process leaves it. */
function leaveStaleSocket(stalePath: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(stalePath)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  assert.ok(statSync(stalePath).isSocket());
}
