import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WaitingFiles } from './waiting-files.ts';

describe('files that wait', () => {
  test('go to whoever asks, each once, in their order', () => {
    const given = ['a', 'b', 'c'];
    const waiting = new WaitingFiles(given);
    assert.deepEqual([waiting.next(), waiting.next(), waiting.next()], ['a', 'b', 'c']);
    assert.equal(waiting.next(), undefined);
    assert.deepEqual(given, ['a', 'b', 'c']);
  });

  test('are forgotten when nobody wants them any more', () => {
    const waiting = new WaitingFiles(['a', 'b']);
    waiting.next();
    waiting.forget();
    assert.equal(waiting.next(), undefined);
  });
});
