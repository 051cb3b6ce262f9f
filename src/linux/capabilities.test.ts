import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectiveCapabilities, missingCapabilities, parseEffectiveCapabilities } from './capabilities.ts';
import { runCommand } from './child-process.ts';

test('the bits of CapEff have their names', () => {
  const status = 'Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000220001\n';
  assert.deepEqual([...parseEffectiveCapabilities(status)], ['CAP_CHOWN', 'CAP_SYS_RAWIO', 'CAP_SYS_ADMIN']);
});

test('all 41 of them are named, and those of kernels to come are numbered', () => {
  const all = parseEffectiveCapabilities('CapEff:\t000003ffffffffff\n');
  assert.equal(all.size, 42);
  assert.deepEqual([...all].slice(-3), ['CAP_BPF', 'CAP_CHECKPOINT_RESTORE', 'CAP_41']);
});

test('none at all is an empty set, a text without the line an error', () => {
  assert.equal(parseEffectiveCapabilities('CapEff:\t0000000000000000\n').size, 0);
  assert.throws(() => parseEffectiveCapabilities('Name:\tnode\n'), TypeError);
  for (const digits of [15, 17, 2 ** 20])
    assert.throws(() => parseEffectiveCapabilities(`CapEff:\t${'1'.repeat(digits)}\n`), TypeError);
});

test('the names are those that capsh(1) and setpriv(1) know', async () => {
  const { stdout } = await runCommand('setpriv', ['--list-caps']);
  const known = stdout
    .trimEnd()
    .split('\n')
    .map((name) => `CAP_${name.toUpperCase()}`);
  assert.deepEqual([...parseEffectiveCapabilities('CapEff:\t000001ffffffffff\n')], known);
});

test('what this process lacks is named, in the order it was asked for', () => {
  const held = effectiveCapabilities();
  const asked = ['CAP_SYS_ADMIN', 'CAP_NO_SUCH_THING', 'CAP_CHOWN'];
  assert.deepEqual(
    missingCapabilities(asked),
    asked.filter((name) => !held.has(name)),
  );
  assert.throws(() => effectiveCapabilities(2 ** 22 + 1), { code: 'ENOENT' });
});
