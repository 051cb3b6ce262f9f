// gRPC calls as bare HTTP/2, faster than a real client and with any bytes in the place of a message. Knows no service.
import http2 from 'node:http2';
import net from 'node:net';
import { nameOfStatusCode, type StatusCode } from '../../src/rpc/status-code.ts';

/** How a call ended: with a status, or with its stream or connection closed before there was one. */
export interface RawAnswer {
  /** Such as INVALID_ARGUMENT, or CLOSED. */
  readonly code: string;
  readonly message: string;
  /** The answer's message bytes, when the code is OK. */
  readonly body: Buffer;
}

export interface SendOptions {
  /** Leave at once, so that the call is cancelled while it is under way. */
  readonly withdrawn?: boolean;
  readonly headers?: http2.OutgoingHttpHeaders;
}

/** A message with the five bytes that gRPC puts in front of it. */
export function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** One connection. */
export class RawGrpc {
  readonly session: http2.ClientHttp2Session;

  private constructor(session: http2.ClientHttp2Session) {
    this.session = session;
  }

  /** Resolves once the server's settings are there, so that its limit of calls at once is known and kept. */
  static async connect(socketPath: string): Promise<RawGrpc> {
    const session = http2.connect('http://localhost', { createConnection: () => net.connect(socketPath) });
    session.on('error', () => {});
    await new Promise<void>((resolve, reject) => {
      session.once('remoteSettings', () => resolve());
      session.once('close', () => reject(new Error(`no HTTP/2 connection to ${socketPath}`)));
    });
    return new RawGrpc(session);
  }

  close(): void {
    this.session.destroy();
  }

  /** Sends one message. Never rejects. */
  call(path: string, message: Uint8Array, options: SendOptions = {}): Promise<RawAnswer> {
    return this.send(path, framed(message), options);
  }

  /** Sends any body. Never rejects. */
  send(
    path: string,
    body: Uint8Array,
    { withdrawn = false, headers = {} }: SendOptions = {},
  ): Promise<RawAnswer> {
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      let code = 'CLOSED';
      let message = '';
      const take = (headersIn: http2.IncomingHttpHeaders): void => {
        const status = headersIn['grpc-status'];
        if (typeof status !== 'string') return;
        code = nameOfStatusCode(Number(status) as StatusCode);
        message = decoded(String(headersIn['grpc-message'] ?? ''));
      };
      try {
        const stream = this.session.request({
          ':method': 'POST',
          ':path': path,
          'content-type': 'application/grpc',
          te: 'trailers',
          ...headers,
        });
        stream.on('response', take);
        stream.on('trailers', take);
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('error', () => {});
        stream.on('close', () => resolve({ code, message, body: Buffer.concat(chunks).subarray(5) }));
        stream.end(body);
        if (withdrawn) setImmediate(() => stream.close(http2.constants.NGHTTP2_CANCEL));
      } catch {
        // The connection is closed.
        resolve({ code, message, body: Buffer.alloc(0) });
      }
    });
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
