// The rules of the specification for single fields (spec.md, "Field Requirements" and "Size Limits"): every refusal
// names the field. Knows no call.
import { DriverError } from '../errors.ts';
import type { TargetPath, VolumeId } from '../volumes/ids.ts';

const maximumStringBytes = 128;
const maximumMapBytes = 4096;
/** The specification demands at least 128; Linux's PATH_MAX with its NUL is 4096. */
const maximumPathBytes = 4095;
/** NAME_MAX of Linux: no directory can hold a longer name. */
const maximumNameBytes = 255;

/** Controls, formatting (such as right-to-left marks), private and unassigned characters: nothing a name needs. */
const invisible = /\p{C}/u;

/** Letters and digits first; then what drivers and people use in volume handles. */
const volumeIdPattern = /^[A-Za-z0-9][A-Za-z0-9._:@#~+/-]*$/;

function refuse(field: string, problem: string): never {
  throw new DriverError('invalid-argument', `${field} ${problem}`);
}

/** A text field within its size and without invisible characters; may be empty. */
export function checkedString(value: string, field: string, maximumBytes = maximumStringBytes): string {
  const sizeBytes = Buffer.byteLength(value);
  if (sizeBytes > maximumBytes) refuse(field, `has ${sizeBytes} bytes; the limit is ${maximumBytes}`);
  if (invisible.test(value))
    refuse(field, `holds a control or invisible character: ${JSON.stringify(value)}`);
  return value;
}

/** Reads a volume id, which is required in every call. */
export function requiredVolumeId(value: string, field = 'volume_id'): VolumeId {
  if (value === '') refuse(field, 'is missing');
  checkedString(value, field);
  if (!volumeIdPattern.test(value) || value.split('/').some((part) => part === '..')) {
    refuse(
      field,
      `is ${JSON.stringify(value)}; ids have letters, digits and . _ : @ # ~ + / - and no ".." part`,
    );
  }
  return value as VolumeId;
}

/** Reads an absolute path that has one spelling only: no empty, "." or ".." parts, no slash at the end. */
export function requiredPath(value: string, field: string): TargetPath {
  if (value === '') refuse(field, 'is missing');
  checkedString(value, field, maximumPathBytes);
  if (!value.startsWith('/')) refuse(field, `is not an absolute path: ${JSON.stringify(value)}`);
  if (value === '/') refuse(field, 'is the root directory');
  const odd = value
    .slice(1)
    .split('/')
    .find((part) => part === '' || part === '.' || part === '..');
  if (odd !== undefined) {
    refuse(field, `has ${odd === '' ? 'an empty part' : `the part "${odd}"`}: ${JSON.stringify(value)}`);
  }
  if (value.split('/').some((part) => Buffer.byteLength(part) > maximumNameBytes)) {
    refuse(field, `has a part of more than the ${maximumNameBytes} bytes that a name can have`);
  }
  return value as TargetPath;
}

/** A path that may be left out; undefined then. */
export function optionalPath(value: string, field: string): TargetPath | undefined {
  return value === '' ? undefined : requiredPath(value, field);
}

/**
 * A map within its size, with visible keys and values. No value is repeated in a message: kubelet puts tokens into maps
 * that are not marked as secret (CVE-2023-2878 and its kin).
 */
export function checkedMap(
  map: Readonly<Record<string, string>>,
  field: string,
  options: { secret?: boolean } = {},
): Readonly<Record<string, string>> {
  let sizeBytes = 0;
  for (const [key, value] of Object.entries(map)) {
    sizeBytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    if (sizeBytes > maximumMapBytes) refuse(field, `has more than ${maximumMapBytes} bytes`);
    if (options.secret === true) continue;
    checkedString(key, `a key of ${field}`, maximumMapBytes);
    if (invisible.test(value)) refuse(`${field}.${key}`, 'holds a control or invisible character');
  }
  return map;
}
