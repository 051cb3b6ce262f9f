// What is true of frames alone: their limits, their back-pressure, and bytes that nobody of ours would send.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { reasonIs } from '../../test/reason-is.ts';
import { ServedFrames } from '../../test/served-frames.ts';
import { waitUntil } from '../../test/wait-until.ts';
import description from '../mounter/generated/mounter.js';
import { messageType } from './codec.ts';
import {
  encodeEmpty,
  encodePath,
  encodeRequest,
  FrameDecoder,
  frameKind,
  initialCredit,
  readError,
} from './frame.ts';

const bindRequest = messageType(description, 'famfs.mounter.v1.BindRequest');
const bindPath = encodePath('/famfs.mounter.v1.Mounter/Bind');
const empty = Buffer.alloc(0);
const limitBytes = 64 * 1024;

let frames: ServedFrames;
beforeEach(() => {
  frames = new ServedFrames();
});
afterEach(() => frames.close());

/** A connection by hand, with the frames it was sent. */
class Peer {
  readonly socket = net.connect(frames.socketPath);
  readonly frames: { kind: number; callId: number; body: Buffer }[] = [];
  closed = false;

  constructor() {
    const decoder = new FrameDecoder(1 << 20, (kind, callId, body) => {
      this.frames.push({ kind, callId, body: Buffer.from(body) });
    });
    this.socket.on('data', (chunk) => decoder.push(chunk));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
    frames.alsoClose({ close: () => this.socket.destroy() });
  }

  async frame(callId: number) {
    await waitUntil(`call ${callId} is answered`, () => this.frames.some((frame) => frame.callId === callId));
    const found = this.frames.find((frame) => frame.callId === callId);
    assert.ok(found !== undefined);
    return found;
  }

  async reasonOf(callId: number): Promise<string> {
    const { kind, body } = await this.frame(callId);
    assert.equal(kind, frameKind.error);
    return readError(body).reason;
  }
}

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));
}

describe('calls in frames', () => {
  it('are answered each by its own answer, a thousand at once and in any order', async () => {
    const waiting: (() => void)[] = [];
    await frames.serve({
      bind: async ({ volumeId }) => {
        const turn = Promise.withResolvers<void>();
        waiting.push(turn.resolve);
        await turn.promise;
        return { mountId: BigInt(volumeId) };
      },
    });
    const calls = Array.from({ length: 1000 }, (_, index) =>
      frames.client.calls.bind({ volumeId: String(index) }),
    );
    await waitUntil('all have arrived', () => waiting.length === 1000);
    assert.equal(frames.server.callsInFlight, 1000);
    for (const [, answer] of [...waiting.entries()].sort(([a], [b]) => ((a * 7) % 1000) - ((b * 7) % 1000)))
      answer();
    const answers = await Promise.all(calls);
    assert.deepEqual(
      answers.map(({ mountId }) => mountId),
      Array.from({ length: 1000 }, (_, index) => BigInt(index)),
    );
  });

  it('are refused beyond a thousand on one connection, and taken again after one has ended', async () => {
    const waiting: (() => void)[] = [];
    await frames.serve({
      bind: () => new Promise((resolve) => waiting.push(() => resolve({}))),
      stat: async () => ({}),
    });
    const calls = Array.from({ length: 1000 }, () => frames.client.calls.bind({}));
    await waitUntil('all have arrived', () => waiting.length === 1000);
    await assert.rejects(frames.client.calls.stat({}), reasonIs('resource-exhausted'));
    await frames.connect().calls.stat({});
    waiting[500]?.();
    await calls[500];
    await frames.client.calls.stat({});
    for (const answer of waiting) answer();
    await Promise.all(calls);
  });

  it('each end at their own deadline, the earlier one first', async () => {
    await frames.serve({ bind: (_request, { signal }) => aborted(signal).then(() => ({})) });
    const order: string[] = [];
    const late = frames.client.calls.bind({}, { timeoutMs: 300 }).catch(() => order.push('late'));
    const early = frames.client.calls.bind({}, { timeoutMs: 100 }).catch(() => order.push('early'));
    await Promise.all([late, early]);
    assert.deepEqual(order, ['early', 'late']);
  });

  it('end at the deadline at the server although their caller says nothing', async () => {
    const seen = Promise.withResolvers<unknown>();
    await frames.serve({
      bind: async (_request, { signal }) => {
        seen.resolve(await aborted(signal));
        return {};
      },
    });
    const peer = new Peer();
    peer.socket.write(encodeRequest(1, bindPath, 50, empty));
    assert.ok(reasonIs('deadline-exceeded')(await seen.promise));
    assert.equal(await peer.reasonOf(1), 'deadline-exceeded');
  });

  it('are withdrawn when their connection goes, the works of a process that was killed', async () => {
    const seen = Promise.withResolvers<unknown>();
    const started = Promise.withResolvers<void>();
    await frames.serve({
      bind: async (_request, { signal }) => {
        started.resolve();
        seen.resolve(await aborted(signal));
        return {};
      },
    });
    const peer = new Peer();
    peer.socket.write(encodeRequest(1, bindPath, 0, empty));
    await started.promise;
    peer.socket.destroy();
    assert.ok(reasonIs('cancelled')(await seen.promise));
    await waitUntil('the call has ended', () => frames.server.callsInFlight === 0);
  });

  it('bring no message over the limit, either way', async () => {
    const long = 'x'.repeat(limitBytes + 1);
    await frames.serve(
      { bind: async () => ({}), stat: async () => ({ type: long }) },
      { maximumMessageBytes: limitBytes },
    );
    await assert.rejects(frames.client.calls.stat({}), reasonIs('resource-exhausted', /can be sent/));
    const strict = frames.connect({ maximumMessageBytes: limitBytes });
    await assert.rejects(strict.calls.bind({ path: long }), reasonIs('resource-exhausted', /can be sent/));
    const whole = 'x'.repeat(limitBytes - 16);
    await strict.calls.bind({ path: whole });
  });
});

