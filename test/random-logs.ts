// Superblocks and logs by dice: good ones of every shape that famfs can make, and such that someone damaged or forged.
import { crc32 } from 'node:zlib';
import type { Extent, LogEntry } from '../src/famfs/log-entry.ts';
import { logCapacity, logEntryOffset } from '../src/famfs/log-header.ts';
import { encodeLog } from '../src/famfs/log-writer.ts';
import { encodeSuperblock, logOffsetBytes, type Superblock } from '../src/famfs/superblock.ts';
import { superblock as sample } from './memory-pool.ts';
import type { Dice } from './stress/dice.ts';

export interface RandomLog {
  readonly superblock: Buffer;
  readonly log: Buffer;
  /** What was done to it, for messages; empty for a good one. */
  readonly mischief: readonly string[];
}

const names = [
  ...['a', 'b', 'data', 'part-00001.safetensors', 'with space', '.hidden', '...', '-rf', 'x'.repeat(30)],
  ...['é', '名前', '\u{1f600}', 'a,b', '"', '\\', '%2e', '.metadata'],
] as const;
const badPaths = [
  ...[
    '',
    '/',
    '/etc/passwd',
    '..',
    '../x',
    '.',
    './x',
    'a//b',
    'a/',
    '.meta',
    '.meta/.log',
    'a\nb',
    'a\u007f',
  ],
  ...['\u001b[2J', 'x'.repeat(79), 'é'.repeat(40), 'nowhere/x', 'a/../b'],
] as const;
/** The 64-bit fields of an entry, with those of its extents, and its 32-bit fields. */
const wideFields = [0, 16, 136, 144, 152, 160, 168, 176, 184] as const;
const narrowFields = [4, 8, 16, 20, 24, 28, 32, 36, 120, 124, 128, 132, 540] as const;
const wideValues = [0n, 1n, 4096n, 0x200000n, 3n << 21n, 1n << 33n, 1n << 52n, 1n << 63n, (1n << 64n) - 1n];
const narrowValues = [0, 1, 2, 3, 16, 17, 0o10000, 0o100644, 2 ** 31, 2 ** 32 - 1] as const;

/** The next log: every second one good, the others with one to three pieces of mischief. */
export function randomLog(dice: Dice): RandomLog {
  const { superblock, entries } = goodPool(dice);
  const superblockData = encodeSuperblock(superblock);
  // A few unused entries behind the last, as far as they fit.
  const room = Number(logCapacity(superblock.logLengthBytes)) - entries.length;
  const log = Buffer.alloc(logEntryOffset(entries.length + Math.min(room, 2)));
  encodeLog(superblock.logLengthBytes, entries).copy(log);
  const random: RandomLog = { superblock: superblockData, log, mischief: [] };
  if (dice.oneIn(2)) return random;
  const mischief = Array.from({ length: 1 + dice.below(3) }, () => spoil(dice, random, entries.length));
  if (!dice.oneIn(8)) return { ...random, mischief };
  const length = dice.below(log.length);
  return { ...random, log: log.subarray(0, length), mischief: [...mischief, `cut at ${length}`] };
}

function goodPool(dice: Dice): { superblock: Superblock; entries: LogEntry[] } {
  const unit = dice.oneIn(4) ? 4096n : 0x200000n;
  const count = dice.oneIn(8) ? 0 : 1 + dice.below(24);
  const logLengthBytes = dice.oneIn(3)
    ? BigInt(logEntryOffset(Math.max(1, count)) + dice.below(544))
    : 0x800000n;
  const places = new Places(dice, unit, logOffsetBytes + logLengthBytes);
  const entries = someEntries(dice, places, count);
  const spare = BigInt(dice.below(50)) * unit + (dice.oneIn(4) ? BigInt(dice.below(4096)) : 0n);
  const superblock = {
    ...sample,
    allocationUnitBytes: unit,
    logLengthBytes,
    deviceSizeBytes: places.endBytes + spare,
    omfMinor: dice.below(4),
  };
  return { superblock, entries };
}

function someEntries(dice: Dice, places: Places, count: number): LogEntry[] {
  const directories: [string, ...string[]] = [''];
  const used = new Set<string>();
  const entries: LogEntry[] = [];
  for (let i = 0; i < count; i += 1) {
    let path = `${dice.oneOf(directories)}${dice.oneOf(names)}`;
    if (used.has(path)) path += `-${i}`;
    if (Buffer.byteLength(path) > 78) path = `n${i}`;
    used.add(path);
    const owner = { path, mode: dice.below(0o10000), uid: dice.below(2 ** 32), gid: dice.below(70_000) };
    if (dice.oneIn(3)) {
      entries.push({ kind: 'directory', ...owner });
      directories.push(`${path}/`);
    } else {
      entries.push({ kind: 'file', ...owner, ...(dice.oneIn(3) ? places.striped() : places.plain()) });
    }
  }
  return entries;
}

/** Hands out places on a device, in no particular order and with gaps. */
class Places {
  readonly #dice: Dice;
  readonly #unit: bigint;
  #next: bigint;

  constructor(dice: Dice, unit: bigint, from: bigint) {
    this.#dice = dice;
    this.#unit = unit;
    this.#next = ((from + unit - 1n) / unit) * unit;
  }

  get endBytes(): bigint {
    return this.#next;
  }

