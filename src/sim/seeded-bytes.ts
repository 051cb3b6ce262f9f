// Bytes that follow from a seed, for `famfs creat -r -S` and `famfs verify`. The sequence is the simulator's own:
// a file seeded here is verified here. Knows no files.

/** Fills `chunk` with the bytes that stand from `offsetBytes` (a multiple of 4) on in the sequence of `seed`. */
export function fillSeeded(chunk: Buffer, seed: bigint, offsetBytes: number): void {
  const low = Number(BigInt.asUintN(32, seed));
  const high = Number(BigInt.asUintN(32, seed >> 32n));
  const start = Math.imul(low ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(high, 0xc2b2ae35);
  const words = new Uint32Array(Math.ceil(chunk.length / 4));
  const first = Math.floor(offsetBytes / 4);
  for (let index = 0; index < words.length; index += 1) {
    // A hash of the position: any part of the sequence is had without those before it.
    let word = (start + Math.imul(first + index, 0x6d2b79f5)) | 0;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    words[index] = word ^ (word >>> 14);
  }
  Buffer.from(words.buffer).copy(chunk, 0, 0, chunk.length);
}

/** The offset in `chunk` of the first byte that is not of the sequence, or -1. */
export function firstDifference(chunk: Buffer, seed: bigint, offsetBytes: number): number {
  const expected = Buffer.alloc(chunk.length);
  fillSeeded(expected, seed, offsetBytes);
  if (expected.equals(chunk)) return -1;
  return expected.findIndex((byte, index) => byte !== chunk[index]);
}
