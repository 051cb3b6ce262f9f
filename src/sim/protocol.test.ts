// The wire format against bytes written down from include/uapi/linux/fuse.h.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeForget,
  decodeInit,
  decodeLock,
  decodeName,
  decodeRequest,
  decodeSetattr,
  opcodes,
} from './protocol.ts';
import {
  encodeAnswer,
  encodeAttributes,
  encodeDirectoryEntry,
  encodeEntry,
  encodeError,
  encodeInit,
  encodeOpen,
  openFlags,
} from './protocol-answers.ts';

const attributes = {
  inode: 7n,
  sizeBytes: 5000n,
  mode: 0o100644,
  linkCount: 1,
  uid: 1000,
  gid: 1001,
  atimeNs: 1_000_000_001n,
  mtimeNs: 2_000_000_002n,
  ctimeNs: 3_000_000_003n,
};

/** A request as the kernel writes it. */
function request(opcode: number, body: Buffer, nodeId = 1n): Buffer {
  const bytes = Buffer.alloc(40 + body.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(opcode, 4);
  bytes.writeBigUInt64LE(99n, 8);
  bytes.writeBigUInt64LE(nodeId, 16);
  body.copy(bytes, 40);
  return bytes;
}

test('a request is split into its header and its body, whatever follows it in the buffer', () => {
  const bytes = Buffer.concat([request(opcodes.lookup, Buffer.from('name\0'), 3n), Buffer.from('rubbish')]);
  const { opcode, unique, nodeId, body } = decodeRequest(bytes);
  assert.deepEqual([opcode, unique, nodeId, decodeName(body)], [1, 99n, 3n, 'name']);
});

test('a request that claims more than was read is refused', () => {
  assert.throws(() => decodeRequest(request(1, Buffer.alloc(8)).subarray(0, 44)), RangeError);
});

test('a name that is not UTF-8 is told apart from one that is', () => {
  assert.equal(decodeName(Buffer.from([0x61, 0xff, 0])), undefined);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const name = text.replaceAll('\0', '');
      assert.equal(decodeName(Buffer.from(`${name}\0`)), name);
    }),
  );
});

test('an error is the header alone, with the errno negated', () => {
  assert.equal(encodeError(99n, 38).toString('hex'), '10000000daffffff6300000000000000');
  assert.equal(
    encodeAnswer(99n, Buffer.from([1, 2])).toString('hex'),
    '120000000000000063000000000000000102',
  );
});

test('the answer to INIT asks for no more than the kernel offers', () => {
  const offer = Buffer.alloc(64);
  offer.writeUInt32LE(7, 0);
  offer.writeUInt32LE(45, 4);
  offer.writeUInt32LE(131072, 8);
  offer.writeUInt32LE((0x73ff_fffb | 0) >>> 0, 12);
  offer.writeUInt32LE(0x5fd, 16);
  const init = decodeInit(offer);
  const answer = encodeInit(init, { serverLocks: true });
  assert.deepEqual([answer.readUInt32LE(0), answer.readUInt32LE(4), answer.readUInt32LE(36)], [7, 45, 1]);
  assert.notEqual(answer.readUInt32LE(12) & (1 << 10), 0);
  assert.equal(answer.readUInt32LE(32), 1 << 5);
  const lockless = encodeInit(init, { serverLocks: false });
  assert.equal(lockless.readUInt32LE(12) & (1 << 10), 0);
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }), (flags) => {
      const reply = encodeInit({ ...init, flags }, { serverLocks: true });
      const granted = BigInt(reply.readUInt32LE(12)) | (BigInt(reply.readUInt32LE(32)) << 32n);
      assert.equal(granted & ~flags, 0n);
    }),
  );
});

test('attributes stand where the kernel looks for them', () => {
  const body = encodeAttributes(attributes, 1.5);
  assert.equal(body.length, 104);
  assert.deepEqual([body.readBigUInt64LE(0), body.readUInt32LE(8)], [1n, 500_000_000]);
  const at = (offset: number): bigint => body.readBigUInt64LE(16 + offset);
  assert.deepEqual([at(0), at(8), at(16), at(24), at(32), at(40)], [7n, 5000n, 10n, 1n, 2n, 3n]);
  const small = [48, 52, 56, 60, 64, 68, 72, 80].map((offset) => body.readUInt32LE(16 + offset));
  assert.deepEqual(small, [1, 2, 3, 0o100644, 1, 1000, 1001, 4096]);
});

test('an entry carries the node id, both timeouts and the attributes', () => {
  const body = encodeEntry(5n, attributes, 31_536_000);
  assert.equal(body.length, 128);
  assert.deepEqual(
    [body.readBigUInt64LE(0), body.readBigUInt64LE(16), body.readBigUInt64LE(24)],
    [5n, 31_536_000n, 31_536_000n],
  );
  assert.deepEqual(body.subarray(40), encodeAttributes(attributes, 0).subarray(16));
});

test('an open names the backing file behind its flags', () => {
  assert.equal(encodeOpen(3n, openFlags.passthrough, 9).toString('hex'), '03000000000000008000000009000000');
});

test('directory records end at multiples of eight bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }), fc.boolean(), (name, plus) => {
      const entry = { name, inode: 4n, isDirectory: false, cookie: 2n };
      const record = encodeDirectoryEntry(entry, plus ? Buffer.alloc(128, 1) : undefined);
      const start = plus ? 128 : 0;
      const length = record.readUInt32LE(start + 16);
      assert.equal(record.length % 8, 0);
      assert.ok(record.length - start - 24 - length < 8);
      assert.deepEqual([record.readBigUInt64LE(start), record.readBigUInt64LE(start + 8)], [4n, 2n]);
      assert.equal(record.readUInt32LE(start + 20), 8);
      assert.equal(record.toString('utf8', start + 24, start + 24 + length), Buffer.from(name).toString());
    }),
  );
});

test('a setattr says only what its flags name', () => {
  const body = Buffer.alloc(88);
  body.writeUInt32LE(1 | 8 | 16 | 32 | 128, 0);
  body.writeBigUInt64LE(123n, 16);
  body.writeBigUInt64LE(4n, 40);
  body.writeUInt32LE(5, 60);
  body.writeUInt32LE(0o100600, 68);
  assert.deepEqual(decodeSetattr(body, 77n), {
    mode: 0o100600,
    sizeBytes: 123n,
    atimeNs: 77n,
    mtimeNs: 4_000_000_005n,
  });
});

test('a lock request is shared, exclusive or an unlock', () => {
  const body = Buffer.alloc(48);
  const kinds = [0, 1, 2].map((type) => {
    body.writeUInt32LE(type, 32);
    return decodeLock(body).kind;
  });
  assert.deepEqual(kinds, ['shared', 'exclusive', 'unlock']);
});

test('FORGET names one inode, BATCH_FORGET several', () => {
  const one = Buffer.alloc(8);
  one.writeBigUInt64LE(2n, 0);
  assert.deepEqual(decodeForget(decodeRequest(request(opcodes.forget, one, 8n))), [
    { nodeId: 8n, count: 2n },
  ]);
  const batch = Buffer.alloc(8 + 32);
  batch.writeUInt32LE(2, 0);
  for (const [index, value] of [5n, 1n, 6n, 3n].entries()) batch.writeBigUInt64LE(value, 8 + 8 * index);
  assert.deepEqual(decodeForget(decodeRequest(request(opcodes.batchForget, batch))), [
    { nodeId: 5n, count: 1n },
    { nodeId: 6n, count: 3n },
  ]);
});