describe('a stream in frames', () => {
  it('does not run ahead of a slow reader, who does not hold up the other calls', async () => {
    let written = 0n;
    await frames.serve({
      bind: async () => ({}),
      watchState: async function* () {
        for (; written < 1000n; written++) yield { revision: written, kernelRelease: 'x'.repeat(10_000) };
      },
    });
    let read = 0n;
    for await (const { revision } of frames.client.calls.watchState({})) {
      assert.equal(revision, read);
      read += 1n;
      if (read % 100n !== 0n) continue;
      await frames.client.calls.bind({});
      assert.ok(
        written - read <= BigInt(2 * initialCredit),
        `${written} were written where ${read} are read`,
      );
    }
    assert.equal(read, 1000n);
  });

  it('is one of 16 on a connection; one more is refused and the connection goes on', async () => {
    await frames.serve({
      bind: async () => ({}),
      watchState: async function* (_request, { signal }) {
        yield {};
        await once(signal, 'abort');
      },
    });
    const streams = Array.from({ length: 16 }, () =>
      frames.client.calls.watchState({})[Symbol.asyncIterator](),
    );
    for (const stream of streams) await stream.next();
    const another = frames.client.calls.watchState({})[Symbol.asyncIterator]();
    await assert.rejects(another.next(), reasonIs('resource-exhausted', /16 streams/));
    await streams[0]?.return?.(undefined);
    await waitUntil('there is room for a stream', () =>
      frames.client.calls
        .watchState({})
        [Symbol.asyncIterator]()
        .next()
        .then(
          () => true,
          () => false,
        ),
    );
    await frames.client.calls.bind({});
  });

  it('lets its handler end when a reader leaves who was behind', async () => {
    const ended = Promise.withResolvers<void>();
    await frames.serve({
      watchState: async function* () {
        try {
          for (;;) yield {};
        } finally {
          ended.resolve();
        }
      },
    });
    for await (const _state of frames.client.calls.watchState({})) break;
    await ended.promise;
  });

  it('fails when the server goes, after what had come', async () => {
    await frames.serve({
      watchState: async function* (_request, { signal }) {
        yield { revision: 1n };
        yield { revision: 2n };
        await aborted(signal);
      },
    });
    const stream = frames.client.calls.watchState({})[Symbol.asyncIterator]();
    assert.equal((await stream.next()).value?.revision, 1n);
    await frames.server.drain(0);
    assert.equal((await stream.next()).value?.revision, 2n);
    await assert.rejects(stream.next(), reasonIs('shutting-down'));
  });
});

