import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import {
  type ListWatchServer,
  refusal,
  reply,
  type SeenRequest,
  type ServedObject,
} from '../../test/list-watch-server.ts';
import { reasonIs } from '../../test/reason-is.ts';
import { servedApi } from '../../test/served-api.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { silentLogger } from '../observe/logger.ts';
import { ApiClient } from './api-client.ts';
import { KubeAccess } from './kube-access.ts';
import { LeaderElection, type Lease, type LeaseClock } from './lease.ts';
import { leases, pathOf } from './resources.ts';

const leasesPath = pathOf(leases);

/** Time that goes on when the test says so, once everybody who acts in it sleeps. */
class SharedClock implements LeaseClock {
  #nowMs = 0;
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (signal.aborted) return Promise.resolve();
    const sleeper = {
      atMs: this.#nowMs + ms,
      wake: () => {
        this.#sleepers.delete(sleeper);
        resolve();
      },
    };
    this.#sleepers.add(sleeper);
    signal.addEventListener('abort', sleeper.wake, { once: true });
    return promise;
  }

  /** Goes on, from one awakening to the next; `look` is called after each, when all sleep again. */
  async advance(ms: number, actors: () => number, look: () => void): Promise<void> {
    const untilMs = this.#nowMs + ms;
    const asleep = (): boolean => this.#sleepers.size === actors();
    for (;;) {
      // Mostly a matter of less than a millisecond.
      for (let turns = 0; !asleep() && turns < 10_000; turns += 1) await nextTurn();
      await waitUntil('all candidates sleep', asleep);
      look();
      const next = [...this.#sleepers].sort((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
    }
    this.#nowMs = untilMs;
    look();
  }

  /** As a machine that slept: nobody acts meanwhile. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }
}

interface Candidate {
  readonly name: string;
  readonly election: LeaderElection;
}

class Contest {
  readonly clock = new SharedClock();
  readonly server: ListWatchServer;
  readonly candidates: Candidate[] = [];
  readonly #cut = new Map<string, () => void>();
  readonly #clients: ApiClient[] = [];

  constructor(server: ListWatchServer) {
    this.server = server;
  }

  enter(name: string): LeaderElection {
    const access = KubeAccess.fromText(this.server.kubeconfig());
    const client = new ApiClient({ access, userAgent: name });
    this.#clients.push(client);
    const options = { client, namespace: 'ours', name: 'leader', identity: name, log: silentLogger };
    const election = new LeaderElection({ ...options, clock: this.clock });
    this.candidates.push({ name, election });
    election.start();
    return election;
  }

  /** From now on, or no longer, the API server does not answer this candidate. */
  cutOff(name: string, off: boolean): void {
    const end = this.#cut.get(name);
    if (off === (end !== undefined)) return;
    end?.();
    this.#cut.delete(name);
    if (!off) return;
    const isTheirs = ({ headers }: SeenRequest): boolean => headers['user-agent'] === name;
    const answer = refusal(500, 'InternalError', 'cut off');
    this.#cut.set(
      name,
      this.server.always(isTheirs, (_, response) => reply(response, answer)),
    );
  }

  leaders(): readonly string[] {
    return this.candidates.filter(({ election }) => election.leading).map(({ name }) => name);
  }

  async advance(ms: number): Promise<void> {
    const running = (): number => this.candidates.filter(({ election }) => !election.lost.aborted).length;
    await this.clock.advance(ms, running, () => {
      const leaders = this.leaders();
      assert.ok(leaders.length <= 1, `${leaders.join(' and ')} lead at once`);
    });
  }

  async end(): Promise<void> {
    await Promise.all(this.candidates.map(({ election }) => election.stop()));
    for (const client of this.#clients) client.close();
  }
}

async function contest(context: TestContext): Promise<Contest> {
  const { server } = await servedApi(context, { afterwards: () => made.end() });
  const made = new Contest(server);
  return made;
}

function leaseOf(holderIdentity: string, renewTime: string): Lease & ServedObject {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'leader', namespace: 'ours' },
    spec: {
      holderIdentity,
      leaseDurationSeconds: 15,
      renewTime,
      acquireTime: renewTime,
      leaseTransitions: 4,
    },
  };
}

async function heldLease({ server }: Contest): Promise<Lease | undefined> {
  const client = new ApiClient({ access: KubeAccess.fromText(server.kubeconfig()) });
  try {
    return await client.get<Lease>(leases, 'leader', { namespace: 'ours' });
  } finally {
    client.close();
  }
}

