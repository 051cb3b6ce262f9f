import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DriverError, type Reason } from '../errors.ts';
import type { famfs } from '../mounter/generated/mounter.js';
import root from '../mounter/generated/mounter.js';
import { silentLogger } from '../observe/logger.ts';
import { createClient, type RpcClient } from './client.ts';
import { serviceType } from './codec.ts';
import { type Handlers, RpcServer, type RpcServerOptions, unimplemented } from './server.ts';
import { parseSocketAddress } from './socket.ts';

type Mounter = famfs.mounter.v1.Mounter;
const mounter = serviceType<Mounter>(root, 'famfs.mounter.v1.Mounter');
const no = unimplemented('this test does not offer it');
const nothing: Handlers<Mounter> = {
  getState: no,
  watchState: async function* () {},
  bind: no,
  unbind: no,
  listBinds: no,
  stat: no,
  checkHealth: no,
  inspectMapping: no,
};

let folder: string;
let socketPath: string;
let server: RpcServer | undefined;
let client: RpcClient<Mounter>;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'rpc-'));
  socketPath = path.join(folder, 'm.sock');
  client = createClient(mounter, socketPath, {
    name: 'the mounter',
    unavailableReason: 'mounter-unavailable',
  });
});

afterEach(async () => {
  client.close();
  await server?.drain(0);
  server = undefined;
  rmSync(folder, { recursive: true });
});

async function serve(
  handlers: Partial<Handlers<Mounter>>,
  options: Partial<RpcServerOptions> = {},
): Promise<RpcServer> {
  server = new RpcServer({ name: 'test', logger: silentLogger, sendReason: true, ...options });
  server.addService(mounter, { ...nothing, ...handlers });
  await server.listen(socketPath);
  return server;
}

function reasonIs(reason: Reason, message?: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof DriverError, String(error));
    assert.equal(error.reason, reason, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

/** Settles when the signal fires. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));
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
    await serve({ bind: () => Promise.reject(new DriverError('pool-dead', 'pool ü is dead\nremount it')) });
    await assert.rejects(client.calls.bind({}), reasonIs('pool-dead', /^pool ü is dead\nremount it$/));
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
    await assert.rejects(client.calls.bind({}), reasonIs('internal', /^at once$/));
    await assert.rejects(client.calls.unbind({}), reasonIs('internal', /^later$/));
    await assert.rejects(client.calls.stat({}), reasonIs('internal', /^a text$/));
  });

  it('answers INTERNAL when the answer cannot be encoded', async () => {
    await serve({ getState: async () => ({ pools: 'none' as unknown as [] }) });
    await assert.rejects(client.calls.getState({}), reasonIs('internal'));
  });

  it('keeps the reason to itself where the protocol forbids extras', async () => {
    await serve({ bind: () => Promise.reject(new DriverError('pool-dead', 'gone')) }, { sendReason: false });
    await assert.rejects(client.calls.bind({}), reasonIs('mounter-unavailable', /gone/));
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

  it('is refused as INVALID_ARGUMENT when its bytes are not the message', async () => {
    await serve({ bind: async () => ({}) });
    const answers = [Buffer.from([0x0a, 0x7f, 0x41]), Buffer.from([0x0a, 0x02, 0xff, 0xfe])].map((bytes) =>
      rawCall('/famfs.mounter.v1.Mounter/Bind', bytes, 'localhost'),
    );
    for (const answer of await Promise.all(answers)) assert.equal(answer['grpc-status'], '3');
  });

  it('takes the escaped socket path that Go clients send as authority', async () => {
    await serve({ bind: async () => ({}) });
    const answer = await rawCall('/famfs.mounter.v1.Mounter/Bind', Buffer.alloc(0), '%2Fcsi%2Fcsi.sock');
    assert.equal(answer['grpc-status'], '0');
  });
});

/** One gRPC call by hand; resolves with the trailers. */
function rawCall(method: string, message: Buffer, authority: string): Promise<http2.IncomingHttpHeaders> {
  const session = http2.connect('http://localhost', { createConnection: () => net.connect(socketPath) });
  const request = session.request({
    ':method': 'POST',
    ':path': method,
    ':authority': authority,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  request.end(Buffer.concat([prefix, message]));
  return new Promise((resolve, reject) => {
    request.on('response', (headers) => {
      if (headers['grpc-status'] !== undefined) resolve(headers);
    });
    request.on('trailers', resolve);
    request.on('error', reject);
    request.resume();
  }).finally(() => session.destroy()) as Promise<http2.IncomingHttpHeaders>;
}

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
    await assert.rejects(stream.next(), reasonIs('pool-hung'));
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
    await assert.rejects(stream.next(), reasonIs('shutting-down'));
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
    await assert.rejects(client.calls.unbind({}), reasonIs('shutting-down'));
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
    const call = assert.rejects(client.calls.bind({}), reasonIs('shutting-down'));
    await started.promise;
    await running.drain(20);
    await call;
  });
});

