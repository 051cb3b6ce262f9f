// What anybody who can reach the socket may send: the server survives it and answers the next good call.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { unofferedMounter } from '../../test/unoffered-mounter.ts';
import { waitUntil } from '../../test/wait-until.ts';
import type { famfs } from '../mounter/generated/mounter.js';
import description from '../mounter/generated/mounter.js';
import { silentLogger } from '../observe/logger.ts';
import { createClient, type RpcClient } from './client.ts';
import { serviceType } from './codec.ts';
import { RpcServer } from './server.ts';

type Mounter = famfs.mounter.v1.Mounter;
const mounter = serviceType<Mounter>(description, 'famfs.mounter.v1.Mounter');
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

let folder: string;
let socketPath: string;
let server: RpcServer;
let client: RpcClient<Mounter>;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'hostile-'));
  socketPath = path.join(folder, 's');
  server = new RpcServer({ name: 'test', logger: silentLogger, maximumMessageBytes: 64 * 1024 });
  server.addService(mounter, {
    ...unofferedMounter,
    getState: async () => ({ revision: 1n }),
    bind: async () => ({}),
  });
  await server.listen(socketPath);
  client = createClient(mounter, socketPath, { name: 'test', unavailableReason: 'internal' });
});

after(async () => {
  client.close();
  await server.drain(0);
  rmSync(folder, { recursive: true });
});

/** Sends bytes, hangs up, and settles when the server has closed its end as well. */
function send(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const connection = net.connect(socketPath, () => connection.end(bytes));
    connection.on('error', () => {});
    connection.on('close', () => resolve());
    connection.resume();
  });
}

async function answers(): Promise<void> {
  assert.equal((await client.calls.getState({})).revision, 1n);
}

describe('a server', () => {
  it('survives bytes that are not HTTP/2, and frames that are not frames', async () => {
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    await answers();
    const before = descriptors();
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }).map((rest) => Buffer.concat([preface, rest])),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        await send(sent);
      }),
      { numRuns: 300 },
    );
    await answers();
    await waitUntil('no descriptor is left over', () => descriptors() <= before);
  });

  it('answers any message body with INVALID_ARGUMENT or OK', async () => {
    const session = http2.connect('http://localhost', { createConnection: () => net.connect(socketPath) });
    try {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (body) => {
          const code = await grpcStatus(session, framed(body));
          assert.ok(code === '0' || code === '3', `status ${code}`);
        }),
        { numRuns: 300 },
      );
    } finally {
      session.destroy();
    }
  });

  it('refuses a message over the limit and a method it does not have', async () => {
    const session = http2.connect('http://localhost', { createConnection: () => net.connect(socketPath) });
    try {
      assert.equal(await grpcStatus(session, framed(Buffer.alloc(65 * 1024, 1))), '8');
      assert.equal(await grpcStatus(session, framed(Buffer.alloc(0)), '/csi.v1.Node/NodeGetInfo'), '12');
    } finally {
      session.destroy();
    }
    await answers();
  });
});

function framed(body: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

function grpcStatus(
  session: http2.ClientHttp2Session,
  body: Buffer,
  method = '/famfs.mounter.v1.Mounter/Bind',
): Promise<string> {
  const request = session.request({
    ':method': 'POST',
    ':path': method,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  request.end(body);
  return new Promise((resolve, reject) => {
    const take = (headers: http2.IncomingHttpHeaders): void => {
      if (typeof headers['grpc-status'] === 'string') resolve(headers['grpc-status']);
    };
    request.on('response', take);
    request.on('trailers', take);
    request.on('error', reject);
    request.resume();
  });
}
