// Numbers as the C library reads them off a command line, and the size suffixes of famfs. Knows no command.

const u64Mask = (1n << 64n) - 1n;

/** A number and the text after it, as strtoull(3) leaves them. */
export interface ScannedNumber {
  readonly value: bigint;
  readonly rest: string;
}

/**
 * strtoull(3): leading blanks, a sign, then digits in `base` (0: decimal, 0x hexadecimal, 0 octal). Text without
 * a digit is 0 and wholly left over. The answer is an unsigned 64-bit number: -1 becomes 2^64-1, too large is 2^64-1.
 */
export function scanUnsigned(text: string, base: 0 | 8 | 10 = 0): ScannedNumber {
  const match = /^[ \t\n\v\f\r]*([+-]?)(.*)$/s.exec(text);
  const body = match?.[2] ?? '';
  const hex = base === 0 ? /^0[xX]([0-9a-fA-F]+)/.exec(body) : null;
  const octal = base === 8 || (base === 0 && body.startsWith('0'));
  const digits = hex ?? (octal ? /^[0-7]+/ : /^[0-9]+/).exec(body);
  if (digits === null) return { value: 0n, rest: text };
  const prefix = hex ? '0x' : octal ? '0o' : '';
  let value = BigInt(prefix + (hex ? (hex[1] ?? '0') : digits[0]));
  if (value > u64Mask) value = u64Mask;
  else if (match?.[1] === '-') value = -value & u64Mask;
  return { value, rest: body.slice(digits[0].length) };
}

/**
 * A size as famfs reads it (famfs reference 1.4): one suffix letter k, m or g counts; anything else after the
 * digits is silently dropped, so that `1T` is one byte and `5GB` five.
 */
export function scanSize(text: string): bigint {
  const { value, rest } = scanUnsigned(text);
  const factors: Readonly<Record<string, bigint>> = { k: 1n << 10n, m: 1n << 20n, g: 1n << 30n };
  return (value * (factors[rest.toLowerCase()] ?? 1n)) & u64Mask;
}

/** strtol(3) cut to the 32 bits of a uid, a gid or a mode. */
export function scanInteger(text: string, base: 0 | 8 = 0): number {
  return Number(BigInt.asUintN(32, scanUnsigned(text, base).value));
}

/** A size the way a signed C type would print it. */
export function asSigned(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}
