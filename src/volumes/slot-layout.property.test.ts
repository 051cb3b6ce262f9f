import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ClassParameters } from './class-parameters.ts';
import { fileNamesOf, isSameLayout, layoutOf, sizeOf } from './slot-layout.ts';

const unit = 2n << 20n;
const parameters = (fileCount: number): ClassParameters => ({
  pools: [],
  layout: fileCount > 1 ? 'files' : 'file',
  fileCount,
  fileMode: 0o666,
  owner: undefined,
});
const count = fc.integer({ min: 1, max: 1000 });
const bytes = fc.bigInt({ min: 1n, max: 1n << 50n });

describe('the layout of a volume', () => {
  it('is the smallest of whole units that holds what is required', () => {
    fc.assert(
      fc.property(count, bytes, (files, requiredBytes) => {
        const layout = layoutOf(parameters(files), { requiredBytes, limitBytes: 0n }, unit);
        assert.equal(layout.fileSizeBytes % unit, 0n);
        assert.ok(sizeOf(layout) >= requiredBytes);
        assert.ok(sizeOf(layout) - unit * BigInt(files) < requiredBytes + BigInt(files));
        assert.equal(fileNamesOf(layout).length, files);
        assert.equal(new Set(fileNamesOf(layout)).size, files);
      }),
    );
  });

  it('is refused as out of range exactly when rounding passes the limit', () => {
    fc.assert(
      fc.property(count, bytes, bytes, (files, requiredBytes, limitBytes) => {
        const free = layoutOf(parameters(files), { requiredBytes, limitBytes: 0n }, unit);
        const limited = () => layoutOf(parameters(files), { requiredBytes, limitBytes }, unit);
        if (sizeOf(free) > limitBytes) assert.throws(limited, { reason: 'size-out-of-range' });
        else assert.deepEqual(limited(), free);
      }),
    );
  });

  it('of a claim without a size keeps within its limit when any size does', () => {
    fc.assert(
      fc.property(count, bytes, (files, limitBytes) => {
        const smallest = unit * BigInt(files);
        const make = () => layoutOf(parameters(files), { requiredBytes: 0n, limitBytes }, unit);
        if (limitBytes < smallest) assert.throws(make, { reason: 'size-out-of-range' });
        else assert.ok(sizeOf(make()) <= limitBytes);
      }),
    );
  });

  it('is another one as soon as anything of it differs', () => {
    const base = layoutOf(parameters(2), { requiredBytes: 5n, limitBytes: 0n }, unit);
    const others = [
      { ...base, fileCount: 3 },
      { ...base, fileSizeBytes: 2n * unit },
      { ...base, fileMode: 0o600 },
      { ...base, owner: { uid: 1, gid: 1 } },
    ];
    assert.ok(isSameLayout(base, { ...base }));
    for (const other of others) assert.ok(!isSameLayout(base, other));
  });
});
