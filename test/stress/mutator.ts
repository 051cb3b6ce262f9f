// Breeds inputs for a parser out of others: changed, cut, repeated, joined, and blown up. Knows no parser.
import type { Dice } from './dice.ts';

const interestingBytes = [
  0, 1, 0x0a, 0x20, 0x22, 0x2c, 0x2d, 0x2e, 0x2f, 0x5c, 0x7f, 0x80, 0xc0, 0xff,
] as const;
const interestingNumbers = [
  ...['0', '-1', '1', '00', '1e9', '0x10', '4294967295', '4294967296', '9007199254740993', '1'.repeat(40)],
  ...['18446744073709551615', '18446744073709551616', '-9223372036854775809', '1.5', 'NaN', 'Infinity', ''],
] as const;
const wideNumbers = [
  0n,
  1n,
  16n,
  17n,
  1n << 31n,
  (1n << 32n) - 1n,
  1n << 52n,
  1n << 63n,
  (1n << 64n) - 1n,
] as const;
const someWords = [
  '',
  '\n',
  '\0',
  '../',
  '\\',
  '"',
  '%s',
  'é',
  '\u{1f600}',
  ' '.repeat(64),
  'a'.repeat(80),
] as const;
/** One input of so many becomes as long as any that can reach the parser: what grows faster than that shows in its time. */
const oneBlownUpIn = 4000;

export interface MutatorOptions {
  readonly words: readonly string[];
  readonly maximumBytes: number;
}

type Mutation = (input: Buffer, dice: Dice, other: Buffer, options: MutatorOptions) => Buffer;

const mutations: readonly [Mutation, ...Mutation[]] = [
  (input, dice) => {
    const bit = dice.below(Math.max(1, input.length * 8));
    return withByte(input, bit >> 3, (input[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
  },
  (input, dice) => withByte(input, dice.below(Math.max(1, input.length)), dice.oneOf(interestingBytes)),
  (input, dice) => withByte(input, dice.below(Math.max(1, input.length)), dice.below(256)),
  (input, dice) => replaced(input, ...someRange(input, dice, 64), Buffer.alloc(0)),
  (input, dice) => {
    const [from, to] = someRange(input, dice, 64);
    return replaced(input, from, from, input.subarray(from, to));
  },
  (input, dice, other) => {
    const [from, to] = someRange(other, dice, 256);
    return replaced(input, ...someRange(input, dice, 64), other.subarray(from, to));
  },
  (input, dice, other) =>
    Buffer.concat([
      input.subarray(0, dice.below(input.length + 1)),
      other.subarray(dice.below(other.length + 1)),
    ]),
  (input, dice, _, { words }) => {
    const word = words[dice.below(Math.max(1, words.length))] ?? '';
    const [from, to] = someRange(input, dice, 16);
    return replaced(input, from, dice.oneIn(2) ? from : to, Buffer.from(word));
  },
  (input, dice) => {
    const at = dice.below(input.length + 1);
    return replaced(input, at, at, Buffer.from(dice.oneOf(someWords)));
  },
  withOtherNumber,
  (input, dice) => {
    if (input.length < 8) return input;
    const bytes = Buffer.from(input);
    bytes.writeBigUInt64LE(dice.oneOf(wideNumbers), dice.below((input.length >> 2) - 1) * 4);
    return bytes;
  },
  (input, dice) => input.subarray(0, dice.below(input.length + 1)),
];

/** An input bred from one of `parents`, at most `maximumBytes` long. */
export function mutate(parents: readonly Buffer[], dice: Dice, options: MutatorOptions): Buffer {
  const parent = (): Buffer => parents[dice.below(parents.length)] ?? Buffer.alloc(0);
  let input = parent();
  const steps = 1 + dice.below(4);
  for (let step = 0; step < steps; step += 1) input = dice.oneOf(mutations)(input, dice, parent(), options);
  if (dice.oneIn(oneBlownUpIn)) input = blownUp(input, dice, options.maximumBytes);
  return input.length > options.maximumBytes ? input.subarray(0, options.maximumBytes) : input;
}

/** A part of the input as often in its place as there is room for. */
function blownUp(input: Buffer, dice: Dice, maximumBytes: number): Buffer {
  const [from, to] = someRange(input, dice, 40);
  const room = maximumBytes - (input.length - (to - from));
  if (to === from || room <= 0) return input;
  return replaced(input, from, to, Buffer.alloc(room, input.subarray(from, to)));
}

/** Another number in the place of a run of digits. */
function withOtherNumber(input: Buffer, dice: Dice): Buffer {
  const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;
  let from = dice.below(input.length + 1);
  while (from < input.length && !isDigit(input[from])) from += 1;
  let to = from;
  while (isDigit(input[to])) to += 1;
  return from === to ? input : replaced(input, from, to, Buffer.from(dice.oneOf(interestingNumbers)));
}

function someRange(input: Buffer, dice: Dice, longest: number): [number, number] {
  const from = dice.below(input.length + 1);
  return [from, Math.min(input.length, from + dice.below(longest))];
}

function withByte(input: Buffer, at: number, byte: number): Buffer {
  if (at >= input.length) return Buffer.concat([input, Buffer.of(byte)]);
  const bytes = Buffer.from(input);
  bytes[at] = byte;
  return bytes;
}

function replaced(input: Buffer, from: number, to: number, by: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, from), by, input.subarray(to)]);
}
