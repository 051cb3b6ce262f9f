import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MessageChannelEnd, readMessage, writtenMessage } from './message-channel.ts';

/** What messages are made of; `__proto__` is a name that no message has. */
const { message } = fc.letrec((tie) => ({
  message: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'binary' }),
    fc.string().map((text) => `\u0000${text}`),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.array(tie('message'), { maxLength: 4 }),
    fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      tie('message'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
}));

describe('a channel of messages', () => {
  it('hands over what was sent, bigints and undefined and strings that look like neither', () => {
    fc.assert(
      fc.property(message, (sent) => {
        assert.deepEqual(readMessage(writtenMessage(sent)), sent);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps order and borders however the stream cuts the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 6 }), fc.nat(40), async (sent, cut) => {
        const [left, right] = duplexPair({ highWaterMark: cut + 1 });
        const { promise, resolve } = Promise.withResolvers<void>();
        const received: unknown[] = [];
        new MessageChannelEnd(right, (each) => {
          received.push(each);
          if (received.length === sent.length) resolve();
        });
        const end = new MessageChannelEnd(left, () => undefined);
        for (const each of sent) end.send(each);
        await promise;
        left.destroy();
        right.destroy();
        assert.deepEqual(received, sent);
      }),
      { numRuns: 50 },
    );
  });
});
