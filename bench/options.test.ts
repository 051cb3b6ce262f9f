import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { figures } from './figures.ts';
import { readOptions } from './options.ts';

const uuid = '4da8f6be-8dbd-4bfc-bad2-3c0f78ba87bf';

describe('the options of npm run bench', () => {
  test('measure every figure on the simulator unless told otherwise', () => {
    const options = readOptions([]);
    assert.equal(options?.setting, 'simulated');
    assert.deepEqual(options.chosen, figures);
    assert.equal(options.page, undefined);
  });

  test('leave out of a self-check what has no peer to compare with', () => {
    const names = (readOptions(['--self-check'])?.chosen ?? []).map(({ name }) => name);
    assert.ok(names.includes('publish-cycle'));
    assert.ok(!names.includes('memory'));
  });

  test('point the mounter at what is there on hardware', () => {
    const flags = ['--mounter', 'mode=standalone', '--mounter', 'dev-root=/dev/a=b'];
    const options = readOptions(['--hardware', '--pool', uuid, '--create', ...flags]);
    assert.equal(options?.setting, 'hardware');
    assert.deepEqual(options.pool, {
      ...{ uuid, base: 'famfs-csi-bench', mayCreate: true },
      mounterFlags: { mode: 'standalone', 'dev-root': '/dev/a=b' },
    });
    assert.ok(options.chosen.length > 0);
    assert.ok(options.chosen.every(({ settings }) => settings?.includes('hardware')));
  });

  const refused: readonly [args: readonly string[], message: RegExp][] = [
    [['--only', 'speed-of-light'], /no benchmark "speed-of-light"/],
    [['--hardware'], /--hardware needs --pool/],
    [['--hardware', '--pool', 'mine'], /--hardware needs --pool/],
    [['--pool', uuid], /--pool is for --hardware/],
    [['--create'], /--create is for --hardware/],
    [['--hardware', '--self-check', '--pool', uuid], /do not go together/],
    [['--self-check', '--page'], /no figure for the page/],
    [['--hardware', '--pool', uuid, '--mounter', 'mode'], /--mounter needs FLAG=VALUE/],
    [['--hardware', '--pool', uuid, '--path', '../x'], /--path needs/],
    [['--no-such-flag'], /no-such-flag/],
  ];
  for (const [args, message] of refused)
    test(`refuse ${args.join(' ')}`, () => assert.throws(() => readOptions(args), message));
});