describe('a frame server', () => {
  it('survives any bytes: they end their connection and nothing else', async () => {
    await frames.serve({ bind: async () => ({}) });
    await frames.client.calls.bind({});
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    const request = encodeRequest(1, bindPath, 0, bindRequest.encode({ path: 'p' }));
    const damaged = fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(([place, value]) => {
      const bytes = Buffer.from(request);
      bytes[place % bytes.length] = value;
      return bytes;
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), async (bytes) => {
        const peer = net.connect(frames.socketPath, () => peer.end(bytes));
        peer.on('error', () => {});
        peer.resume();
        await new Promise((resolve) => peer.on('close', resolve));
      }),
      { numRuns: 300 },
    );
    await frames.client.calls.bind({});
    await waitUntil('no descriptor is left over', () => descriptors() <= before);
    assert.equal(frames.server.callsInFlight, 0);
  });

  it('ends a connection that breaks the rules', async () => {
    await frames.serve({ bind: () => new Promise(() => {}) }, { maximumMessageBytes: limitBytes });
    const once = encodeRequest(1, bindPath, 0, empty);
    const broken = {
      'a frame over the limit': encodeRequest(1, bindPath, 0, Buffer.alloc(limitBytes + 1024)),
      'a call id that is in use': Buffer.concat([once, once]),
      'a frame that servers send': encodeEmpty(frameKind.pong, 1),
      'a request without a path': Buffer.from('0000000a01000000010000000005', 'hex'),
      'the beginning of HTTP/2': Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    };
    for (const [what, bytes] of Object.entries(broken)) {
      const peer = new Peer();
      peer.socket.write(bytes);
      await waitUntil(`${what} ends the connection`, () => peer.closed);
    }
  });

  it('answers a request that is no message, and a method it does not have, and goes on', async () => {
    await frames.serve({ bind: async () => ({}) });
    const peer = new Peer();
    peer.socket.write(encodeRequest(1, bindPath, 0, Buffer.from([0x0a, 0x7f, 0x41])));
    peer.socket.write(encodeRequest(2, bindPath, 0, Buffer.from([0x0a, 0x02, 0xff, 0xfe])));
    peer.socket.write(encodeRequest(3, encodePath('/csi.v1.Node/NodeGetInfo'), 0, empty));
    peer.socket.write(encodeEmpty(frameKind.cancel, 99));
    peer.socket.write(encodeRequest(4, bindPath, 0, empty));
    assert.equal(await peer.reasonOf(1), 'invalid-argument');
    assert.equal(await peer.reasonOf(2), 'invalid-argument');
    assert.equal(await peer.reasonOf(3), 'unimplemented');
    assert.equal((await peer.frame(4)).kind, frameKind.response);
  });

  it('answers a ping', async () => {
    await frames.serve({});
    const peer = new Peer();
    peer.socket.write(encodeEmpty(frameKind.ping, 5));
    assert.equal((await peer.frame(5)).kind, frameKind.pong);
  });

  it('stops listening to a peer that asks and does not read', async () => {
    let served = 0;
    await frames.serve({
      bind: async () => ({}),
      stat: async () => {
        served += 1;
        return { type: 'x'.repeat(30_000) };
      },
    });
    const peer = new Peer();
    peer.socket.pause();
    const path = encodePath('/famfs.mounter.v1.Mounter/Stat');
    const count = 1000;
    // Long requests, so that only a few of them come in one read.
    const request = bindRequest.encode({ path: 'x'.repeat(10_000) });
    for (let callId = 0; callId < count; callId++) peer.socket.write(encodeRequest(callId, path, 0, request));
    let before = -1;
    await waitUntil('it serves no more of them', async () => {
      const still = served === before && served > 0;
      before = served;
      await frames.client.calls.bind({});
      return still;
    });
    assert.ok(served < count / 2, `${served} were served`);
    peer.socket.resume();
    await waitUntil('all are answered', () => peer.frames.length === count);
    assert.equal(served, count);
  });

  it('takes 64 connections, and for another ends the oldest that has no call', async () => {
    await frames.serve({ bind: async () => ({}) });
    const clients = Array.from({ length: 64 }, () => frames.connect());
    for (const { calls } of clients) await calls.bind({});
    await frames.client.calls.bind({});
    await Promise.all(clients.slice(1).map(({ calls }) => calls.bind({})));
  });

  it('refuses another while 64 connections have calls', async () => {
    const gate = Promise.withResolvers<void>();
    await frames.serve({
      bind: async () => {
        await gate.promise;
        return {};
      },
    });
    const calls = Array.from({ length: 64 }, () => frames.connect().calls.bind({}));
    await waitUntil('all have arrived', () => frames.server.callsInFlight === 64);
    await assert.rejects(frames.client.calls.bind({}), reasonIs('mounter-unavailable'));
    gate.resolve();
    await Promise.all(calls);
    await frames.client.calls.bind({});
  });
});
