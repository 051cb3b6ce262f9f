import assert from 'node:assert/strict';
import { test } from 'node:test';
import { directory, file, MemoryPool, unit } from '../../test/memory-pool.ts';
import { printable } from '../errors/printable.ts';
import type { LogEntry } from './log-entry.ts';
import { PoolLog } from './pool-log.ts';
import { type PageOptions, poolPage } from './pool-report.ts';

const options: PageOptions = {
  where: '/pool',
  kind: 'directory',
  roleText: 'master',
  width: 100,
  colour: false,
  maxEntries: 10,
};

async function pageOf(entries: readonly LogEntry[], change: Partial<PageOptions> = {}): Promise<string> {
  const log = new PoolLog(new MemoryPool(entries));
  await log.refresh();
  return poolPage(log, { ...options, ...change });
}

const superblockUnits = 4096;

test('a page names the pool, its space, its log and its files', async () => {
  const page = await pageOf([directory('d'), { ...file('d/f', 0, 1024), sizeBytes: 2_000_000_000n }]);
  assert.match(page, /^famfs pool 5abd31f0-4bce-4daf-a068-54da58959a2a\n/);
  assert.match(page, /device {7}8\.00 GiB \(8589934592 bytes\)/);
  assert.match(page, /free {9}5\.99 GiB \(6431965184 bytes\)/);
  assert.match(page, /2 of 15420 entries used, 15418 left/);
  assert.match(page, /0755 .* d\/\n/);
  assert.match(page, /0644 {2}1000:1000 {2}1\.86 GiB {2}2000000000 {2}█{5}▁·{14} {2}d\/f\n/);
});

test('a map shows where a file lies', async () => {
  const half = BigInt(superblockUnits / 2) * unit;
  const entry = { ...file('f'), sizeBytes: unit, extents: [{ offsetBytes: half, lengthBytes: half }] };
  assert.match(await pageOf([entry]), / {2}·{10}█{10} {2}f\n/);
});

test('no line is wider than the terminal, whatever the names', async () => {
  const entries = [directory('long-directory-name-'.repeat(3)), file('ü'.repeat(39), 5), file('f', 7, 900)];
  for (const width of [60, 72, 80, 100, 200]) {
    const page = await pageOf(entries, { width, where: '/p' });
    const lines = page.split('\n').filter((line) => /[█▁·░]|0755|0644/.test(line));
    for (const line of lines) assert.ok([...line].length <= width, `${line} is wider than ${width}`);
  }
});

test('a terminal gets colour and nothing else does', async () => {
  const colourStart = '\u001b[';
  assert.equal((await pageOf([file('f')])).includes(colourStart), false);
  assert.equal((await pageOf([file('f')], { colour: true })).includes(colourStart), true);
});

test('names cannot do anything to a terminal', async () => {
  assert.equal(printable('a\u001b[2J\u202eb\u200b\u0085é名'), 'a\\u{1b}[2J\\u{202e}b\\u{200b}\\u{85}é名');
  const page = await pageOf([file('evil\u009b2J\u202e')]);
  assert.match(page, /evil\\u\{9b\}2J\\u\{202e\}/);
});

test('a long list is cut and says so', async () => {
  const entries = Array.from({ length: 14 }, (_, i) => directory(`d${i}`));
  const page = await pageOf(entries);
  assert.match(page, / d9\/\n… and 4 more; --all shows every one/);
  assert.doesNotMatch(await pageOf(entries, { maxEntries: Number.POSITIVE_INFINITY }), /more/);
});