describe('the socket', () => {
  it('is open to its owner only, in a folder that is', async () => {
    socketPath = path.join(folder, 'new/deep/m.sock');
    await serve({});
    assert.equal(statSync(socketPath).mode & 0o777, 0o600);
    assert.equal(statSync(path.dirname(socketPath)).mode & 0o777, 0o700);
  });

  it('replaces one that nobody serves any more', async () => {
    leaveStaleSocket(socketPath);
    await serve({ bind: async () => ({ mountId: 9n }) });
    assert.equal((await client.calls.bind({})).mountId, 9n);
  });

  it('refuses a path that a living process serves', async () => {
    await serve({ bind: async () => ({ mountId: 1n }) });
    const second = new RpcServer({ name: 'second', logger: silentLogger });
    await assert.rejects(second.listen(socketPath), reasonIs('socket-refused', /another process/));
    assert.equal((await client.calls.bind({})).mountId, 1n);
  });

  it('refuses a path taken by something else, and leaves it alone', async () => {
    const other = new RpcServer({ name: 'other', logger: silentLogger });
    writeFileSync(socketPath, 'mine');
    await assert.rejects(other.listen(socketPath), reasonIs('socket-refused', /not a socket/));
    rmSync(socketPath);
    symlinkSync('/nowhere', socketPath);
    await assert.rejects(other.listen(socketPath), reasonIs('socket-refused', /not a socket/));
    assert.ok(existsSync(folder));
  });

  it('refuses a folder that others can write', async () => {
    const open = path.join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    const other = new RpcServer({ name: 'other', logger: silentLogger });
    await assert.rejects(other.listen(path.join(open, 's')), reasonIs('socket-refused', /written by others/));
  });

  it('refuses a socket and a folder of another user', {
    skip: process.geteuid?.() === 0 ? false : 'only root can give files away',
  }, async () => {
    const other = new RpcServer({ name: 'other', logger: silentLogger });
    leaveStaleSocket(socketPath);
    chownSync(socketPath, 12345, 12345);
    await assert.rejects(other.listen(socketPath), reasonIs('socket-refused', /belongs to uid 12345/));
    rmSync(socketPath);
    chownSync(folder, 12345, 12345);
    await assert.rejects(other.listen(socketPath), reasonIs('socket-refused', /belongs to uid 12345/));
  });

  it('closes a folder that holds nothing else, when asked, and no other', async () => {
    const own = path.join(folder, 'own');
    const shared = path.join(folder, 'shared');
    mkdirSync(own, { mode: 0o755 });
    mkdirSync(shared, { mode: 0o755 });
    writeFileSync(path.join(shared, 'x'), '');
    for (const [place, mode] of [
      [own, 0o700],
      [shared, 0o755],
    ] as const) {
      const other = new RpcServer({ name: 'other', logger: silentLogger });
      await other.listen(path.join(place, 's'), { makeFolderPrivate: true });
      assert.equal(statSync(place).mode & 0o777, mode);
      await other.drain(0);
    }
  });

  it('has an address in three spellings and at most 107 bytes', () => {
    for (const address of ['unix:///run/x.sock', 'unix:/run/x.sock', '/run/x.sock']) {
      assert.equal(parseSocketAddress(address), '/run/x.sock');
    }
    for (const address of ['', 'x.sock', 'unix:x.sock', 'unix://x.sock', 'tcp://1.2.3.4:5', '/a\0b']) {
      assert.throws(() => parseSocketAddress(address), reasonIs('config-invalid'), address);
    }
    assert.equal(parseSocketAddress(`/${'x'.repeat(106)}`).length, 107);
    assert.throws(() => parseSocketAddress(`/${'x'.repeat(107)}`), reasonIs('config-invalid', /107/));
  });
});

/** A socket file as a killed process leaves it. */
function leaveStaleSocket(stalePath: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(stalePath)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  assert.ok(statSync(stalePath).isSocket());
}
