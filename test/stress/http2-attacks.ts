// The ways to abuse an HTTP/2 server that its test tries, by name. Each tells what it did. Knows no server but its socket.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dice } from './dice.ts';
import {
  callHeaders,
  flag,
  frame,
  frameType,
  header,
  preface,
  settings,
  u32,
  wholeCall,
} from './http2-frames.ts';
import { RawConnection } from './raw-connection.ts';
import { framed, RawGrpc } from './raw-grpc.ts';

/** @param effort how much, of what a gate does */
export type Attack = (
  socketPath: string,
  dice: Dice,
  effort: (inTheGate: number) => number,
) => Promise<string>;

const quickCall = '/csi.v1.Node/NodeGetCapabilities';
const busyCall = '/csi.v1.Node/NodeUnpublishVolume';
const openCall = (streamId: number, flags: number = flag.endHeaders): Buffer =>
  frame(frameType.headers, flags, streamId, callHeaders(quickCall));
const start = Buffer.concat([preface, settings()]);

function noise(dice: Dice, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => dice.below(256)));
}

/** Runs so many at a time. */
async function inParallel(total: number, work: (index: number) => Promise<void>, lanes = 20): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < total) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, total) }, lane));
}

/** Sends to one connection until it is closed or all is sent. */
async function pour(socketPath: string, bytes: Uint8Array, times: number, deaf = false): Promise<boolean> {
  const connection = await RawConnection.open(socketPath, { deaf });
  await connection.send(start);
  for (let i = 0; i < times && (await connection.send(bytes)); i++);
  await Promise.race([connection.closed, sleep(50)]);
  const wasClosed = connection.isClosed;
  connection.close();
  return wasClosed;
}

async function brokenBytes(
  socketPath: string,
  dice: Dice,
  effort: (inTheGate: number) => number,
): Promise<string> {
  const total = effort(1500);
  const whole = Buffer.concat([
    start,
    wholeCall(1, quickCall, framed(Buffer.alloc(0))),
    wholeCall(3, busyCall, framed(noise(dice, 60))),
  ]);
  const makers: [() => Buffer, ...(() => Buffer)[]] = [
    () => noise(dice, dice.below(400)),
    () => Buffer.concat([preface, noise(dice, dice.below(400))]),
    () => Buffer.concat([start, noise(dice, dice.below(400))]),
    () => whole.subarray(0, dice.below(whole.length)),
    () =>
      Buffer.concat([
        start,
        frame(dice.below(16), dice.below(256), dice.below(8), noise(dice, dice.below(60))),
      ]),
    () =>
      Buffer.concat([
        start,
        openCall(1),
        frame(dice.below(10), dice.below(256), 1, noise(dice, dice.below(60))),
      ]),
    () =>
      Buffer.concat([start, frame(dice.below(10), 0, dice.below(4), noise(dice, 20), dice.below(2 ** 24))]),
    () => {
      const bytes = Buffer.from(whole);
      for (let i = 0; i < 3; i++) bytes[24 + dice.below(bytes.length - 24)] = dice.below(256);
      return bytes;
    },
  ];
  await inParallel(total, async () => {
    const connection = await RawConnection.open(socketPath);
    await connection.sendAll(dice.oneOf(makers)());
  });
  return `${total} connections with broken bytes`;
}

async function headersWithoutEnd(socketPath: string): Promise<string> {
  const filling = header('x-filling', 'x'.repeat(16_000));
  const first = Buffer.concat([openCall(1, 0)]);
  const closed: boolean[] = [];
  for (let i = 0; i < 8; i++) {
    const connection = await RawConnection.open(socketPath);
    await connection.send(Buffer.concat([start, first]));
    for (let n = 0; n < 2000 && !connection.isClosed; n++) {
      await connection.send(frame(frameType.continuation, 0, 1, n % 2 === 0 ? filling : Buffer.alloc(0)));
    }
    closed.push(connection.isClosed);
    connection.close();
  }
  // As many headers as one block may have, and each of them large.
  const many = Buffer.concat([callHeaders(quickCall), ...Array<Buffer>(900).fill(header('x', 'y'))]);
  await pour(socketPath, frame(frameType.headers, flag.endHeaders + flag.endStream, 1, many), 1);
  return `headers that never end on ${closed.length} connections, ${closed.filter(Boolean).length} closed by the server`;
}

