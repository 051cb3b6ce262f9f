import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { pageOf } from './page.ts';

const own = (text: string): string => text;
const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { maxLength: 30 });

describe('a list in pages', () => {
  it('gives every entry once, in order, whatever the size of a page', () => {
    fc.assert(
      fc.property(ids, fc.integer({ min: 0, max: 7 }), (all, size) => {
        const seen: string[] = [];
        for (let token = ''; ; ) {
          const page = pageOf(all, own, size, token);
          seen.push(...page.entries);
          token = page.nextToken;
          if (token === '') break;
        }
        assert.deepEqual(
          seen,
          all.toSorted((a, b) => (a < b ? -1 : 1)),
        );
      }),
    );
  });

  it('goes on although the entry at which it stopped has gone', () => {
    const first = pageOf(['a', 'b', 'c', 'd'], own, 2, '');
    assert.deepEqual(pageOf(['a', 'c', 'd'], own, 2, first.nextToken).entries, ['c', 'd']);
  });

  it('refuses tokens that were not given out', () => {
    for (const token of ['x', 'after:', 'after:***', 'after:YQ==', ' after:YQ'])
      assert.throws(() => pageOf(['a'], own, 1, token), { reason: 'page-token-refused' });
    assert.throws(() => pageOf(['a'], own, -1, ''), { reason: 'invalid-argument' });
  });
});
