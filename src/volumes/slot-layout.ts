// Which files a volume consists of, and how large they are: a claim rounded up to what famfs can allocate. Pure.
import { DriverError } from '../errors.ts';
import { sizeText } from '../size-text.ts';
import type { ClassParameters, FileOwner, LayoutKind } from './class-parameters.ts';

/** What a claim asks for; absent or zero: no such limit. */
export interface SizeRange {
  readonly requiredBytes: bigint;
  readonly limitBytes: bigint;
}

/** The files of a slot. Two slots of equal layout are as good as each other. */
export interface SlotLayout {
  readonly kind: LayoutKind;
  readonly fileCount: number;
  /** a multiple of the pool's allocation unit */
  readonly fileSizeBytes: bigint;
  readonly fileMode: number;
  readonly owner: FileOwner | undefined;
}

/** What a claim without a size gets, in allocation units. */
const defaultUnits = 512n;

/** The size of a signed 64-bit number, which CSI counts bytes in. */
const largestSizeBytes = (1n << 63n) - 1n;

/**
 * The files of a volume: as many as the class says, each an equal share of the size, rounded up to the allocation unit.
 * @throws DriverError `size-out-of-range` when no such size lies between what is required and the limit
 */
export function layoutOf(parameters: ClassParameters, range: SizeRange, unitBytes: bigint): SlotLayout {
  const count = BigInt(parameters.fileCount);
  const wantedBytes = range.requiredBytes > 0n ? range.requiredBytes : defaultSize(range, count, unitBytes);
  const fileSizeBytes = roundUp(roundUp(wantedBytes, count) / count, unitBytes);
  const sizeBytes = fileSizeBytes * count;
  if (sizeBytes > largestSizeBytes)
    throw outOfRange(`${sizeText(wantedBytes)} are more than famfs can count`);
  if (range.limitBytes > 0n && sizeBytes > range.limitBytes) {
    throw outOfRange(
      `${sizeText(wantedBytes)} rounded up to whole allocation units of ${sizeText(unitBytes)}` +
        `${count > 1n ? ` in ${count} files` : ''} are ${sizeText(sizeBytes)}, above the limit of ${sizeText(range.limitBytes)}`,
    );
  }
  const { layout: kind, fileCount, fileMode, owner } = parameters;
  return { kind, fileCount, fileSizeBytes, fileMode, owner };
}

/** A claim with only a limit gets what it allows, up to the default. */
function defaultSize(range: SizeRange, count: bigint, unitBytes: bigint): bigint {
  const fallback = defaultUnits * unitBytes * count;
  if (range.limitBytes <= 0n || range.limitBytes >= fallback) return fallback;
  const fitting = (range.limitBytes / (unitBytes * count)) * unitBytes * count;
  return fitting > 0n ? fitting : unitBytes * count;
}

/** The capacity of a slot: what the volume answers for. */
export function sizeOf(layout: SlotLayout): bigint {
  return layout.fileSizeBytes * BigInt(layout.fileCount);
}

/** The names of a slot's files, in the order in which they are made. */
export function fileNamesOf({ kind, fileCount }: SlotLayout): readonly string[] {
  if (kind === 'file') return ['data'];
  return Array.from({ length: fileCount }, (_, index) => `data-${String(index).padStart(4, '0')}`);
}

/** Whether a slot of one layout can serve a volume of the other: same files, owners and modes. */
export function isSameLayout(a: SlotLayout, b: SlotLayout): boolean {
  return a.fileSizeBytes === b.fileSizeBytes && isOfClass(a, { ...b, layout: b.kind });
}

/** Whether a slot is laid out as a class says, whatever its size. */
export function isOfClass(layout: SlotLayout, parameters: Omit<ClassParameters, 'pools'>): boolean {
  return (
    layout.kind === parameters.layout &&
    layout.fileCount === parameters.fileCount &&
    layout.fileMode === parameters.fileMode &&
    layout.owner?.uid === parameters.owner?.uid &&
    layout.owner?.gid === parameters.owner?.gid
  );
}

function roundUp(value: bigint, unit: bigint): bigint {
  return ((value + unit - 1n) / unit) * unit;
}

function outOfRange(problem: string): DriverError {
  return new DriverError('size-out-of-range', `capacity_range cannot be met: ${problem}`);
}
