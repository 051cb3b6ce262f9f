// The superblock of a famfs file system: reading, judging and writing its 200 bytes (famfs reference 2).
// Must not know where the bytes come from.
import { crc32 } from 'node:zlib';
import { logEntryBytes } from './log-entry.ts';
import { logHeaderBytes } from './log-header.ts';
import { superblockRefusal } from './refusal.ts';

export const superblockBytes = 200;
/** Where the superblock's own area ends and the log begins. */
export const logOffsetBytes = 0x200000n;
/** The allocation unit that mkfs.famfs writes: 2 MiB. */
export const allocationUnitBytes = 0x200000n;
export const superblockVersion = 48n;

const superblockMagic = 0x87b282ffn;
const crcOffset = 96;
const devicePathOffset = 136;
/** famfs accepts these two units and no other. */
const knownAllocationUnits: readonly bigint[] = [allocationUnitBytes, 4096n];
/** Bounds the memory a superblock can make a reader spend on its bitmap: 32 MiB, for 512 TiB in units of 2 MiB. */
const maxUnits = 1n << 28n;

export interface Superblock {
  readonly version: bigint;
  readonly logOffsetBytes: bigint;
  readonly logLengthBytes: bigint;
  readonly allocationUnitBytes: bigint;
  readonly omfMajor: number;
  readonly omfMinor: number;
  /** The identity of the pool, lower-case text. */
  readonly fileSystemUuid: string;
  readonly deviceUuid: string;
  /** The system UUID of the master. */
  readonly systemUuid: string;
  /** Not covered by the CRC. */
  readonly deviceSizeBytes: bigint;
  /** The device as the formatting host called it. Not covered by the CRC, of no meaning on another host. */
  readonly devicePath: string;
}

/**
 * Reads a superblock from its first 200 bytes (more are ignored) by the rule famfs itself has: magic, version
 * exactly 48, CRC, a known allocation unit. What a reader relies on beyond that: requireTrustworthySuperblock.
 * Throws DriverError `superblock-refused` with details `{field, reason}`.
 */
export function parseSuperblock(bytes: Uint8Array): Superblock {
  if (bytes.length < superblockBytes) {
    throw superblockRefusal('size', `is ${bytes.length} bytes and has to be ${superblockBytes}`);
  }
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, superblockBytes);
  const magic = data.readBigUInt64LE(0);
  if (magic !== superblockMagic) {
    throw superblockRefusal(
      'magic',
      `is ${hex(magic)} and has to be ${hex(superblockMagic)}: this is not famfs`,
    );
  }
  const version = data.readBigUInt64LE(8);
  if (version !== superblockVersion) {
    throw superblockRefusal('version', `is ${version} and only ${superblockVersion} is known`);
  }
  const stored = data.readBigUInt64LE(crcOffset);
  const computed = BigInt(crc32(data.subarray(0, crcOffset)));
  if (stored !== computed) {
    throw superblockRefusal('crc', `is ${hex(stored)} but its bytes give ${hex(computed)}`);
  }
  const unit = data.readBigUInt64LE(32);
  if (!knownAllocationUnits.includes(unit)) {
    throw superblockRefusal(
      'allocation unit',
      `is ${unit} bytes and has to be ${knownAllocationUnits.join(' or ')}`,
    );
  }
  return {
    version,
    logOffsetBytes: data.readBigUInt64LE(16),
    logLengthBytes: data.readBigUInt64LE(24),
    allocationUnitBytes: unit,
    omfMajor: data.readUInt32LE(40),
    omfMinor: data.readUInt32LE(44),
    fileSystemUuid: uuidText(data.subarray(48, 64)),
    deviceUuid: uuidText(data.subarray(64, 80)),
    systemUuid: uuidText(data.subarray(80, 96)),
    deviceSizeBytes: data.readBigUInt64LE(112),
    devicePath: textUntilNul(data.subarray(devicePathOffset, superblockBytes)),
  };
}

/**
 * What the driver demands of a superblock beyond famfs's own rule, before it computes with its figures: format 2.x,
 * the log where famfs asserts it, room for at least one entry, and a device (a field the CRC does not cover) that
 * holds the log and is not absurdly large. Throws DriverError `superblock-refused`.
 */
export function requireTrustworthySuperblock(superblock: Superblock): void {
  const { omfMajor, logLengthBytes, deviceSizeBytes } = superblock;
  if (omfMajor !== 2)
    throw superblockRefusal('format', `is ${omfMajor}.${superblock.omfMinor} and only 2.x is known`);
  if (superblock.logOffsetBytes !== logOffsetBytes) {
    throw superblockRefusal('log offset', `is ${superblock.logOffsetBytes} and has to be ${logOffsetBytes}`);
  }
  if (logLengthBytes < BigInt(logHeaderBytes + logEntryBytes)) {
    throw superblockRefusal('log length', `is ${logLengthBytes} bytes, which holds no entry`);
  }
  const units = (deviceSizeBytes + superblock.allocationUnitBytes - 1n) / superblock.allocationUnitBytes;
  if (units > maxUnits) {
    throw superblockRefusal('device size', `is ${deviceSizeBytes} bytes, more than the driver believes`);
  }
  if (logOffsetBytes + logLengthBytes > deviceSizeBytes) {
    throw superblockRefusal(
      'device size',
      `is ${deviceSizeBytes} bytes, too small for its log of ${logLengthBytes}`,
    );
  }
}

/** The 200 bytes of a superblock, CRC included. The inverse of parseSuperblock. */
export function encodeSuperblock(superblock: Superblock): Buffer {
  const data = Buffer.alloc(superblockBytes);
  data.writeBigUInt64LE(superblockMagic, 0);
  data.writeBigUInt64LE(superblock.version, 8);
  data.writeBigUInt64LE(superblock.logOffsetBytes, 16);
  data.writeBigUInt64LE(superblock.logLengthBytes, 24);
  data.writeBigUInt64LE(superblock.allocationUnitBytes, 32);
  data.writeUInt32LE(superblock.omfMajor, 40);
  data.writeUInt32LE(superblock.omfMinor, 44);
  uuidBytes(superblock.fileSystemUuid).copy(data, 48);
  uuidBytes(superblock.deviceUuid).copy(data, 64);
  uuidBytes(superblock.systemUuid).copy(data, 80);
  data.writeBigUInt64LE(BigInt(crc32(data.subarray(0, crcOffset))), crcOffset);
  data.writeBigUInt64LE(superblock.deviceSizeBytes, 112);
  const devicePath = Buffer.from(superblock.devicePath);
  if (devicePath.length > superblockBytes - devicePathOffset - 1) {
    throw superblockRefusal('device path', `is ${devicePath.length} bytes and at most 63 fit`);
  }
  devicePath.copy(data, devicePathOffset);
  return data;
}

/** Lower-case text of 16 raw bytes in text order (famfs reference 2: no GUID byte swapping). */
function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function uuidBytes(text: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw superblockRefusal('UUID', `is written "${text}", which is not a UUID`);
  }
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}

function textUntilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
