// The answer to a watch, from bytes to events: lines of JSON, of which the last may be cut off. Knows no kind.
import type { Readable } from 'node:stream';
import { DriverError } from '../errors.ts';
import { failureOfAnswer, failureOfConnection } from './api-failure.ts';
import type { ApiObject } from './api-object.ts';

/** A BOOKMARK's object holds nothing but the version up to which everything has been told. */
export interface WatchEvent<T extends ApiObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

interface StreamOptions {
  readonly what: string;
  /** How long nothing may come. */
  readonly inactivityMs: number;
  readonly signal: AbortSignal;
}

/** Longer than any object that etcd takes (1.5 MiB) with its managed fields. */
const maximumLineBytes = 16 * 1024 * 1024;
const newline = 0x0a;
const types: ReadonlySet<string> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);

/**
 * The events of a stream until it ends; what remains of a line that was cut off is left to the next watch. The stream is
 * destroyed however this ends.
 * @throws DriverError `api-unavailable` (broken, silent, or an ERROR event, with the server's status in the details),
 * `cancelled`
 */
export async function* decodedEvents<T extends ApiObject>(
  stream: Readable,
  { what, inactivityMs, signal }: StreamOptions,
): AsyncGenerator<WatchEvent<T>> {
  let ended: DriverError | undefined;
  const end = (error: DriverError): void => {
    ended ??= error;
    stream.destroy(ended);
  };
  const giveUp = (): void => end(new DriverError('cancelled', `The request to ${what} was given up.`));
  const silent = (): void =>
    end(
      new DriverError(
        'api-unavailable',
        `Nothing came for ${inactivityMs} ms when asked to ${what}: the connection counts as dead and is made anew.`,
      ),
    );
  const timer = setTimeout(silent, inactivityMs);
  signal.addEventListener('abort', giveUp);
  if (signal.aborted) giveUp();
  try {
    for await (const line of lines(stream)) {
      timer.refresh();
      yield eventOf<T>(line, what);
    }
    if (ended !== undefined) throw ended;
  } catch (error) {
    throw ended ?? failureOfConnection(what, error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
    stream.destroy();
  }
}

async function* lines(stream: Readable): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let from = 0;
    for (let to = chunk.indexOf(newline); to >= 0; to = chunk.indexOf(newline, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, to)]).toString('utf8');
      [rest, restBytes, from] = [[], 0, to + 1];
      if (line.trim() !== '') yield line;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
    restBytes += chunk.length - from;
    if (restBytes > maximumLineBytes) throw new Error(`an event is longer than ${maximumLineBytes} bytes`);
  }
}

function eventOf<T extends ApiObject>(line: string, what: string): WatchEvent<T> {
  const event = JSON.parse(line) as { type?: unknown; object?: { code?: unknown } };
  const { type, object } = event;
  if (typeof type === 'string' && types.has(type) && typeof object === 'object') {
    return event as WatchEvent<T>;
  }
  const status = typeof object?.code === 'number' ? object.code : 502;
  throw failureOfAnswer(what, status, JSON.stringify(object ?? event));
}
