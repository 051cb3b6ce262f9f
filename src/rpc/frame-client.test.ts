// What a caller of a frame server meets when the server is away, comes back, hangs or sends anything.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { reasonIs } from '../../test/reason-is.ts';
import { ServedFrames } from '../../test/served-frames.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { encodeEmpty, encodeError, FrameDecoder, frameKind } from './frame.ts';
import { steadyNowMs } from './steady-clock.ts';

const empty = Buffer.alloc(0);
const limitBytes = 64 * 1024;

let frames: ServedFrames;
beforeEach(() => {
  frames = new ServedFrames();
});
afterEach(() => frames.close());

describe('a frame client', () => {
  it('finds a server that comes back at once', async () => {
    for (let life = 1n; life <= 3n; life++) {
      await frames.serve({ bind: async () => ({ mountId: life }) });
      assert.equal((await frames.client.calls.bind({})).mountId, life);
      await frames.server.drain(0);
      await assert.rejects(frames.client.calls.bind({}), reasonIs('mounter-unavailable'));
    }
  });

  it('says that a call may have been carried out when the connection is lost, else that nobody answers', async () => {
    const sockets: net.Socket[] = [];
    const listener = net.createServer((socket) => sockets.push(socket)).listen(frames.socketPath);
    frames.alsoClose({ close: () => listener.close() });
    await once(listener, 'listening');
    const call = assert.rejects(
      frames.client.calls.bind({}),
      reasonIs('mounter-unavailable', /may have been done/),
    );
    await waitUntil('the client is connected', () => sockets.length === 1);
    sockets[0]?.destroy();
    await call;
    listener.close();
    await once(listener, 'close');
    await assert.rejects(
      frames.client.calls.bind({}),
      reasonIs('mounter-unavailable', /nobody answers on .*ENOENT/),
    );
  });

  it('fails a call at once whose deadline is over, whose signal has fired or which comes after its end', async () => {
    let called = 0;
    await frames.serve({
      bind: async () => {
        called += 1;
        return {};
      },
    });
    await assert.rejects(
      frames.client.calls.bind({}, { deadlineMs: steadyNowMs() }),
      reasonIs('deadline-exceeded'),
    );
    await assert.rejects(
      frames.client.calls.bind({}, { signal: AbortSignal.abort() }),
      reasonIs('cancelled'),
    );
    const stream = frames.client.calls
      .watchState({}, { signal: AbortSignal.abort() })
      [Symbol.asyncIterator]();
    await assert.rejects(stream.next(), reasonIs('cancelled'));
    frames.client.close();
    await assert.rejects(frames.client.calls.bind({}), reasonIs('mounter-unavailable', /closed/));
    assert.equal(called, 0);
  });

  it('survives any bytes of a server: its calls fail and the next connection is a new one', async () => {
    let bytes: Uint8Array = empty;
    const listener = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(bytes));
    });
    frames.alsoClose({ close: () => listener.close() });
    await once(listener.listen(frames.socketPath), 'listening');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (sent) => {
        bytes = sent;
        await assert.rejects(frames.client.calls.bind({}), reasonIs('mounter-unavailable'));
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
    frames.alsoClose({ close: () => listener.close() });
    await once(listener.listen(frames.socketPath), 'listening');
    await assert.rejects(frames.client.calls.bind({}), reasonIs('invalid-argument', /no such thing/));
    await assert.rejects(frames.client.calls.bind({}), reasonIs('mounter-unavailable', /later/));
    frames.client.close();
  });

  it('notices a server that hangs', async (test) => {
    test.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    const received: Buffer[] = [];
    const listener = net.createServer((socket) => socket.on('data', (chunk) => received.push(chunk)));
    frames.alsoClose({ close: () => listener.close() });
    await once(listener.listen(frames.socketPath), 'listening');
    const watched = frames.connect({ keepaliveMs: 10_000 });
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
    const listener = net.createServer(answer).listen(frames.socketPath);
    frames.alsoClose({ close: () => listener.close() });
    await once(listener, 'listening');
    const turns = async (count: number): Promise<void> => {
      for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    test.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    const watched = frames.connect({ keepaliveMs: 10_000 });
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
