// Frames over one socket: what arrives is taken apart, what leaves in one turn of the event loop leaves in one
// write. Knows no call.
import type net from 'node:net';
import { FrameDecoder, type FrameReader } from './frame.ts';

export interface FrameSocketOptions {
  /** Of one frame, without its length. */
  readonly maximumFrameBytes: number;
  readonly onFrame: FrameReader;
  /** Once, at the end; with the error that ended it, if one did. */
  readonly onClose: (error: Error | undefined) => void;
}

/** A peer that asks and does not read: so much may wait for it before it is not listened to any more. */
const unsentLimitBytes = 128 * 1024;

export class FrameSocket {
  readonly #socket: net.Socket;
  readonly #decoder: FrameDecoder;
  #error: Error | undefined;
  #corked = false;
  readonly #uncork = (): void => {
    this.#corked = false;
    this.#socket.uncork();
  };

  constructor(socket: net.Socket, options: FrameSocketOptions) {
    this.#socket = socket;
    this.#decoder = new FrameDecoder(options.maximumFrameBytes, (kind, callId, body) => {
      if (!socket.destroyed) options.onFrame(kind, callId, body);
    });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => options.onClose(this.#error));
  }

  /** Nothing happens when the connection is ending or gone: nobody is left to read it. */
  send(frame: Buffer): void {
    if (!this.#socket.writable) return;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(this.#uncork);
    }
    this.#socket.write(frame);
  }

  /** The peer does not read as fast as it is sent to; onDrain calls back once it has caught up. */
  get behind(): boolean {
    return this.#socket.writableNeedDrain;
  }

  onDrain(listener: () => void): void {
    this.#socket.on('drain', listener);
  }

  /** Ends the connection once everything sent has left. */
  end(): void {
    this.#socket.end();
  }

  /** Ends the connection now. */
  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }

  #read(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (this.#socket.writableLength > unsentLimitBytes) {
      this.#socket.pause();
      this.#socket.once('drain', () => this.#socket.resume());
    }
  }
}
