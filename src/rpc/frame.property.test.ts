import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  encodeCredit,
  encodeEmpty,
  encodeError,
  encodeMessage,
  encodePath,
  encodeRequest,
  FrameDecoder,
  FrameError,
  frameKind,
  readCredit,
  readError,
  readRequest,
} from './frame.ts';

const limitBytes = 4096;

/** A frame as a value, its bytes, and how its body is read back. */
interface Sample {
  readonly kind: number;
  readonly callId: number;
  readonly bytes: Buffer;
  readonly body: unknown;
}

const callIds = fc.nat({ max: 0xffff_ffff });
const messages = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const names = fc.string({ unit: 'grapheme-ascii', maxLength: 255 });

const samples: fc.Arbitrary<Sample> = fc.oneof(
  fc
    .record({ callId: callIds, path: names, timeoutMs: callIds, message: messages })
    .map(({ callId, ...body }) => ({
      kind: frameKind.request,
      callId,
      bytes: encodeRequest(callId, encodePath(body.path), body.timeoutMs, body.message),
      body,
    })),
  fc
    .record({
      callId: callIds,
      kind: fc.constantFrom(frameKind.response, frameKind.item),
      message: messages,
    })
    .map(({ callId, kind, message }) => ({
      kind,
      callId,
      bytes: encodeMessage(kind, callId, message),
      body: message,
    })),
  fc
    .record({
      callId: callIds,
      code: fc.nat({ max: 16 }),
      reason: names,
      message: fc.string({ unit: 'grapheme', maxLength: 200 }),
    })
    .map(({ callId, ...body }) => ({
      kind: frameKind.error,
      callId,
      bytes: encodeError(callId, body.code, body.reason, body.message),
      body,
    })),
  fc.record({ callId: callIds, items: callIds }).map(({ callId, items }) => ({
    kind: frameKind.credit,
    callId,
    bytes: encodeCredit(callId, items),
    body: items,
  })),
  fc
    .record({ callId: callIds, kind: fc.constantFrom(frameKind.end, frameKind.cancel, frameKind.ping) })
    .map(({ callId, kind }) => ({
      kind,
      callId,
      bytes: encodeEmpty(kind, callId),
      body: Buffer.alloc(0),
    })),
);

/** The body as its sender had it; copied, for the decoder uses its memory again. */
function bodyOf(kind: number, body: Buffer): unknown {
  if (kind === frameKind.request) {
    const { message, ...head } = readRequest(body);
    return { ...head, message: Buffer.from(message) };
  }
  if (kind === frameKind.error) return readError(body);
  return kind === frameKind.credit ? readCredit(body) : Buffer.from(body);
}

function chunksOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((start, index) => bytes.subarray(start, places[index] ?? bytes.length));
}

describe('frames', () => {
  it('come out as they went in, wherever the bytes are cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(samples, { maxLength: 20 }),
        fc.array(fc.nat(), { maxLength: 60 }),
        (sent, cuts) => {
          const seen: unknown[] = [];
          const decoder = new FrameDecoder(limitBytes, (kind, callId, body) => {
            seen.push({ kind, callId, body: bodyOf(kind, body) });
          });
          for (const chunk of chunksOf(Buffer.concat(sent.map(({ bytes }) => bytes)), cuts)) {
            decoder.push(chunk);
          }
          assert.deepEqual(
            seen,
            sent.map(({ kind, callId, body }) => ({ kind, callId, body })),
          );
        },
      ),
    );
  });

  it('come out of one byte at a time', () => {
    const sent = [encodeMessage(frameKind.response, 7, Buffer.from('abc')), encodeEmpty(frameKind.end, 8)];
    const seen: number[] = [];
    const decoder = new FrameDecoder(limitBytes, (_kind, callId) => seen.push(callId));
    for (const byte of Buffer.concat(sent)) decoder.push(Buffer.from([byte]));
    assert.deepEqual(seen, [7, 8]);
  });

  it('are views of their chunk when they lie within it', () => {
    const chunk = Buffer.concat([
      encodeMessage(frameKind.response, 1, Buffer.from('first')),
      encodeMessage(frameKind.response, 2, Buffer.from('second')),
    ]);
    const places: number[] = [];
    const decoder = new FrameDecoder(limitBytes, (_kind, _callId, body) => {
      assert.equal(body.buffer, chunk.buffer);
      places.push(body.byteOffset - chunk.byteOffset);
    });
    decoder.push(chunk);
    assert.deepEqual(places, [9, 23]);
  });

  it('end in a FrameError or in frames, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(samples, fc.nat(), fc.nat({ max: 255 })).map(([{ bytes }, place, value]) => {
        const damaged = Buffer.from(bytes);
        damaged[place % damaged.length] = value;
        return damaged;
      }),
    );
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 5 }), (sent, cuts) => {
        const decoder = new FrameDecoder(limitBytes, (kind, _callId, body) => void bodyOf(kind, body));
        try {
          for (const chunk of chunksOf(Buffer.from(sent), cuts)) decoder.push(chunk);
        } catch (error) {
          assert.ok(error instanceof FrameError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('are refused by their length alone when they are too long or too short', () => {
    for (const length of [0, 4, limitBytes + 1, 0xffff_ffff]) {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(length);
      const whole = new FrameDecoder(limitBytes, () => assert.fail('a frame'));
      assert.throws(() => whole.push(bytes), FrameError, String(length));
      const split = new FrameDecoder(limitBytes, () => assert.fail('a frame'));
      split.push(bytes.subarray(0, 3));
      assert.throws(() => split.push(bytes.subarray(3)), FrameError, String(length));
    }
  });

  it('have no path of more than 255 bytes', () => {
    assert.equal(encodePath('x'.repeat(255)).length, 256);
    assert.throws(() => encodePath('x'.repeat(256)), RangeError);
  });
});
