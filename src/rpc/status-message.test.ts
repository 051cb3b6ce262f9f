import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DriverError } from '../errors.ts';
import { messageOf } from './status.ts';

function sent(message: string): string {
  return messageOf(new DriverError('invalid-argument', message));
}

describe('the message of an error', () => {
  it('shows a caller what cannot be seen in what it sent', () => {
    assert.equal(sent('the name is "x\u202ey\u009b2J"'), 'the name is "x\\u{202e}y\\u{9b}2J"');
  });

  it('fits in a header and holds nothing invisible, whatever it quotes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 5000, size: 'max' }), (text) => {
        const message = sent(text);
        assert.ok(Buffer.byteLength(message) <= 2000);
        assert.doesNotMatch(message.replaceAll('\n', ''), /\p{C}/u);
      }),
    );
  });

  it('is not cut within a character', () => {
    assert.equal(sent('名'.repeat(2000)), '名'.repeat(666));
  });
});
