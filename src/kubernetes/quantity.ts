// Sizes as Kubernetes writes them. Must not know what is measured.
import { DriverError } from '../errors.ts';

const binarySuffixes: readonly string[] = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** Bytes as a quantity, with the largest binary suffix that loses nothing: 67108864n is "64Mi". */
export function quantityOf(sizeBytes: bigint): string {
  let [value, power] = [sizeBytes, 0];
  while (value > 0n && value % 1024n === 0n && power + 1 < binarySuffixes.length) {
    value /= 1024n;
    power += 1;
  }
  return `${value}${binarySuffixes[power]}`;
}

/**
 * The bytes of a quantity as this driver's objects hold them: a whole number with a binary suffix or none.
 * @throws DriverError `invalid-argument`
 */
export function bytesOf(quantity: string): bigint {
  const [, digits, suffix = ''] = /^(\d{1,19})((?:[KMGTPE]i)?)$/.exec(quantity) ?? [];
  const power = binarySuffixes.indexOf(suffix);
  if (digits === undefined || power < 0) {
    throw new DriverError(
      'invalid-argument',
      `${JSON.stringify(quantity)} is no size such as 64Gi or 1048576.`,
    );
  }
  return BigInt(digits) * 1024n ** BigInt(power);
}
