// Messages between a process and its child over one duplex descriptor: JSON, each with its length in front. Node's own IPC
// channel does the same at several times the cost a message, and v8.serialize leaves native objects behind that only a
// full collection frees: a process of few objects has one every twenty thousand messages.
import type { Duplex } from 'node:stream';

const lengthBytes = 4;

/**
 * Two ends of a channel trust each other: they are one program. Messages are plain data: objects, lists, strings, finite
 * numbers, booleans, null, undefined and bigint.
 */
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
    const text = writtenMessage(message);
    const frame = Buffer.allocUnsafe(lengthBytes + Buffer.byteLength(text));
    frame.writeUInt32LE(frame.length - lengthBytes, 0);
    frame.write(text, lengthBytes);
    this.#stream.write(frame);
  }

  #receive(chunk: Buffer, onMessage: (message: unknown) => void): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= lengthBytes) {
      const end = lengthBytes + bytes.readUInt32LE(0);
      if (bytes.length < end) break;
      onMessage(readMessage(bytes.toString('utf8', lengthBytes, end)));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }
}

/** What JSON cannot say is a string that begins with NUL: `u` undefined, `n` a bigint, `s` a string that begins so itself. */
const mark = '\u0000';

export function writtenMessage(message: unknown): string {
  return JSON.stringify(message, (_key, value: unknown) => {
    if (typeof value === 'bigint') return `${mark}n${value}`;
    if (value === undefined) return `${mark}u`;
    return typeof value === 'string' && value.startsWith(mark) ? `${mark}s${value}` : value;
  });
}

export function readMessage(text: string): unknown {
  return restored(JSON.parse(text) as unknown);
}

function restored(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(mark) ? unmarked(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  const holder = value as Record<string, unknown>;
  for (const key of Object.keys(holder)) {
    const inner = holder[key];
    if (typeof inner === 'string' ? inner.startsWith(mark) : typeof inner === 'object')
      holder[key] = restored(inner);
  }
  return holder;
}

function unmarked(text: string): unknown {
  switch (text[1]) {
    case 'n':
      return BigInt(text.slice(2));
    case 'u':
      return undefined;
    default:
      return text.slice(2);
  }
}
