import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { grantedWriters, requireWriters } from './writers.ts';

describe('what a node grants to writers', () => {
  it('follows from its setting and from what its famfs refuses', () => {
    const settings = ['never', 'safe', 'unsafe'] as const;
    const granted = (policy: 'protected' | 'open' | undefined) =>
      settings.map((setting) => grantedWriters(setting, policy));
    assert.deepEqual(granted('protected'), ['never', 'safe', 'safe']);
    assert.deepEqual(granted('open'), ['never', 'never', 'unsafe']);
    assert.deepEqual(granted(undefined), ['never', 'never', 'never']);
  });

  it('is what a publish gets, which for a volume that is only written safely is less', async () => {
    const settings = ['never', 'safe', 'unsafe'] as const;
    const outcomes = async (policy: 'protected' | 'open', onlySafely: boolean) => {
      const tries = settings.map((allowWrites) =>
        requireWriters('p', { allowWrites, onlySafely }, async () => policy).then(
          () => 'granted',
          (error: { reason: string }) => error.reason,
        ),
      );
      return Promise.all(tries);
    };
    assert.deepEqual(await outcomes('protected', false), ['writes-refused', 'granted', 'granted']);
    assert.deepEqual(await outcomes('protected', true), ['writes-refused', 'granted', 'granted']);
    assert.deepEqual(await outcomes('open', false), ['writes-refused', 'writes-refused', 'granted']);
    assert.deepEqual(await outcomes('open', true), ['writes-refused', 'writes-refused', 'writes-refused']);
  });

  it('is not asked of a pool when the setting decides', async () => {
    const never = async (): Promise<never> => assert.fail('it was asked');
    await requireWriters('p', { allowWrites: 'unsafe', onlySafely: false }, never);
    await assert.rejects(requireWriters('p', { allowWrites: 'never', onlySafely: true }, never), {
      reason: 'writes-refused',
    });
  });
});
