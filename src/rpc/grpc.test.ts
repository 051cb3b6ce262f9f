// What is true of gRPC alone: bytes as other clients send them, and what CSI forbids to send.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { unofferedMounter } from '../../test/unoffered-mounter.ts';
import { DriverError } from '../errors.ts';
import type { famfs } from '../mounter/generated/mounter.js';
import description from '../mounter/generated/mounter.js';
import { silentLogger } from '../observe/logger.ts';
import { serviceType } from './codec.ts';
import { RpcServer } from './server.ts';
import { statusCode } from './status-code.ts';

const mounter = serviceType<famfs.mounter.v1.Mounter>(description, 'famfs.mounter.v1.Mounter');

let folder: string;
let socketPath: string;
let server: RpcServer;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'grpc-'));
  socketPath = path.join(folder, 's');
  server = new RpcServer({ name: 'test', logger: silentLogger });
  server.addService(mounter, {
    ...unofferedMounter,
    bind: async () => ({}),
    stat: () => Promise.reject(new DriverError('pool-dead', 'gone')),
  });
  await server.listen(socketPath);
});

after(async () => {
  await server.drain(0);
  rmSync(folder, { recursive: true });
});

describe('a call over gRPC', () => {
  it('is refused as INVALID_ARGUMENT when its bytes are not the message', async () => {
    const answers = [Buffer.from([0x0a, 0x7f, 0x41]), Buffer.from([0x0a, 0x02, 0xff, 0xfe])].map((bytes) =>
      rawCall('/famfs.mounter.v1.Mounter/Bind', bytes, 'localhost'),
    );
    for (const answer of await Promise.all(answers)) assert.equal(answer['grpc-status'], '3');
  });

  it('takes the escaped socket path that Go clients send as authority', async () => {
    const answer = await rawCall('/famfs.mounter.v1.Mounter/Bind', Buffer.alloc(0), '%2Fcsi%2Fcsi.sock');
    assert.equal(answer['grpc-status'], '0');
  });

  it('fails with a code and a message and nothing else, as CSI wants it', async () => {
    const answer = await rawCall('/famfs.mounter.v1.Mounter/Stat', Buffer.alloc(0), 'localhost');
    assert.equal(answer['grpc-status'], String(statusCode.UNAVAILABLE));
    assert.equal(answer['grpc-message'], 'gone');
    assert.equal(JSON.stringify(answer).includes('pool-dead'), false);
  });

  it('has the codes that grpc-js knows', () => {
    for (const [name, code] of Object.entries(statusCode)) assert.equal(status[code], name);
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
