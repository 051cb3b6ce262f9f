import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { waitUntil } from '../../test/wait-until.ts';
import { WokenLoop } from './woken-loop.ts';

const anHourMs = 3_600_000;

function unexpected(error: unknown): never {
  throw error;
}

describe('a loop that can be woken', () => {
  let loop: WokenLoop | undefined;
  afterEach(() => loop?.stop());

  it('comes again when it is woken, and not before its time', async () => {
    let rounds = 0;
    const round = async (): Promise<number> => {
      rounds++;
      return anHourMs;
    };
    loop = new WokenLoop({ round, failed: unexpected });
    loop.start();
    await waitUntil('it has begun', () => rounds === 1);
    loop.wake();
    await waitUntil('it has come again', () => rounds === 2);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(rounds, 2);
  });

  it('comes when the time is over that a round, or what is told of its failure, names', async () => {
    let rounds = 0;
    const failures: unknown[] = [];
    const round = async (): Promise<number> => {
      if (++rounds === 2) throw new Error('told to fail');
      return rounds < 4 ? 1 : anHourMs;
    };
    loop = new WokenLoop({ round, failed: (error) => failures.push(error) });
    loop.start();
    await waitUntil('four rounds are over', () => rounds === 4);
    assert.equal(failures.length, 1);
  });

  it('has another round after one that it was woken in, however often', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let rounds = 0;
    let atOnce = 0;
    const round = async (): Promise<number> => {
      assert.equal(++atOnce, 1);
      await gates[rounds++]?.promise;
      atOnce--;
      return anHourMs;
    };
    loop = new WokenLoop({ round, failed: unexpected });
    loop.start();
    for (let time = 0; time < 5; time++) loop.wake();
    gates[0]?.resolve();
    await waitUntil('the second has begun', () => rounds === 2);
    gates[1]?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(rounds, 2);
  });

  it('waits a time that no timer can have as long as one can', async () => {
    let rounds = 0;
    const round = async (): Promise<number> => {
      rounds++;
      return Number.POSITIVE_INFINITY;
    };
    loop = new WokenLoop({ round, failed: unexpected });
    loop.start();
    await waitUntil('it has begun', () => rounds === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(rounds, 1);
  });

  it('ends with the round under way, which is told, and tells nobody of what that throws', async () => {
    const begun = Promise.withResolvers<void>();
    loop = new WokenLoop({
      round: (signal) => {
        begun.resolve();
        const { promise, reject } = Promise.withResolvers<number>();
        signal.addEventListener('abort', () => reject(signal.reason));
        return promise;
      },
      failed: unexpected,
    });
    loop.start();
    await begun.promise;
    await loop.stop();
    loop.wake();
  });
});
