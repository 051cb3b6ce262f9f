// The frames that calls to the mounter travel in, to bytes and back. Knows no socket, no service and no message.
//
//   u32 length of what follows · u8 kind · u32 call id · body          (all numbers big-endian)
//
//   request  u32 milliseconds to the deadline (0: none) · u8 length · path of the method · message
//   response message                       item  message               end  nothing
//   error    u8 status code · u8 length · reason of src/errors.ts · message for a person, in UTF-8
//   cancel   nothing: the caller has left   credit  u32 how many more items the reader takes
//   ping     nothing                        pong  nothing
//
// A call id is the client's choice and free again once the call has ended.

export const frameKind = {
  request: 1,
  response: 2,
  error: 3,
  item: 4,
  end: 5,
  cancel: 6,
  credit: 7,
  ping: 8,
  pong: 9,
} as const;

export type FrameKind = (typeof frameKind)[keyof typeof frameKind];
export type EmptyFrameKind =
  | typeof frameKind.end
  | typeof frameKind.cancel
  | typeof frameKind.ping
  | typeof frameKind.pong;
export type MessageFrameKind = typeof frameKind.response | typeof frameKind.item;

/** Items a stream may be ahead of its reader before the first credit. */
export const initialCredit = 16;
/** The longest time that can be told: seven weeks. */
export const longestTimeoutMs = 0xffff_ffff;
/** What a frame may have beside its message. */
export const frameOverheadBytes = 512;

const lengthBytes = 4;
const headerBytes = lengthBytes + 1 + 4;
const headBytes = headerBytes - lengthBytes;
const requestHeadBytes = headerBytes + 4;
const lastKind = frameKind.pong;

/** Bytes that are not frames; the connection they came over is of no more use. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** The path of a method as every request for it carries it; made once per method. */
export function encodePath(path: string): Buffer {
  const bytes = Buffer.from(` ${path}`, 'latin1');
  if (bytes.length > 256) throw new RangeError(`the path of the method ${path} is longer than 255 bytes`);
  bytes[0] = bytes.length - 1;
  return bytes;
}

/** @param timeoutMs whole milliseconds to the deadline, 0 for none */
export function encodeRequest(callId: number, path: Buffer, timeoutMs: number, message: Buffer): Buffer {
  const frame = startFrame(frameKind.request, callId, 4 + path.length + message.length);
  frame.writeUInt32BE(timeoutMs, headerBytes);
  path.copy(frame, requestHeadBytes);
  message.copy(frame, requestHeadBytes + path.length);
  return frame;
}

export function encodeMessage(kind: MessageFrameKind, callId: number, message: Buffer): Buffer {
  const frame = startFrame(kind, callId, message.length);
  message.copy(frame, headerBytes);
  return frame;
}

export function encodeError(callId: number, code: number, reason: string, message: string): Buffer {
  const frame = startFrame(frameKind.error, callId, 2 + reason.length + Buffer.byteLength(message));
  frame[headerBytes] = code;
  frame[headerBytes + 1] = reason.length;
  frame.write(reason, headerBytes + 2, 'latin1');
  frame.write(message, headerBytes + 2 + reason.length, 'utf8');
  return frame;
}

export function encodeEmpty(kind: EmptyFrameKind, callId: number): Buffer {
  return startFrame(kind, callId, 0);
}

export function encodeCredit(callId: number, items: number): Buffer {
  const frame = startFrame(frameKind.credit, callId, 4);
  frame.writeUInt32BE(items, headerBytes);
  return frame;
}

function startFrame(kind: FrameKind, callId: number, bodyBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + bodyBytes);
  frame.writeUInt32BE(headBytes + bodyBytes, 0);
  frame[lengthBytes] = kind;
  frame.writeUInt32BE(callId, lengthBytes + 1);
  return frame;
}

export interface RequestBody {
  readonly path: string;
  /** 0 when the caller waits for ever. */
  readonly timeoutMs: number;
  readonly message: Buffer;
}

