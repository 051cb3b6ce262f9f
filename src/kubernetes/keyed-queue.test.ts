import assert from 'node:assert/strict';
import { describe, mock, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { silentLogger } from '../observe/logger.ts';
import { KeyedQueue } from './keyed-queue.ts';

/** Work that ends when the test says so. */
class Workshop {
  readonly begun: string[] = [];
  readonly running = new Map<string, PromiseWithResolvers<number | undefined>>();
  most = 0;

  readonly work = (key: string): Promise<number | undefined> => {
    assert.ok(!this.running.has(key), `${key} is worked on twice at once`);
    const work = Promise.withResolvers<number | undefined>();
    this.running.set(key, work);
    this.begun.push(key);
    this.most = Math.max(this.most, this.running.size);
    return work.promise;
  };

  async end(key: string, outcome: Error | number | undefined = undefined): Promise<void> {
    const work = this.running.get(key);
    this.running.delete(key);
    if (outcome instanceof Error) work?.reject(outcome);
    else work?.resolve(outcome);
    await settled();
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

/** Time that goes on when the test says so. */
function stoppedClock(context: TestContext): void {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
}

function queueOf(work: Workshop['work'], workers = 1): KeyedQueue {
  return new KeyedQueue({ work, log: silentLogger, workers, firstBackOffMs: 100, longestBackOffMs: 1000 });
}

describe('a queue of keys', () => {
  test('works on keys in the order in which they came, each once', async () => {
    const shop = new Workshop();
    const queue = queueOf(shop.work);
    for (const key of ['a', 'b', 'a', 'c', 'b', 'c']) queue.add(key);
    // The first was taken at once, and added again while it ran.
    for (const key of ['a', 'b', 'c', 'a']) await shop.end(key);
    await queue.idle();
    assert.deepEqual(shop.begun, ['a', 'b', 'c', 'a']);
  });

  test('works on as many keys at once as it has workers', async () => {
    const shop = new Workshop();
    const queue = queueOf(shop.work, 3);
    for (const key of 'abcdef') queue.add(key);
    assert.equal(shop.running.size, 3);
    assert.equal(queue.waiting, 3);
    for (const key of 'cabfed') await shop.end(key);
    await queue.idle();
    assert.equal(shop.most, 3);
  });

  test('brings a key again that failed, later each time, and forgets that once it succeeds', async (context) => {
    stoppedClock(context);
    const shop = new Workshop();
    const queue = queueOf(shop.work);
    queue.add('a');
    for (const limitMs of [100, 200, 400, 800, 1000, 1000]) {
      await shop.end('a', new Error('not yet'));
      mock.timers.tick(limitMs / 2 - 1);
      await settled();
      assert.equal(shop.running.size, 0, `came before ${limitMs / 2} ms`);
      mock.timers.tick(limitMs / 2 + 1);
      await settled();
      assert.equal(shop.running.size, 1, `did not come within ${limitMs} ms`);
    }
    await shop.end('a');
    queue.add('a');
    await shop.end('a', new Error('again'));
    mock.timers.tick(100);
    assert.equal(shop.running.size, 1);
    await shop.end('a');
    await queue.stop();
  });

  test('brings a key again when its work asks for it, and at once when somebody adds it', async (context) => {
    stoppedClock(context);
    const shop = new Workshop();
    const queue = queueOf(shop.work);
    queue.add('a');
    await shop.end('a', 5000);
    mock.timers.tick(4999);
    assert.equal(shop.running.size, 0);
    mock.timers.tick(1);
    assert.equal(shop.running.size, 1);
    await shop.end('a', 5000);
    queue.add('a');
    assert.equal(shop.running.size, 1);
    await shop.end('a');
    mock.timers.tick(10_000);
    assert.equal(shop.begun.length, 3);
  });

  test('keeps the earlier of two times', async (context) => {
    stoppedClock(context);
    const shop = new Workshop();
    const queue = queueOf(shop.work);
    queue.addAfter('a', 1000);
    queue.addAfter('a', 5000);
    queue.addAfter('b', 5000);
    queue.addAfter('b', 1000);
    mock.timers.tick(1000);
    await shop.end('a');
    await shop.end('b');
    assert.deepEqual(shop.begun, ['a', 'b']);
    mock.timers.tick(10_000);
    assert.deepEqual(shop.begun, ['a', 'b']);
  });

  test('stops: begins nothing, waits for what runs, leaves no timer', async () => {
    const shop = new Workshop();
    let signal: AbortSignal | undefined;
    const queue = new KeyedQueue({
      work: (key, given) => {
        signal = given;
        return shop.work(key);
      },
      log: silentLogger,
      workers: 1,
    });
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    queue.add('a');
    queue.add('b');
    queue.add('a');
    queue.addAfter('c', 60_000);
    let stopped = false;
    const stopping = queue.stop().then(() => {
      stopped = true;
    });
    await settled();
    assert.equal(signal?.aborted, true);
    assert.equal(stopped, false);
    await shop.end('a', new Error('stopped'));
    await stopping;
    queue.add('d');
    queue.addAfter('e', 1);
    assert.deepEqual(shop.begun, ['a']);
    assert.equal(timers(), before);
  });
});

type Step =
  | { readonly do: 'add'; readonly key: string }
  | { readonly do: 'later'; readonly key: string; readonly ms: number }
  | { readonly do: 'end'; readonly nth: number; readonly outcome: 'fine' | 'failed' | 'again' }
  | { readonly do: 'tick'; readonly ms: number };

const key = fc.constantFrom('a', 'b', 'c', 'd');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('add' as const), key }),
  fc.record({ do: fc.constant('later' as const), key, ms: fc.nat(2000) }),
  fc.record({
    do: fc.constant('end' as const),
    nth: fc.nat(3),
    outcome: fc.constantFrom('fine' as const, 'failed' as const, 'again' as const),
  }),
  fc.record({ do: fc.constant('tick' as const), ms: fc.nat(2000) }),
);

