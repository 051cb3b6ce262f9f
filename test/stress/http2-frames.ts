// HTTP/2 by the byte: frames as RFC 9113 has them, right ones and wrong ones. Knows no connection.

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { endStream: 1, acknowledgement: 1, endHeaders: 4 } as const;

/** @param lengthBytes what the frame says its length is; the payload's own unless given */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = Buffer.alloc(0),
  lengthBytes = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(lengthBytes, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId >>> 0, 5);
  return Buffer.concat([head, payload]);
}

export function u32(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  numbers.forEach((number, index) => {
    bytes.writeUInt32BE(number >>> 0, index * 4);
  });
  return bytes;
}

/** Pairs of a number and a value. */
export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  const entries = pairs.map(([id, value]) => {
    const entry = Buffer.alloc(6);
    entry.writeUInt16BE(id, 0);
    entry.writeUInt32BE(value >>> 0, 2);
    return entry;
  });
  return frame(frameType.settings, 0, 0, Buffer.concat(entries));
}

/** One header, spelt out and put into no table (RFC 7541, 6.2.2). */
export function header(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), headerText(name), headerText(value)]);
}

function headerText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length: number[] = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** The headers of a gRPC call. */
export function callHeaders(path: string): Buffer {
  const pairs: [string, string][] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ];
  return Buffer.concat(pairs.map(([name, value]) => header(name, value)));
}

/** A whole call: its headers and one message. */
export function wholeCall(streamId: number, path: string, framedMessage: Uint8Array): Buffer {
  return Buffer.concat([
    frame(frameType.headers, flag.endHeaders, streamId, callHeaders(path)),
    frame(frameType.data, flag.endStream, streamId, framedMessage),
  ]);
}