/** @throws {FrameError} when the body ends before it should */
export function readRequest(body: Buffer): RequestBody {
  const pathEnd = 5 + byteAt(body, 4);
  requireBytes(body, pathEnd);
  const path = body.toString('latin1', 5, pathEnd);
  return { path, timeoutMs: body.readUInt32BE(0), message: body.subarray(pathEnd) };
}

export interface ErrorBody {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
}

/** @throws {FrameError} when the body ends before it should */
export function readError(body: Buffer): ErrorBody {
  const reasonEnd = 2 + byteAt(body, 1);
  requireBytes(body, reasonEnd);
  return {
    code: byteAt(body, 0),
    reason: body.toString('latin1', 2, reasonEnd),
    message: body.toString('utf8', reasonEnd),
  };
}

/** @throws {FrameError} when the body is not four bytes */
export function readCredit(body: Buffer): number {
  if (body.length !== 4) throw new FrameError(`a credit of ${body.length} bytes, where it has 4`);
  return body.readUInt32BE(0);
}

function byteAt(body: Buffer, index: number): number {
  const byte = body[index];
  if (byte === undefined) throw new FrameError(`a body of ${body.length} bytes is too short`);
  return byte;
}

function requireBytes(body: Buffer, count: number): void {
  if (body.length < count) throw new FrameError(`a body of ${body.length} bytes is too short`);
}

/** Called with each frame. The body is a view of memory that is used again: decode it before returning. */
export type FrameReader = (kind: FrameKind, callId: number, body: Buffer) => void;

/**
 * Frames out of a stream of chunks. A frame that lies within a chunk is not copied; one that spans chunks is
 * copied once.
 */
export class FrameDecoder {
  readonly #maximumBytes: number;
  readonly #onFrame: FrameReader;
  /** The frame that began in an earlier chunk, without its length; undefined between frames. */
  #partial: Buffer | undefined;
  #filled = 0;
  /** The first bytes of a length that is split over chunks. */
  readonly #length = Buffer.alloc(lengthBytes);
  #lengthFilled = 0;

  /** @param maximumBytes of one frame, without its length */
  constructor(maximumBytes: number, onFrame: FrameReader) {
    this.#maximumBytes = maximumBytes;
    this.#onFrame = onFrame;
  }

  /** @throws {FrameError} when the bytes are not frames; whatever onFrame throws goes through */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial === undefined && this.#lengthFilled === 0 && chunk.length - at >= lengthBytes) {
        const length = this.#checked(chunk.readUInt32BE(at));
        at += lengthBytes;
        if (chunk.length - at >= length) {
          this.#deliver(chunk, at, at + length);
          at += length;
          continue;
        }
        this.#begin(length);
      }
      at =
        this.#partial === undefined ? this.#takeLength(chunk, at) : this.#takeBody(this.#partial, chunk, at);
    }
  }

  #takeLength(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + lengthBytes - this.#lengthFilled);
    this.#lengthFilled += chunk.copy(this.#length, this.#lengthFilled, at, end);
    if (this.#lengthFilled === lengthBytes) {
      this.#lengthFilled = 0;
      this.#begin(this.#checked(this.#length.readUInt32BE(0)));
    }
    return end;
  }

  #takeBody(partial: Buffer, chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + partial.length - this.#filled);
    this.#filled += chunk.copy(partial, this.#filled, at, end);
    if (this.#filled === partial.length) {
      this.#partial = undefined;
      this.#deliver(partial, 0, partial.length);
    }
    return end;
  }

  #begin(length: number): void {
    this.#partial = Buffer.allocUnsafe(length);
    this.#filled = 0;
  }

  #checked(length: number): number {
    if (length < headBytes || length > this.#maximumBytes) {
      throw new FrameError(`a frame of ${length} bytes, where ${headBytes} to ${this.#maximumBytes} can be`);
    }
    return length;
  }

  #deliver(bytes: Buffer, start: number, end: number): void {
    const kind = bytes[start] ?? 0;
    if (kind < 1 || kind > lastKind) throw new FrameError(`a frame of the unknown kind ${kind}`);
    this.#onFrame(kind as FrameKind, bytes.readUInt32BE(start + 1), bytes.subarray(start + headBytes, end));
  }
}
