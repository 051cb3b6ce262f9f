// Numbers as the C library and famfs read them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { scanInteger, scanSize, scanUnsigned } from './c-numbers.ts';

test('a size takes one suffix letter, and drops without a word what is none', () => {
  const sizes = { '4k': 4096n, '3m': 3145728n, '2M': 2097152n, '1g': 1073741824n, '1T': 1n, '5GB': 5n };
  for (const [text, bytes] of Object.entries(sizes)) assert.equal(scanSize(text), bytes, text);
  assert.equal(scanSize('2MiB'), 2n);
  assert.equal(scanSize('abc'), 0n);
  assert.equal(scanSize('-4096'), 2n ** 64n - 4096n);
});

test('numbers are decimal, hexadecimal or octal by their beginning', () => {
  assert.deepEqual(scanUnsigned('0x1F rest'), { value: 31n, rest: ' rest' });
  assert.deepEqual(scanUnsigned('010'), { value: 8n, rest: '' });
  assert.deepEqual(scanUnsigned(' +7z'), { value: 7n, rest: 'z' });
  assert.deepEqual(scanUnsigned('0x'), { value: 0n, rest: 'x' });
  assert.equal(scanInteger('755', 8), 0o755);
  assert.equal(scanInteger('0644', 8), 0o644);
});

test('any 64-bit number comes back as it was written', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      assert.equal(scanUnsigned(`${value}`).value, value);
      assert.equal(scanUnsigned(`0x${value.toString(16)}`).value, value);
    }),
  );
});
