import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { reasonIs } from '../../test/reason-is.ts';
import { unofferedMounter } from '../../test/unoffered-mounter.ts';
import { DriverError, type Reason } from '../errors.ts';
import type { famfs } from '../mounter/generated/mounter.js';
import description from '../mounter/generated/mounter.js';
import { silentLogger } from '../observe/logger.ts';
import { createClient, type RpcClient } from './client.ts';
import { serviceType } from './codec.ts';
import { createFrameClient } from './frame-client.ts';
import { FrameServer } from './frame-server.ts';
import { type Handlers, RpcServer } from './server.ts';

type Mounter = famfs.mounter.v1.Mounter;
const mounter = serviceType<Mounter>(description, 'famfs.mounter.v1.Mounter');

/** Settles when the signal fires. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));
}

/** What carries the calls; all of it keeps to the same promises. */
interface Transport {
  readonly name: string;
  readonly Server: typeof RpcServer | typeof FrameServer;
  readonly connect: typeof createClient<Mounter>;
  /** gRPC carries a code, as CSI has it; what is UNAVAILABLE is for the client to name. */
  readonly unavailable: (reason: Reason) => Reason;
}

const transports: readonly Transport[] = [
  { name: 'gRPC', Server: RpcServer, connect: createClient, unavailable: () => 'mounter-unavailable' },
  { name: 'frames', Server: FrameServer, connect: createFrameClient, unavailable: (reason) => reason },
];

