import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { printable, printableJson, printableLines } from './printable.ts';

const invisible = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Cs}]/u;
const anyText = fc.string({ unit: 'binary', maxLength: 200 });

describe('printable text', () => {
  it('shows what cannot be seen, and leaves the rest', () => {
    assert.equal(
      printable('a\u001b[2J\u202eb\u200b\u0085\n\u{e0041}\ufeffé名'),
      'a\\u{1b}[2J\\u{202e}b\\u{200b}\\u{85}\\u{a}\\u{e0041}\\u{feff}é名',
    );
    assert.equal(printable('\ud800x'), '\\u{d800}x');
    assert.equal(printableLines('a\n\rb'), 'a\n\\u{d}b');
  });

  it('never holds an invisible character', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        assert.doesNotMatch(printable(text), invisible);
        assert.doesNotMatch(printableLines(text).replaceAll('\n', ''), invisible);
      }),
    );
  });

  it('means the same in JSON', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const json = printableJson(JSON.stringify({ [text]: text }));
        assert.doesNotMatch(json, invisible);
        assert.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify({ [text]: text })));
      }),
    );
  });
});