  plain(): { sizeBytes: bigint; extents: Extent[] } {
    const extents = Array.from({ length: this.#dice.oneIn(6) ? 1 + this.#dice.below(16) : 1 }, () =>
      this.#extent(BigInt(1 + this.#dice.below(70))),
    );
    const room = extents.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0n);
    return {
      sizeBytes: room - BigInt(this.#dice.below(Number(this.#unit))),
      extents: this.#shuffled(extents),
    };
  }

  striped(): {
    sizeBytes: bigint;
    extents: Extent[];
    interleave: { chunkBytes: bigint; stripCount: number };
  } {
    const stripCount = 1 + this.#dice.below(16);
    const chunkBytes = this.#unit << BigInt(this.#dice.below(3));
    const chunks = 1n + BigInt(this.#dice.below(5));
    const extents = Array.from({ length: stripCount }, () =>
      this.#extent((chunks * chunkBytes) / this.#unit),
    );
    const room = chunks * chunkBytes * BigInt(stripCount);
    const sizeBytes = room - BigInt(this.#dice.below(Number(this.#unit)));
    return { sizeBytes, extents: this.#shuffled(extents), interleave: { chunkBytes, stripCount } };
  }

  #extent(units: bigint): Extent {
    if (this.#dice.oneIn(4)) this.#next += this.#unit * BigInt(this.#dice.below(40));
    const offsetBytes = this.#next;
    this.#next += units * this.#unit;
    return { offsetBytes, lengthBytes: units * this.#unit };
  }

  #shuffled(extents: Extent[]): Extent[] {
    return this.#dice.oneIn(2) ? extents.reverse() : extents;
  }
}

type Spoiler = (dice: Dice, random: RandomLog, count: number) => string;

/** With right CRCs, as a forger makes them. */
const forgeries: readonly [Spoiler, ...Spoiler[]] = [
  (dice, { log }, count) => {
    const at = someEntryAt(dice, count);
    const path = dice.oneOf(badPaths);
    const isFile = log.readUInt32LE(at + 8) === 0;
    log.fill(0, at + (isFile ? 40 : 28), at + (isFile ? 120 : 108));
    log.write(path, at + (isFile ? 40 : 28), 79);
    return `path ${JSON.stringify(path)} at ${at}`;
  },
  (dice, { log }, count) => {
    const at = someEntryAt(dice, count) + dice.oneOf(wideFields);
    log.writeBigUInt64LE(dice.oneOf([0n, ...wideValues]), at);
    return `wide value at ${at}`;
  },
  (dice, { log }, count) => {
    const at = someEntryAt(dice, count) + dice.oneOf(narrowFields);
    log.writeUInt32LE(dice.oneOf(narrowValues), at);
    return `narrow value at ${at}`;
  },
  (dice, { log }, count) => {
    const at = someEntryAt(dice, count) + dice.below(536);
    log.writeUInt8(dice.below(256), at);
    return `byte ${at}`;
  },
  (dice, { log }, count) => {
    const [from, to] = [someEntryAt(dice, count), someEntryAt(dice, count)];
    log.copy(log, to + 8, from + 8, from + 536);
    return `entry at ${from} copied to ${to}`;
  },
  (dice, { superblock }) => {
    const at = dice.below(120);
    superblock.writeUInt8(dice.below(256), at);
    return `byte ${at} of the superblock`;
  },
  (dice, { superblock }) => {
    superblock.writeBigUInt64LE(dice.oneOf([0n, ...wideValues]), dice.oneOf([16, 24, 32, 112]));
    return 'a size in the superblock';
  },
  (dice, { log }, count) => {
    const next = BigInt(Math.max(0, count + dice.below(4) - 1));
    log.writeBigUInt64LE(next, 32);
    log.writeBigUInt64LE(next, 40);
    return `${next} entries of ${count}`;
  },
];

/** With CRCs as they were, as accidents leave them. */
const accidents: readonly [Spoiler, ...Spoiler[]] = [
  (dice, { log }) => {
    const bit = dice.below(log.length * 8);
    log.writeUInt8(log.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return `bit ${bit}`;
  },
  (dice, { log }) => {
    const from = dice.below(log.length);
    log.subarray(from, from + dice.below(600)).fill(dice.oneOf([0, 255]));
    return `bytes from ${from}`;
  },
  (dice, { superblock }) => {
    const bit = dice.below(superblock.length * 8);
    superblock.writeUInt8(superblock.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return `bit ${bit} of the superblock`;
  },
];

function spoil(dice: Dice, random: RandomLog, count: number): string {
  const forged = !dice.oneIn(4);
  const what = dice.oneOf(forged ? forgeries : accidents)(dice, random, count);
  if (forged) rightCrcs(random, count);
  return forged ? what : `${what}, CRCs as they were`;
}

function someEntryAt(dice: Dice, count: number): number {
  return logEntryOffset(dice.below(Math.max(1, count)));
}

function rightCrcs({ superblock, log }: RandomLog, count: number): void {
  superblock.writeUInt32LE(crc32(superblock.subarray(0, 96)), 96);
  log.writeUInt32LE(crc32(log.subarray(0, 24)), 24);
  for (let index = 0; index < count && logEntryOffset(index + 1) <= log.length; index += 1) {
    const at = logEntryOffset(index);
    log.writeUInt32LE(crc32(log.subarray(at, at + 536)), at + 536);
  }
}