describe('an election', () => {
  test('is won by the only candidate, and the lease says so', async (context) => {
    const world = await contest(context);
    const election = world.enter('a');
    await election.acquired;
    assert.equal(election.leading, true);
    const { spec } = (await heldLease(world)) ?? {};
    assert.equal(spec?.holderIdentity, 'a');
    assert.equal(spec?.leaseDurationSeconds, 15);
    assert.equal(spec?.leaseTransitions, 0);
    assert.match(spec?.renewTime ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    await world.advance(120_000);
    const later = (await heldLease(world))?.spec;
    assert.equal(later?.acquireTime, spec?.acquireTime);
    assert.equal(election.leading, true);
  });

  test('has one winner, who keeps the lease for as long as it renews', async (context) => {
    const world = await contest(context);
    world.enter('a');
    world.enter('b');
    world.enter('c');
    await waitUntil('somebody leads', () => world.leaders().length === 1);
    const [leader] = world.leaders();
    await world.advance(300_000);
    assert.deepEqual(world.leaders(), [leader]);
  });

  test('is decided anew when the leader cannot renew: it stops before the next one begins', async (context) => {
    const world = await contest(context);
    const first = world.enter('a');
    await first.acquired;
    const second = world.enter('b');
    await world.advance(30_000);
    world.cutOff('a', true);
    await world.advance(7_000);
    assert.deepEqual(world.leaders(), ['a']);
    await world.advance(4_000);
    assert.equal(first.lost.aborted, true);
    assert.deepEqual(world.leaders(), []);
    await world.advance(12_000);
    assert.deepEqual(world.leaders(), ['b']);
    await second.acquired;
    const { spec } = (await heldLease(world)) ?? {};
    assert.equal(spec?.leaseTransitions, 1);
  });

  test('outlasts a failure that is shorter than the deadline', async (context) => {
    const world = await contest(context);
    const election = world.enter('a');
    await election.acquired;
    for (let round = 0; round < 5; round += 1) {
      world.cutOff('a', true);
      await world.advance(5_000);
      world.cutOff('a', false);
      await world.advance(4_000);
      assert.equal(election.leading, true);
    }
  });

  for (const renewTime of ['1970-01-01T00:00:00.000000Z', '2150-01-01T00:00:00.000000Z']) {
    test(`goes by when a renewal was seen, not by a clock elsewhere that says ${renewTime}`, async (context) => {
      const world = await contest(context);
      world.server.put(leasesPath, leaseOf('somebody', renewTime));
      const election = world.enter('a');
      await world.advance(14_900);
      assert.equal(election.leading, false);
      await world.advance(5_000);
      assert.equal(election.leading, true);
      assert.equal((await heldLease(world))?.spec?.leaseTransitions, 5);
    });
  }

  test('is won at once when the leader gives the lease back', async (context) => {
    const world = await contest(context);
    const first = world.enter('a');
    await first.acquired;
    const second = world.enter('b');
    await world.advance(10_000);
    await first.stop();
    assert.equal(first.leading, false);
    assert.equal(first.lost.aborted, false);
    assert.equal((await heldLease(world))?.spec?.holderIdentity, '');
    world.candidates.shift();
    await world.advance(4_500);
    assert.equal(second.leading, true);
  });

  test('gives the lease back even when it is stopped in the middle of a renewal', async (context) => {
    const world = await contest(context);
    const election = world.enter('a');
    await election.acquired;
    // As if a renewal had reached the server, and its answer not the leader.
    world.server.put(leasesPath, leaseOf('a', new Date().toISOString()));
    await election.stop();
    assert.equal((await heldLease(world))?.spec?.holderIdentity, '');
    world.candidates.shift();
  });

  test('is lost as soon as the leader sees somebody else in the lease', async (context) => {
    const world = await contest(context);
    const election = world.enter('a');
    await election.acquired;
    world.server.put(leasesPath, leaseOf('a person', new Date().toISOString()));
    await world.advance(2_000);
    assert.equal(election.leading, false);
    assert.equal(election.lost.aborted, true);
  });

  test('goes on when somebody touches or deletes the lease', async (context) => {
    const world = await contest(context);
    const election = world.enter('a');
    await election.acquired;
    const lease = await heldLease(world);
    assert.ok(lease);
    world.server.put(leasesPath, { ...lease });
    await world.advance(2_000);
    assert.equal(election.leading, true);
    world.server.drop(leasesPath, 'leader', 'ours');
    await world.advance(2_000);
    assert.equal(election.leading, true);
    assert.equal((await heldLease(world))?.spec?.holderIdentity, 'a');
  });

  test('is over for a process that slept too long, from the moment it wakes', async (context) => {
    const world = await contest(context);
    const election = world.enter('a');
    await election.acquired;
    world.clock.jump(11_000);
    assert.equal(election.leading, false);
    await world.advance(1);
    assert.equal(election.lost.aborted, true);
  });

  test('can be left before it is won', async (context) => {
    const world = await contest(context);
    world.server.put(leasesPath, leaseOf('somebody', new Date().toISOString()));
    const election = world.enter('a');
    await world.advance(5_000);
    await election.stop();
    await assert.rejects(election.acquired, reasonIs('shutting-down'));
    assert.equal((await heldLease(world))?.spec?.holderIdentity, 'somebody');
    world.candidates.shift();
  });

  test('never has two leaders, whoever is cut off and whenever', async (context) => {
    const { server } = await servedApi(context);
    const act = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      off: fc.boolean(),
      ms: fc.integer({ min: 1, max: 20_000 }),
    });
    let changes = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 3, maxLength: 12 }), async (acts) => {
        const world = new Contest(server);
        server.drop(leasesPath, 'leader', 'ours');
        try {
          for (const name of ['a', 'b', 'c']) world.enter(name);
          for (const { name, off, ms } of acts) {
            world.cutOff(name, off);
            await world.advance(ms);
          }
          changes += world.candidates.filter(({ election }) => election.lost.aborted).length;
        } finally {
          for (const name of ['a', 'b', 'c']) world.cutOff(name, false);
          await world.end();
        }
      }),
      { numRuns: 15 },
    );
    context.diagnostic(`the lease was lost ${changes} times`);
    assert.ok(changes > 0, 'nothing was tried');
  });
});