describe('whatever is done to a queue', () => {
  test('no key is lost, none is worked on twice at once, and first come is first served', async (context) => {
    stoppedClock(context);
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, workers) => {
          const shop = new Workshop();
          const queue = queueOf(shop.work, workers);
          /** Keys that were named since their work last began. */
          const owed = new Set<string>();
          let seen = 0;
          const settle = async (): Promise<void> => {
            await settled();
            for (; seen < shop.begun.length; seen += 1) owed.delete(shop.begun[seen] ?? '');
            assert.ok(shop.running.size <= workers);
            // A free worker and a key that waits do not stand side by side.
            if (queue.waiting > 0) assert.ok(shop.running.size > 0);
          };
          for (const now of steps) {
            if (now.do === 'add') {
              queue.add(now.key);
              owed.add(now.key);
            } else if (now.do === 'later') queue.addAfter(now.key, now.ms);
            else if (now.do === 'tick') mock.timers.tick(now.ms);
            else {
              const running = [...shop.running.keys()][now.nth % Math.max(1, shop.running.size)];
              if (running !== undefined && now.outcome !== 'fine') owed.add(running);
              const outcome = { fine: undefined, failed: new Error('no'), again: 500 }[now.outcome];
              if (running !== undefined) await shop.end(running, outcome);
            }
            // Begun work pays the debt of its key; what is added afterwards is owed again.
            await settle();
          }
          for (let round = 0; round < 40; round += 1) {
            for (const running of [...shop.running.keys()]) await shop.end(running);
            mock.timers.tick(2000);
            await settle();
          }
          assert.deepEqual([...owed], []);
          assert.equal(queue.waiting, 0);
          assert.equal(shop.running.size, 0);
          await queue.stop();
        },
      ),
      { numRuns: 300 },
    );
  });

  test('keys that wait are begun in the order in which they came', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.string(), { minLength: 1 }), async (keys) => {
        const shop = new Workshop();
        const queue = queueOf(shop.work);
        for (const name of keys) queue.add(name);
        for (const name of keys) await shop.end(name);
        await queue.idle();
        assert.deepEqual(shop.begun, keys);
      }),
    );
  });
});
