// Amounts of memory as people are told them. Knows nothing of what is measured.

const units: readonly string[] = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/**
 * A size that two people, or a person and a program, can compare: in the largest binary unit that loses nothing, "64 MiB", or
 * else rounded with the exact number behind, "5.00 GiB (5366611968 bytes)".
 */
export function sizeText(sizeBytes: bigint): string {
  let [value, unit] = [sizeBytes, 0];
  while (value !== 0n && value % 1024n === 0n && unit + 1 < units.length) {
    value /= 1024n;
    unit += 1;
  }
  if (value < 10_000n) return `${value} ${value === 1n && unit === 0 ? 'byte' : units[unit]}`;
  return sizeWithBytes(sizeBytes);
}

/** Rounded, with the exact number: "5.00 GiB (5366611968 bytes)". */
export function sizeWithBytes(sizeBytes: bigint): string {
  return `${shortSize(sizeBytes)} (${sizeBytes} bytes)`;
}

/** A size in binary units with three digits: "512 B", "1.50 MiB", "12.0 GiB". */
export function shortSize(bytes: bigint): string {
  let value = Number(bytes);
  if (Math.abs(value) < 1024) return `${value} B`;
  let unit = 'B';
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']) {
    if (Math.abs(value) < 1023.5) break;
    value /= 1024;
    unit = next;
  }
  const digits = Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${unit}`;
}
