// The ways to abuse the mounter's frame socket that its test tries, by name. Each tells what it did.
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeEmpty, encodePath, encodeRequest, frameKind } from '../../src/rpc/frame.ts';
import type { Dice } from './dice.ts';
import type { Attack } from './http2-attacks.ts';
import { u32 } from './http2-frames.ts';
import { RawConnection } from './raw-connection.ts';

const getState = encodePath('/famfs.mounter.v1.Mounter/GetState');
const watchState = encodePath('/famfs.mounter.v1.Mounter/WatchState');
const request = (id: number, path = getState): Buffer => encodeRequest(id, path, 0, Buffer.alloc(0));

function noise(dice: Dice, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => dice.below(256)));
}

async function brokenBytes(
  socketPath: string,
  dice: Dice,
  effort: (inTheGate: number) => number,
): Promise<string> {
  const total = effort(1500);
  const makers: [() => Buffer, ...(() => Buffer)[]] = [
    () => noise(dice, dice.below(200)),
    // Lengths that are nothing, negative, huge, or do not fit what follows.
    () => Buffer.concat([u32(dice.oneOf([0, 1, 4, -1, 2 ** 31, 0x7fffffff, 5_000_000])), noise(dice, 40)]),
    () =>
      Buffer.concat([u32(5 + dice.below(60)), Buffer.from([dice.below(256)]), noise(dice, dice.below(90))]),
    () => request(1).subarray(0, dice.below(request(1).length)),
    () => Buffer.concat([request(1), request(1), request(1)]),
    () => Buffer.concat([request(1), noise(dice, dice.below(50))]),
    () => {
      const bytes = Buffer.from(request(7));
      bytes[dice.below(bytes.length)] = dice.below(256);
      return bytes;
    },
  ];
  for (let sent = 0; sent < total; sent += 15) {
    await Promise.all(
      Array.from({ length: 15 }, async () => {
        const connection = await RawConnection.open(socketPath);
        await connection.sendAll(dice.oneOf(makers)());
      }),
    );
  }
  return `${total} connections with broken bytes`;
}

async function idleConnections(socketPath: string): Promise<string> {
  const connections: RawConnection[] = [];
  for (let i = 0; i < 1000; i += 20) {
    connections.push(
      ...(await Promise.all(Array.from({ length: 20 }, () => RawConnection.open(socketPath)))),
    );
  }
  // One more, which asks. The kernel refuses connections while the server has hundreds to take, so whoever wants one tries again.
  let late = await RawConnection.open(socketPath);
  for (let again = 0; late.isClosed && again < 20; again++) {
    await sleep(50);
    late = await RawConnection.open(socketPath);
  }
  await late.send(request(1));
  await sleep(500);
  const closed = connections.filter(({ isClosed }) => isClosed).length;
  const isServed = !late.isClosed;
  for (const connection of [...connections, late]) connection.close();
  if (!isServed) throw new Error('idle connections keep others out');
  return `1000 idle connections, ${closed} closed by the server`;
}

async function largeFrames(socketPath: string): Promise<string> {
  const connections: RawConnection[] = [];
  const beginning = Buffer.concat([u32(4 * 1024 * 1024), Buffer.alloc(4 * 1024 * 1024 - 10, 1)]);
  for (let i = 0; i < 60; i++) {
    const connection = await RawConnection.open(socketPath);
    connections.push(connection);
    await connection.send(beginning);
  }
  const closed = connections.filter(({ isClosed }) => isClosed).length;
  for (const connection of connections) connection.close();
  return `60 frames of 4 MiB that lack their end, ${closed} refused`;
}

async function slowBytes(socketPath: string): Promise<string> {
  await Promise.all(
    Array.from({ length: 40 }, async () => {
      const connection = await RawConnection.open(socketPath);
      for (const byte of request(1)) {
        await connection.send(Buffer.from([byte]));
        await sleep(10);
      }
      connection.close();
    }),
  );
  return '40 connections with a byte now and then';
}

async function deafCallers(socketPath: string): Promise<string> {
  const connections: RawConnection[] = [];
  for (let i = 0; i < 10; i++) {
    const connection = await RawConnection.open(socketPath, { deaf: true });
    connections.push(connection);
    for (let n = 0; n < 20; n++) {
      const taken = await connection.send(
        Buffer.concat(
          Array.from({ length: 500 }, (_, id) =>
            request(n * 500 + id + 1, id % 2 === 0 ? getState : watchState),
          ),
        ),
      );
      if (!taken) break;
    }
  }
  await sleep(200);
  for (const connection of connections) connection.close();
  return '10 callers with as many calls as the server lets in that take no answer';
}

async function floods(
  socketPath: string,
  _dice: Dice,
  effort: (inTheGate: number) => number,
): Promise<string> {
  const times = effort(50);
  for (const deaf of [false, true]) {
    const connection = await RawConnection.open(socketPath, { deaf });
    const burst = [encodeEmpty(frameKind.ping, 1), encodeEmpty(frameKind.cancel, 9), request(3)];
    const bytes = Buffer.concat(Array<Buffer[]>(500).fill(burst).flat());
    for (let i = 0; i < times && (await connection.send(bytes)); i++);
    connection.close();
  }
  return `${times * 1500} pings, cancels and requests of one id, answers read and unread`;
}

export const brokenFrames: Readonly<Record<string, Attack>> = {
  'broken bytes': brokenBytes,
  'idle connections': idleConnections,
  'frames of 4 MiB': largeFrames,
  'slow connections': slowBytes,
  'callers that read nothing': deafCallers,
  'floods of small frames': floods,
};
