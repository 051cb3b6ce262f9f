// What a caller of a frame server meets when the server is away, comes back, hangs or sends anything.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { reasonIs } from '../../test/reason-is.ts';
import { unofferedMounter } from '../../test/unoffered-mounter.ts';
import { waitUntil } from '../../test/wait-until.ts';
import type { famfs } from '../mounter/generated/mounter.js';
import root from '../mounter/generated/mounter.js';
import { silentLogger } from '../observe/logger.ts';
import type { ClientOptions, RpcClient } from './client.ts';
import { serviceType } from './codec.ts';
import { encodeEmpty, encodeError, FrameDecoder, frameKind } from './frame.ts';
import { createFrameClient } from './frame-client.ts';
import { FrameServer } from './frame-server.ts';
import type { Handlers } from './server.ts';
import { steadyNowMs } from './steady-clock.ts';

type Mounter = famfs.mounter.v1.Mounter;
const mounter = serviceType<Mounter>(root, 'famfs.mounter.v1.Mounter');
const empty = Buffer.alloc(0);
const limitBytes = 64 * 1024;

let folder: string;
let socketPath: string;
let server: FrameServer;
let client: RpcClient<Mounter>;
const others: { close(): void }[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'frames-'));
  socketPath = path.join(folder, 's');
  client = connect();
});

afterEach(async () => {
  for (const other of others.splice(0)) other.close();
  await server?.drain(0);
  rmSync(folder, { recursive: true });
});

function connect(options: Partial<ClientOptions> = {}): RpcClient<Mounter> {
  const made = createFrameClient(mounter, socketPath, {
    ...{ name: 'the mounter', unavailableReason: 'mounter-unavailable', ...options },
  });
  others.push(made);
  return made;
}

async function serve(handlers: Partial<Handlers<Mounter>>, options = {}): Promise<void> {
  server = new FrameServer({ name: 'test', logger: silentLogger, ...options });
  server.addService(mounter, {
    ...unofferedMounter,
    ...handlers,
  });
  await server.listen(socketPath);
}

describe('a frame client', () => {
  it('finds a server that comes back at once', async () => {
    for (let life = 1n; life <= 3n; life++) {
      await serve({ bind: async () => ({ mountId: life }) });
      assert.equal((await client.calls.bind({})).mountId, life);
      await server.drain(0);
      await assert.rejects(client.calls.bind({}), reasonIs('mounter-unavailable'));
    }
  });

  it('says that a call may have been carried out when the connection is lost, else that nobody answers', async () => {
    const sockets: net.Socket[] = [];
    const listener = net.createServer((socket) => sockets.push(socket)).listen(socketPath);
    others.push({ close: () => listener.close() });
    await once(listener, 'listening');
    const call = assert.rejects(client.calls.bind({}), reasonIs('mounter-unavailable', /may have been done/));
    await waitUntil('the client is connected', () => sockets.length === 1);
    sockets[0]?.destroy();
    await call;
    listener.close();
    await once(listener, 'close');
    await assert.rejects(
      client.calls.bind({}),
      reasonIs('mounter-unavailable', /nobody answers on .*ENOENT/),
    );
  });

  it('fails a call at once whose deadline is over, whose signal has fired or which comes after its end', async () => {
    let called = 0;
    await serve({
      bind: async () => {
        called += 1;
        return {};
      },
    });
    await assert.rejects(client.calls.bind({}, { deadlineMs: steadyNowMs() }), reasonIs('deadline-exceeded'));
    await assert.rejects(client.calls.bind({}, { signal: AbortSignal.abort() }), reasonIs('cancelled'));
    const stream = client.calls.watchState({}, { signal: AbortSignal.abort() })[Symbol.asyncIterator]();
    await assert.rejects(stream.next(), reasonIs('cancelled'));
    client.close();
    await assert.rejects(client.calls.bind({}), reasonIs('mounter-unavailable', /closed/));
    assert.equal(called, 0);
  });

  it('survives any bytes of a server: its calls fail and the next connection is a new one', async () => {
    let bytes: Uint8Array = empty;
    const listener = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(bytes));
    });
    others.push({ close: () => listener.close() });
    await once(listener.listen(socketPath), 'listening');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (sent) => {
        bytes = sent;
        await assert.rejects(client.calls.bind({}), reasonIs('mounter-unavailable'));
      }),
      { numRuns: 100 },
    );
  });

  it('keeps the message of a reason it does not know, and takes the code for it', async () => {
    const answers = [
      encodeError(1, 3, 'from-the-future', 'no such thing'),
      encodeError(2, 14, 'odd', 'later'),
    ];
    const listener = net.createServer((socket) => {
      socket.on('data', () => socket.write(answers.shift() ?? empty));
    });
    others.push({ close: () => listener.close() });
    await once(listener.listen(socketPath), 'listening');
    await assert.rejects(client.calls.bind({}), reasonIs('invalid-argument', /no such thing/));
    await assert.rejects(client.calls.bind({}), reasonIs('mounter-unavailable', /later/));
    client.close();
  });

  it('notices a server that hangs', async (test) => {
    test.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    const received: Buffer[] = [];
    const listener = net.createServer((socket) => socket.on('data', (chunk) => received.push(chunk)));
    others.push({ close: () => listener.close() });
    await once(listener.listen(socketPath), 'listening');
    const watched = connect({ keepaliveMs: 10_000 });
    const stream = watched.calls.watchState({})[Symbol.asyncIterator]();
    const next = assert.rejects(stream.next(), reasonIs('mounter-unavailable', /ping/));
    test.mock.timers.tick(20_000);
    test.mock.timers.tick(5000);
    await next;
    test.mock.timers.reset();
  });

  it('stays with a server that answers its pings', async (test) => {
    let pings = 0;
    const answer = (socket: net.Socket): void => {
      const decoder = new FrameDecoder(limitBytes, (kind) => {
        if (kind !== frameKind.ping) return;
        pings += 1;
        socket.write(encodeEmpty(frameKind.pong, 0));
      });
      socket.on('data', (chunk) => decoder.push(chunk));
    };
    const listener = net.createServer(answer).listen(socketPath);
    others.push({ close: () => listener.close() });
    await once(listener, 'listening');
    const turns = async (count: number): Promise<void> => {
      for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    test.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    const watched = connect({ keepaliveMs: 10_000 });
    const ended = assert.rejects(watched.calls.bind({}), reasonIs('mounter-unavailable'));
    await turns(20);
    test.mock.timers.tick(10_000);
    for (const expected of [1, 2, 3]) {
      test.mock.timers.tick(10_000);
      await turns(50);
      assert.equal(pings, expected);
      // When it judges the server, and when it begins to wait for it to be silent again.
      test.mock.timers.tick(5000);
      test.mock.timers.tick(5000);
    }
    watched.close();
    await ended;
    test.mock.timers.reset();
  });
});
