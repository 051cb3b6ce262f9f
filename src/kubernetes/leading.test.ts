import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import { silentLogger } from '../observe/logger.ts';
import { Leading, type LedPart } from './leading.ts';

/** An election whose outcome the test decides. */
class Decided {
  readonly #acquired = Promise.withResolvers<void>();
  readonly #lost = new AbortController();
  readonly lost = this.#lost.signal;
  readonly acquired = this.#acquired.promise;
  readonly #said: string[];

  constructor(said: string[]) {
    this.#said = said;
    this.acquired.catch(() => undefined);
  }

  start(): void {
    this.#said.push('asks');
  }

  async stop(): Promise<void> {
    this.#said.push('gives back');
    this.#acquired.reject(new DriverError('shutting-down', 'stopped'));
  }

  win(): void {
    this.#acquired.resolve();
  }

  lose(): void {
    this.#lost.abort();
  }
}

function scene(part: Partial<LedPart> = {}) {
  const said: string[] = [];
  const elections: Decided[] = [];
  const work = (): readonly LedPart[] => [
    {
      start: () => void said.push('works'),
      stop: async () => void said.push('rests'),
      ...part,
    },
  ];
  const elect = (): Decided => {
    const election = new Decided(said);
    elections.push(election);
    return election;
  };
  return { said, elections, leading: new Leading({ elect, work, log: silentLogger }) };
}

async function turns(): Promise<void> {
  for (let count = 0; count < 5; count++) await turn();
}

test('works only while it leads, anew each time, and gives the lease back when the work has ended', async () => {
  const { said, elections, leading } = scene();
  leading.start();
  leading.start();
  await turns();
  assert.deepEqual([said, leading.leads], [['asks'], false]);
  elections[0]?.win();
  await turns();
  assert.deepEqual([said, leading.leads], [['asks', 'works'], true]);
  elections[0]?.lose();
  await turns();
  assert.deepEqual([said, leading.leads], [['asks', 'works', 'rests', 'gives back', 'asks'], false]);
  elections[1]?.win();
  await turns();
  await leading.stop();
  assert.deepEqual(said.slice(5), ['works', 'rests', 'gives back']);
});

test('ends before it led, and when work does not end well', async () => {
  const waiting = scene();
  waiting.leading.start();
  await turns();
  await waiting.leading.stop();
  assert.deepEqual(waiting.said, ['asks', 'gives back']);
  const stop = async (): Promise<void> => {
    throw new Error('it hangs on');
  };
  const broken = scene({ stop });
  broken.leading.start();
  broken.elections[0]?.win();
  await turns();
  await broken.leading.stop();
  assert.deepEqual(broken.said, ['asks', 'works', 'gives back']);
  assert.equal(broken.elections.length, 1);
});
