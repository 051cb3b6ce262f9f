import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { superblock } from '../../test/memory-pool.ts';
import { refusalOf } from './refusal.ts';
import {
  encodeSuperblock,
  parseSuperblock,
  requireTrustworthySuperblock,
  type Superblock,
} from './superblock.ts';

const bytes = encodeSuperblock(superblock);

function refusedField(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    return refusalOf(error)?.field;
  }
  return undefined;
}

/** A superblock with one field changed and its CRC right again. */
function changed(change: (data: Buffer) => void): Buffer {
  const data = Buffer.from(bytes);
  change(data);
  data.writeBigUInt64LE(BigInt(crc32(data.subarray(0, 96))), 96);
  return data;
}

test('a superblock is read as it was written', () => {
  assert.deepEqual(parseSuperblock(bytes), superblock);
  requireTrustworthySuperblock(superblock);
});

test('any superblock survives being written and read', () => {
  const uuid = fc.uuid();
  const size = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  const anySuperblock: fc.Arbitrary<Superblock> = fc.record(
    {
      version: fc.constant(48n),
      logOffsetBytes: size,
      logLengthBytes: size,
      allocationUnitBytes: fc.constantFrom(0x200000n, 4096n),
      omfMajor: fc.nat(),
      omfMinor: fc.nat(),
      fileSystemUuid: uuid,
      deviceUuid: uuid,
      systemUuid: uuid,
      deviceSizeBytes: size,
      devicePath: fc.stringMatching(/^[a-z0-9./]{0,63}$/),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(anySuperblock, (each) => assert.deepEqual(parseSuperblock(encodeSuperblock(each)), each)),
  );
});

test('a wrong magic, version, CRC or allocation unit is refused by name', () => {
  const refused = (data: Buffer) => refusedField(() => parseSuperblock(data));
  assert.equal(refused(changed((data) => data.writeUInt32LE(0, 0))), 'superblock magic');
  assert.equal(refused(changed((data) => data.writeUInt8(47, 8))), 'superblock version');
  assert.equal(refused(changed((data) => data.writeUInt32LE(8192, 32))), 'superblock allocation unit');
  const damaged = Buffer.from(bytes);
  damaged.writeUInt8(1, 60);
  assert.equal(refused(damaged), 'superblock crc');
  assert.equal(refused(bytes.subarray(0, 199)), 'superblock size');
  assert.equal(refused(Buffer.alloc(200)), 'superblock magic');
});

test('no flip of a bit under the CRC is read as something else', () => {
  fc.assert(
    fc.property(fc.nat(104 * 8 - 1), (bit) => {
      const data = Buffer.from(bytes);
      data.writeUInt8(data.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      assert.match(String(refusedField(() => parseSuperblock(data))), /^superblock /);
    }),
  );
});

test('figures that make no sense are refused although the CRC is right', () => {
  const refused = (change: Partial<Superblock>) =>
    refusedField(() => requireTrustworthySuperblock({ ...superblock, ...change }));
  assert.equal(refused({ omfMajor: 3 }), 'superblock format');
  assert.equal(refused({ logOffsetBytes: 0n }), 'superblock log offset');
  assert.equal(refused({ logLengthBytes: 100n }), 'superblock log length');
  assert.equal(refused({ deviceSizeBytes: 0n }), 'superblock device size');
  assert.equal(refused({ deviceSizeBytes: 0x9fffffn }), 'superblock device size');
  assert.equal(refused({ deviceSizeBytes: (1n << 64n) - 1n }), 'superblock device size');
  assert.equal(refused({ logLengthBytes: 1n << 63n }), 'superblock device size');
  assert.equal(refused({ omfMinor: 9 }), undefined);
});