for (const transport of transports) {
  describe(`over ${transport.name}`, () => {
    const { unavailable } = transport;
    let folder: string;
    let socketPath: string;
    let server: RpcServer | FrameServer | undefined;
    let client: RpcClient<Mounter>;

    beforeEach(() => {
      folder = mkdtempSync(path.join(tmpdir(), 'rpc-'));
      socketPath = path.join(folder, 'm.sock');
      const options = { name: 'the mounter', unavailableReason: 'mounter-unavailable' } as const;
      client = transport.connect(mounter, socketPath, options);
    });

    afterEach(async () => {
      client.close();
      await server?.drain(0);
      server = undefined;
      rmSync(folder, { recursive: true });
    });

    async function serve(handlers: Partial<Handlers<Mounter>>): Promise<RpcServer | FrameServer> {
      server = new transport.Server({ name: 'test', logger: silentLogger });
      server.addService(mounter, { ...unofferedMounter, ...handlers });
      await server.listen(socketPath);
      return server;
    }

    describe('a call', () => {
      it('carries 64-bit numbers as bigint both ways and unset messages as null', async () => {
        const big = 2n ** 63n + 1n;
        await serve({
          bind: async (request) => ({ alreadyBound: request.writable, mountId: big }),
          getState: async () => ({ revision: big, pools: [{ uuid: 'u', sizeBytes: 2n ** 53n + 1n }] }),
        });
        assert.deepEqual(await client.calls.bind({ writable: true }), { alreadyBound: true, mountId: big });
        const state = await client.calls.getState({});
        assert.equal(state.revision, big);
        assert.equal(state.pools[0]?.sizeBytes, 2n ** 53n + 1n);
        assert.equal(state.pools[0]?.problem, null);
        assert.deepEqual(state.problems, []);
      });

      it('brings a DriverError back with its reason and message', async () => {
        await serve({
          bind: () => Promise.reject(new DriverError('pool-dead', 'pool ü is dead\nremount it')),
        });
        await assert.rejects(
          client.calls.bind({}),
          reasonIs(unavailable('pool-dead'), /pool ü is dead\nremount it$/),
        );
      });

      it('answers INTERNAL with the message when a handler throws, at once or later', async () => {
        await serve({
          bind: () => {
            throw new TypeError('at once');
          },
          unbind: async () => {
            await Promise.resolve();
            throw new TypeError('later');
          },
          stat: () => Promise.reject('a text'),
        });
        await assert.rejects(client.calls.bind({}), reasonIs('internal', /at once$/));
        await assert.rejects(client.calls.unbind({}), reasonIs('internal', /later$/));
        await assert.rejects(client.calls.stat({}), reasonIs('internal', /a text$/));
      });

      it('answers INTERNAL when the answer cannot be encoded', async () => {
        await serve({ getState: async () => ({ pools: 'none' as unknown as [] }) });
        await assert.rejects(client.calls.getState({}), reasonIs('internal'));
      });

      it('ends at its deadline on both sides', async () => {
        const seen = Promise.withResolvers<unknown>();
        await serve({
          bind: async (_request, context) => {
            assert.ok(context.deadlineMs !== undefined);
            seen.resolve(await aborted(context.signal));
            return {};
          },
          unbind: async () => ({}),
        });
        await client.calls.unbind({}); // connects, so that the deadline is not spent on that
        await assert.rejects(client.calls.bind({}, { timeoutMs: 500 }), reasonIs('deadline-exceeded'));
        const reason = (await seen.promise) as DriverError;
        // Which of the two is a matter of clocks when the machine is busy.
        assert.ok(reason.reason === 'deadline-exceeded' || reason.reason === 'cancelled', reason.message);
      });

      it('is withdrawn by its caller on both sides', async () => {
        const started = Promise.withResolvers<void>();
        const seen = Promise.withResolvers<unknown>();
        await serve({
          bind: async (_request, context) => {
            started.resolve();
            seen.resolve(await aborted(context.signal));
            return {};
          },
        });
        const controller = new AbortController();
        const call = client.calls.bind({}, { signal: controller.signal });
        await started.promise;
        controller.abort();
        await assert.rejects(call, reasonIs('cancelled'));
        assert.ok(reasonIs('cancelled')(await seen.promise));
      });

      it('fails with the reason the client was made for while nobody listens, and works once somebody does', async () => {
        await assert.rejects(client.calls.bind({}), reasonIs('mounter-unavailable'));
        await serve({ bind: async () => ({ mountId: 1n }) });
        const deadline = Date.now() + 10_000;
        for (;;) {
          const answer = await client.calls.bind({}).catch(() => undefined);
          if (answer !== undefined) break;
          assert.ok(Date.now() < deadline, 'the client never found the server');
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      });
    });

    describe('a stream', () => {
      it('delivers in order and ends', async () => {
        await serve({
          watchState: async function* () {
            for (let revision = 0n; revision < 500n; revision++) yield { revision };
          },
        });
        const seen: bigint[] = [];
        for await (const state of client.calls.watchState({})) seen.push(state.revision);
        assert.deepEqual(
          seen,
          Array.from({ length: 500 }, (_, index) => BigInt(index)),
        );
      });

      it('ends with the error its handler throws', async () => {
        await serve({
          watchState: async function* () {
            yield {};
            throw new DriverError('pool-hung', 'no answer');
          },
        });
        const stream = client.calls.watchState({})[Symbol.asyncIterator]();
        assert.equal((await stream.next()).done, false);
        await assert.rejects(stream.next(), reasonIs(unavailable('pool-hung')));
      });

      it('tells its handler when the reader leaves', async () => {
        const left = Promise.withResolvers<unknown>();
        await serve({
          watchState: async function* (_request, context) {
            yield {};
            left.resolve(await aborted(context.signal));
          },
        });
        for await (const _state of client.calls.watchState({})) break;
        assert.ok(reasonIs('cancelled')(await left.promise));
      });

      it('ends when the server drains', async () => {
        const running = await serve({
          watchState: async function* (_request, context) {
            yield {};
            await aborted(context.signal);
          },
        });
        const stream = client.calls.watchState({})[Symbol.asyncIterator]();
        await stream.next();
        const drained = running.drain(60_000);
        await assert.rejects(stream.next(), reasonIs(unavailable('shutting-down')));
        await drained;
      });
    });

    describe('draining', () => {
      it('lets running calls finish, refuses new ones, removes the socket', async () => {
        const started = Promise.withResolvers<void>();
        const finish = Promise.withResolvers<void>();
        const running = await serve({
          bind: async () => {
            started.resolve();
            await finish.promise;
            return { mountId: 7n };
          },
        });
        const call = client.calls.bind({});
        await started.promise;
        assert.equal(running.callsInFlight, 1);
        const drained = running.drain(60_000);
        await assert.rejects(client.calls.unbind({}), reasonIs(unavailable('shutting-down')));
        finish.resolve();
        assert.equal((await call).mountId, 7n);
        await drained;
        assert.equal(existsSync(socketPath), false);
      });

      it('ends a call that never would when its time is over', async () => {
        const started = Promise.withResolvers<void>();
        const running = await serve({
          bind: () => {
            started.resolve();
            return new Promise(() => {});
          },
        });
        const call = assert.rejects(client.calls.bind({}), reasonIs(unavailable('shutting-down')));
        await started.promise;
        await running.drain(20);
        await call;
      });
    });
  });
}
