// The CRC of a log entry, for millions of them: the same CRC-32 as zlib's. Must not know what an entry says.
import { entryCrcOffset } from './log-entry.ts';

const polynomial = 0xedb88320;
const coveredWords = entryCrcOffset / 4;
/** Where the zeros begin that end almost every entry: behind the first extent of a file. */
const tailWord = 40;

const step = stepTables();
const overTail = zeroTables((coveredWords - tailWord) * 4);

/**
 * CRC-32 of the bytes that an entry's CRC covers, the entry beginning at word `at`. A call of zlib's crc32 costs as
 * much as all else that reading an entry takes; this one steps over the zeros at the end in one go, and over 8 bytes
 * a time before that.
 */
export function entryCrc(words: Uint32Array, at: number): number {
  let tail = 0;
  const end = at + coveredWords;
  // 94 words: pairs of two pairs, and two more at the end.
  for (let i = at + tailWord; i < end - 2; i += 4) {
    tail |= (words[i] ?? 0) | (words[i + 1] ?? 0) | (words[i + 2] ?? 0) | (words[i + 3] ?? 0);
  }
  tail |= (words[end - 2] ?? 0) | (words[end - 1] ?? 0);
  if (tail !== 0) return ~stepOver(words, at, end, -1) >>> 0;
  const state = stepOver(words, at, at + tailWord, -1);
  const ended =
    lookUp(overTail, 0, state) ^
    lookUp(overTail, 256, state >>> 8) ^
    lookUp(overTail, 512, state >>> 16) ^
    lookUp(overTail, 768, state >>> 24);
  return ~ended >>> 0;
}

/** Takes the CRC register over the words of [from, to), two at a time. */
function stepOver(words: Uint32Array, from: number, to: number, start: number): number {
  let state = start;
  for (let i = from; i < to; i += 2) {
    const low = (words[i] ?? 0) ^ state;
    const high = words[i + 1] ?? 0;
    state =
      lookUp(step, 1792, low) ^
      lookUp(step, 1536, low >>> 8) ^
      lookUp(step, 1280, low >>> 16) ^
      lookUp(step, 1024, low >>> 24);
    // Half of an entry's words are zero: paddings, and the upper halves of small figures.
    if (high === 0) continue;
    state ^=
      lookUp(step, 768, high) ^
      lookUp(step, 512, high >>> 8) ^
      lookUp(step, 256, high >>> 16) ^
      lookUp(step, 0, high >>> 24);
  }
  return state;
}

function lookUp(tables: Int32Array, table: number, byte: number): number {
  return tables[table + (byte & 0xff)] ?? 0;
}

/** Table k, at 256 k: what a byte has become after k more zero bytes. */
function stepTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let state = byte;
    for (let bit = 0; bit < 8; bit += 1) state = (state & 1) === 0 ? state >>> 1 : (state >>> 1) ^ polynomial;
    tables[byte] = state;
  }
  for (let i = 256; i < tables.length; i += 1) tables[i] = overZero(tables[i - 256] ?? 0, tables);
  return tables;
}

/** Table k, at 256 k: what the register's k-th byte has become after so many zero bytes. */
function zeroTables(zeroBytes: number): Int32Array {
  const tables = new Int32Array(4 * 256);
  for (let i = 0; i < tables.length; i += 1) {
    let state = (i & 0xff) << (8 * (i >>> 8));
    for (let zero = 0; zero < zeroBytes; zero += 1) state = overZero(state, step);
    tables[i] = state;
  }
  return tables;
}

function overZero(state: number, tables: Int32Array): number {
  return (state >>> 8) ^ (tables[state & 0xff] ?? 0);
}
