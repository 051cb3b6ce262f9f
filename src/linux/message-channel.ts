// Messages between a process and its child over one duplex descriptor: structured clones, each with its length in front.
// Node's own IPC channel does the same at several times the cost a message.
import type { Duplex } from 'node:stream';
import { deserialize, serialize } from 'node:v8';

const lengthBytes = 4;

/** Two ends of a channel trust each other: they are one program. Values must survive structured cloning. */
export class MessageChannelEnd {
  readonly #stream: Duplex;
  #rest: Buffer = Buffer.alloc(0);

  /** @param onMessage called for each whole message, in order */
  constructor(stream: Duplex, onMessage: (message: unknown) => void) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#receive(chunk, onMessage));
    // Whoever holds the process learns of its end; what is written to a closed channel goes nowhere.
    stream.on('error', () => undefined);
  }

  send(message: unknown): void {
    const body = serialize(message);
    const frame = Buffer.allocUnsafe(lengthBytes + body.length);
    frame.writeUInt32LE(body.length, 0);
    body.copy(frame, lengthBytes);
    this.#stream.write(frame);
  }

  #receive(chunk: Buffer, onMessage: (message: unknown) => void): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= lengthBytes) {
      const end = lengthBytes + bytes.readUInt32LE(0);
      if (bytes.length < end) break;
      onMessage(deserialize(bytes.subarray(lengthBytes, end)));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }
}
