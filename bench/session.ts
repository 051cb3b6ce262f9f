// Sets a run up: mounts a tmpfs, builds and starts the servers on the pool that the setting asks for, and takes all of
// it down again.

import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { goVersion } from '../tools/go-program.ts';
import { Driver } from './driver.ts';
import type { Bench, OwnDriver } from './figure.ts';
import type { ExistingPool, Options } from './options.ts';
import { PoolData } from './pool-data.ts';
import { buildPrograms, type Programs } from './programs.ts';
import { createSimulatedNode } from './simulated-node.ts';
import { type Places, type Subject, startPeer } from './subject.ts';

export interface Session {
  readonly bench: Bench;
  /** What the pool lies on, for people: "simulated", or the file system and device of a real one. */
  readonly pool: string;
  close(): Promise<void>;
}

/** What both servers publish when a figure asks for nothing else. */
const dataBytes = 64 * 2 ** 20;
const ownDataBytes = 2 ** 20;

/** Where mounters keep their locks unless they are told otherwise. */
const hostLockDir = '/run/famfs/locks';

/** A server to be measured, and the data it publishes. */
interface Measured {
  readonly subject: Subject;
  readonly source: string;
  readonly poolData: PoolData | undefined;
  readonly pool: string;
}

/** Opens a session in an empty folder of a private mount namespace. */
export async function openSession(folder: string, options: Options): Promise<Session> {
  // Nearly all of the memory: figures that need much of it look at what is free.
  const mountOptions = 'mode=0700,size=95%';
  execFileSync('mount', ['-t', 'tmpfs', '-o', mountOptions, 'famfs-csi-bench', folder], { stdio: 'inherit' });
  const places: Places = { folder, kubeletDir: path.join(folder, 'kubelet') };
  mkdirSync(places.kubeletDir);
  const progress = (text: string) => console.error(`  ${text} …`);
  progress('starting the servers');
  const programs = await buildPrograms(path.join(folder, 'programs'));
  const { subject, source, poolData, pool } =
    options.setting === 'self-check'
      ? await startPeerAgain(places)
      : await startOurs(places, programs, options.pool);
  const peer = goVersion() === undefined ? undefined : await startPeer(places, 'Go peer', source);
  return {
    bench: {
      setting: options.setting,
      effort: options.effort,
      ...{ places, driver: subject, source, programs, progress },
      get peer() {
        return present(peer, 'the peer is a Go program, and there is no Go');
      },
      get poolData() {
        return present(poolData, 'there is no pool in a self-check');
      },
      startOwnDriver: (name) => startOnOwnNode(path.join(folder, name), programs),
    },
    pool,
    async close() {
      await peer?.stop();
      await subject.stop();
    },
  };
}

async function startPeerAgain(places: Places): Promise<Measured> {
  const source = path.join(places.folder, 'data');
  mkdirSync(source);
  writeFileSync(path.join(source, 'data'), randomFillSync(Buffer.alloc(dataBytes)));
  const subject = await startPeer(places, 'Go peer again', source);
  return { subject, source, poolData: undefined, pool: 'none' };
}

async function startOurs(
  places: Places,
  programs: Programs,
  existing: ExistingPool | undefined,
): Promise<Measured> {
  const folder = path.join(places.folder, 'driver');
  const simulated = existing === undefined ? createSimulatedNode(path.join(folder, 'simulated')) : undefined;
  const mounterFlags = { 'lock-dir': hostLockDir, ...(simulated?.mounterFlags ?? existing?.mounterFlags) };
  const driver = await Driver.start({
    ...{ programs, folder, kubeletDir: places.kubeletDir, mounterFlags },
    ...(existing === undefined ? {} : { pool: existing.uuid }),
  });
  try {
    const poolData = dataOf(driver, mounterFlags, simulated?.deviceFolder, existing);
    const { absolute, volumeContext } = await poolData.directory('published', dataBytes);
    const subject: Subject = {
      ...{ name: 'famfs-csi', socket: driver.socket, volumeContext },
      stop: () => driver.stop(),
    };
    const pool = simulated === undefined ? driver.describePool() : 'simulated';
    return { subject, source: absolute, poolData, pool };
  } catch (error) {
    await driver.stop();
    throw error;
  }
}

/** The data of a driver's pool; what may be done to it is another matter where the pool was there before. */
function dataOf(
  driver: Driver,
  mounterFlags: Readonly<Record<string, string>>,
  deviceFolder: string | undefined,
  existing?: ExistingPool,
): PoolData {
  return new PoolData({
    pool: driver.pool,
    poolPath: driver.poolPath,
    base: existing?.base ?? 'bench',
    famfs: path.join(mounterFlags['famfs-bin-dir'] ?? '', 'famfs'),
    lockDir: mounterFlags['lock-dir'] ?? hostLockDir,
    mayCreate: existing?.mayCreate ?? true,
    ...(deviceFolder === undefined ? {} : { deviceFolder }),
  });
}

async function startOnOwnNode(folder: string, programs: Programs): Promise<OwnDriver> {
  const { mounterFlags, deviceFolder } = createSimulatedNode(path.join(folder, 'simulated'));
  const driver = await Driver.start({
    ...{ programs, folder, mounterFlags },
    kubeletDir: path.join(folder, 'kubelet'),
  });
  try {
    const data = await dataOf(driver, mounterFlags, deviceFolder).directory('published', ownDataBytes);
    return { driver, volumeContext: data.volumeContext };
  } catch (error) {
    await driver.stop();
    throw error;
  }
}

function present<T>(value: T | undefined, otherwise: string): T {
  if (value === undefined) throw new Error(otherwise);
  return value;
}
