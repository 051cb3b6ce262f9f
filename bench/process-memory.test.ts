import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { mappingPssBytes, pageTableBytes, parseSmapsRollup } from './process-memory.ts';

const smaps = [
  '7f0000000000-7f0000100000 r--s 00000000 00:2a 7                          /kubelet/pod 1/data',
  'Size:               1024 kB',
  'Rss:                1024 kB',
  'Pss:                 256 kB',
  'VmFlags: rd sh mr',
  '7f0000100000-7f0000200000 r--s 00100000 00:2a 7                          /kubelet/pod 1/data',
  'Pss:                 100 kB',
  '7f0000200000-7f0000300000 r--s 00000000 00:2b 7                          /kubelet/pod 2/data',
  'Pss:                  50 kB',
  '',
].join('\n');

describe('the share of a mapping', () => {
  test('is summed over all mappings of that file and no other', () => {
    assert.equal(mappingPssBytes(smaps, '/kubelet/pod 1/data'), 356 * 1024);
    assert.equal(mappingPssBytes(smaps, '/kubelet/pod 2/data'), 50 * 1024);
  });

  test('is refused for a file that is not mapped', () => {
    assert.throws(() => mappingPssBytes(smaps, '/kubelet/pod 3/data'), /no mapping of/);
    assert.throws(() => mappingPssBytes(smaps, 'data'), /no mapping of/);
  });
});

describe('the texts of this very kernel', () => {
  test('tell of a running process', () => {
    const { residentBytes, privateBytes } = parseSmapsRollup(readFileSync('/proc/self/smaps_rollup', 'utf8'));
    assert.ok(residentBytes >= privateBytes && privateBytes > 2 ** 20, `${residentBytes} ${privateBytes}`);
    assert.ok(pageTableBytes(readFileSync('/proc/self/status', 'utf8')) > 0);
    const own = readFileSync('/proc/self/smaps', 'utf8');
    assert.ok(mappingPssBytes(own, process.execPath) > 0);
  });

  test('are refused when they tell of nothing', () => {
    assert.throws(() => parseSmapsRollup(''), RangeError);
    assert.throws(() => pageTableBytes('Name:\tkthreadd\n'), RangeError);
  });
});