async function rapidReset(
  socketPath: string,
  _dice: Dice,
  effort: (inTheGate: number) => number,
): Promise<string> {
  const total = effort(20_000);
  const perConnection = 5000;
  let closed = 0;
  await inParallel(
    Math.ceil(total / perConnection),
    async () => {
      const connection = await RawConnection.open(socketPath);
      await connection.send(start);
      for (let i = 0; i < perConnection && !connection.isClosed; i += 100) {
        const burst = Array.from({ length: 100 }, (_, index) => {
          const streamId = (i + index) * 2 + 1;
          return Buffer.concat([openCall(streamId), frame(frameType.reset, 0, streamId, u32(8))]);
        });
        await connection.send(Buffer.concat(burst));
      }
      if (connection.isClosed) closed += 1;
      connection.close();
    },
    2,
  );
  return `${total} calls opened and reset at once, ${closed} connections closed by the server`;
}

async function floods(
  socketPath: string,
  _dice: Dice,
  effort: (inTheGate: number) => number,
): Promise<string> {
  const each = 1000;
  const kinds: [name: string, bytes: Buffer][] = [
    ['PING', frame(frameType.ping, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', settings([3, 100])],
    ['PRIORITY', frame(frameType.priority, 0, 1, Buffer.alloc(5))],
    ['WINDOW_UPDATE', frame(frameType.windowUpdate, 0, 0, u32(1))],
    ['unknown frame', frame(77, 0, 0, Buffer.alloc(20))],
  ];
  const said: string[] = [];
  for (const [name, bytes] of kinds) {
    const burst = Buffer.concat(Array<Buffer>(each).fill(bytes));
    const times = effort(20);
    const closed = [await pour(socketPath, burst, times), await pour(socketPath, burst, times, true)];
    said.push(`${name} ${closed.map((was) => (was ? 'closed' : 'endured')).join('/')}`);
  }
  return `${effort(20) * each} frames of each kind, answers read/unread: ${said.join(', ')}`;
}

async function halfOpenCalls(socketPath: string): Promise<string> {
  const connections: RawConnection[] = [];
  // A window of nothing: no answer can be sent, and every stream stays open.
  const closedWindow = Buffer.concat([preface, settings([4, 0])]);
  const prefix = Buffer.from([0, 0, 0, 0, 64]);
  for (let i = 0; i < 10; i++) {
    const connection = await RawConnection.open(socketPath, { deaf: true });
    connections.push(connection);
    await connection.send(closedWindow);
    for (let id = 1; id < 400; id += 2)
      await connection.send(wholeCall(id, quickCall, framed(Buffer.alloc(0))));
    for (let id = 401; id < 800; id += 2) {
      await connection.send(Buffer.concat([openCall(id), frame(frameType.data, 0, id, prefix)]));
    }
  }
  await sleep(300);
  for (const connection of connections) connection.close();
  return '10 connections with 200 calls whose answers are not taken and 200 that never end';
}

async function idleConnections(socketPath: string): Promise<string> {
  const connections: RawConnection[] = [];
  await inParallel(
    1000,
    async (index) => {
      const connection = await RawConnection.open(socketPath);
      connections.push(connection);
      if (index % 2 === 0) await connection.send(start);
      if (index % 4 === 1) await connection.send(preface.subarray(0, 10));
    },
    50,
  );
  await sleep(1500);
  const closed = connections.filter(({ isClosed }) => isClosed).length;
  for (const connection of connections) connection.close();
  return `1000 idle connections, ${closed} closed by the server`;
}

async function slowBytes(socketPath: string): Promise<string> {
  const whole = Buffer.concat([start, wholeCall(1, quickCall, framed(Buffer.alloc(0)))]);
  await inParallel(
    50,
    async () => {
      const connection = await RawConnection.open(socketPath);
      for (let at = 0; at < 100 && !connection.isClosed; at++) {
        await connection.send(whole.subarray(at, at + 1));
        await sleep(5);
      }
      connection.close();
    },
    50,
  );
  return '50 connections with a byte now and then';
}

async function hugeMessages(socketPath: string): Promise<string> {
  const codes = new Map<string, number>();
  const count = (code: string): void => void codes.set(code, (codes.get(code) ?? 0) + 1);
  const mebibyte = 1024 * 1024;
  const sizes = [4 * mebibyte - 1, 4 * mebibyte, 4 * mebibyte + 1, 16 * mebibyte];
  for (const size of sizes) {
    const connection = await RawGrpc.connect(socketPath);
    const body = framed(Buffer.alloc(size, 0x78));
    const answers = await Promise.all(Array.from({ length: 8 }, () => connection.send(busyCall, body)));
    for (const { code } of answers) count(code);
    connection.close();
  }
  // Messages that announce as much as can be, begin, and never go on.
  const beginning = Buffer.concat([Buffer.from([0]), u32(250 * 1024), Buffer.alloc(60_000, 0x78)]);
  const parts = Array.from({ length: 4 }, (_, part) =>
    beginning.subarray(part * 16_000, (part + 1) * 16_000),
  );
  const begun: RawConnection[] = [];
  for (let i = 0; i < 4; i++) {
    const connection = await RawConnection.open(socketPath);
    begun.push(connection);
    await connection.send(start);
    for (let id = 1; id < 200; id += 2) {
      const frames = parts.map((part) => frame(frameType.data, 0, id, part));
      await connection.send(Buffer.concat([openCall(id), ...frames]));
    }
  }
  await sleep(200);
  for (const connection of begun) connection.close();
  const said = [...codes].map(([code, times]) => `${code} ${times}`).join(', ');
  return `32 messages of 4 to 16 MiB: ${said}; 400 begun and left`;
}

async function queuedCalls(socketPath: string): Promise<string> {
  const codes = new Map<string, number>();
  const target = '/var/lib/kubelet/pods/p/mount';
  const message = Buffer.concat([Buffer.from([10, 1, 0x76, 18, target.length]), Buffer.from(target)]);
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      const connection = await RawGrpc.connect(socketPath);
      const answers = await Promise.all(
        Array.from({ length: 1000 }, () => connection.call(busyCall, message)),
      );
      for (const { code } of answers) codes.set(code, (codes.get(code) ?? 0) + 1);
      connection.close();
    }),
  );
  return `10,000 calls at once: ${[...codes].map(([code, times]) => `${code} ${times}`).join(', ')}`;
}

