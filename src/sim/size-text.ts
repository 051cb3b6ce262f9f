// Sizes as people write them for the simulator: 8GiB. Pure.
const unitBytes: Readonly<Record<string, bigint>> = {
  '': 1n,
  mib: 1n << 20n,
  gib: 1n << 30n,
  tib: 1n << 40n,
};

/** Bytes of a size such as 8GiB, or undefined for what is none. */
export function sizeOf(text: string): bigint | undefined {
  const match = /^([0-9]{1,19}) ?([a-z]*)$/i.exec(text);
  const unit = unitBytes[(match?.[2] ?? '').toLowerCase()];
  return match?.[1] === undefined || unit === undefined ? undefined : BigInt(match[1]) * unit;
}
