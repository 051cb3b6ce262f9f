// The option parser against what GNU getopt_long answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { getOptions, type OptionTable } from './get-options.ts';

const long = [
  { name: 'shadow', takesValue: true, key: 'S' },
  { name: 'set-daxmode', takesValue: false, key: 'M' },
  { name: 'size', takesValue: true, key: 's' },
  { name: 'mmap', takesValue: false, key: 'm' },
];
const strict: OptionTable = { short: '+vs:m?', long };
const permuting: OptionTable = { short: 'vs:m?', long };

function keysOf(argv: readonly string[], table = strict): string[] {
  const parsed = getOptions('famfs', argv, table);
  return parsed.options.map(({ key, value }) => (value === undefined ? key : `${key}=${value}`));
}

function messageOf(argv: readonly string[]): string | undefined {
  return getOptions('famfs', argv, strict).options[0]?.message;
}

test('short options stand together and take their value from the rest of the word or the next one', () => {
  assert.deepEqual(keysOf(['-vms5']), ['v', 'm', 's=5']);
  assert.deepEqual(keysOf(['-s', '5', '-v']), ['s=5', 'v']);
  assert.deepEqual(keysOf(['-s', '-5']), ['s=-5'], 'a value may begin with a dash');
  assert.deepEqual(keysOf(['-?']), ['?'], 'a ? of the table is an option like others');
});

test('long options take = or the next word and may be abbreviated', () => {
  assert.deepEqual(keysOf(['--size=5', '--size', '6', '--si=7', '--mm']), ['s=5', 's=6', 's=7', 'm']);
  assert.deepEqual(keysOf(['--shadow=']), ['S=']);
});

test('mistakes have the words of the GNU C library', () => {
  assert.equal(messageOf(['--frobnicate']), "famfs: unrecognized option '--frobnicate'");
  assert.equal(messageOf(['-x']), "famfs: invalid option -- 'x'");
  assert.equal(messageOf(['-s']), "famfs: option requires an argument -- 's'");
  assert.equal(messageOf(['--size']), "famfs: option '--size' requires an argument");
  assert.equal(messageOf(['--mmap=1']), "famfs: option '--mmap' doesn't allow an argument");
  assert.equal(
    messageOf(['--s']),
    "famfs: option '--s' is ambiguous; possibilities: '--shadow' '--set-daxmode' '--size'",
  );
});

test('a table with + ends the options at the first operand, another one takes them from anywhere', () => {
  const argv = ['file', '-v', '-', '--', '-m'];
  assert.deepEqual(getOptions('famfs', argv, strict).operands, argv);
  const permuted = getOptions('famfs', argv, permuting);
  assert.deepEqual(permuted.operands, ['file', '-', '-m']);
  assert.deepEqual(
    permuted.options.map((option) => option.key),
    ['v'],
  );
});

test('no word is lost or read twice, whatever the words are', () => {
  const word = fc.oneof(fc.constantFrom('-v', '--mmap', '--', '-', 'x', ''), fc.string());
  fc.assert(
    fc.property(fc.array(word), (argv) => {
      const { operands } = getOptions('famfs', argv, strict);
      assert.deepEqual(operands, operands.length === 0 ? [] : argv.slice(-operands.length));
    }),
  );
});