async function oddCalls(socketPath: string, dice: Dice): Promise<string> {
  const connection = await RawGrpc.connect(socketPath);
  const good = framed(Buffer.alloc(0));
  const bodies = [
    Buffer.alloc(0),
    Buffer.from([0]),
    Buffer.from([0, 0, 0, 0]),
    Buffer.from([1, 0, 0, 0, 0]),
    Buffer.from([7, 0, 0, 0, 0]),
    Buffer.concat([good, good]),
    Buffer.concat([good, Buffer.from([0, 0])]),
    Buffer.from([0, 0, 0, 0, 9, 1, 2]),
    Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]),
    Buffer.from([0, 0x80, 0, 0, 0]),
  ];
  const headers = [
    { ':method': 'GET' },
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/grpc+json' },
    { 'grpc-encoding': 'gzip' },
    { 'grpc-encoding': 'nonsense' },
    { 'grpc-timeout': '0n' },
    { 'grpc-timeout': '-1S' },
    { 'grpc-timeout': '99999999H' },
    { 'grpc-timeout': 'x'.repeat(1000) },
    { 'x-bin': '%%%' },
    { ':path': '' },
    { ':path': '*' },
    { ':path': `/${'a/'.repeat(500)}` },
    { ':path': '/__proto__/constructor' },
    { ':path': '/csi.v1.Node/__proto__' },
  ];
  const codes = new Map<string, number>();
  const calls = [
    ...bodies.map((body) => ({ body, headers: {} })),
    ...headers.map((each) => ({ body: good, headers: each })),
  ];
  for (let i = 0; i < 20; i++) {
    for (const call of calls) {
      const waiting = connection.send(quickCall, call.body, { headers: call.headers });
      const answer = await Promise.race([waiting, sleep(300, { code: 'SILENCE' })]);
      codes.set(answer.code, (codes.get(answer.code) ?? 0) + 1);
    }
    if (dice.oneIn(1000)) break;
  }
  connection.close();
  return `odd calls: ${[...codes].map(([code, times]) => `${code} ${times}`).join(', ')}`;
}

export const brokenHttp2: Readonly<Record<string, Attack>> = {
  'broken bytes': brokenBytes,
  'headers without an end': headersWithoutEnd,
  'calls that are reset at once': rapidReset,
  'floods of small frames': floods,
  'calls that stay half open': halfOpenCalls,
  'idle connections': idleConnections,
  'slow connections': slowBytes,
  'huge messages': hugeMessages,
  '10,000 queued calls': queuedCalls,
  'calls that are odd': oddCalls,
};
