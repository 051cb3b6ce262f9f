// What `famfs-csi inspect` shows of a pool: a page for a person, or JSON for a program. Pure: given a PoolLog that was
// refreshed, it makes text. Must not read anything.
import { printable } from '../errors/printable.ts';
import { shortSize, sizeWithBytes } from '../size-text.ts';
import type { FileEntry, LogEntry } from './log-entry.ts';
import type { LogSourceKind } from './log-source.ts';
import type { PoolLog } from './pool-log.ts';
import type { Refusal } from './refusal.ts';

/** An entry in the JSON report. Sizes and places in bytes. */
export interface ReportedEntry {
  readonly path: string;
  readonly type: 'file' | 'dir';
  readonly size: number;
  /** Octal text of four digits. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Of a file: [offset, length] pairs; of a striped file the strips in order. */
  readonly extents?: readonly (readonly [number, number])[];
  /** Present for striped files: chunk c lies in strip c mod n at (c div n) × interleaveChunk. */
  readonly interleaveChunk?: number;
}

/** The JSON report of a pool; entries in log order. */
export interface PoolReport {
  readonly uuid: string;
  readonly logEntriesUsed: number;
  readonly logEntriesTotal: number;
  readonly freeBytes: number;
  readonly longestFreeRun: number;
  readonly entries: readonly ReportedEntry[];
}

/** The JSON report of a pool that is refused. */
export interface RefusalReport {
  readonly error: Refusal;
}

/** The report of a refreshed pool as data. All figures are below 2^53, since no accepted device is larger. */
export function poolReport(log: PoolLog): PoolReport {
  return {
    uuid: log.superblock.fileSystemUuid,
    logEntriesUsed: Number(log.header.nextIndex),
    logEntriesTotal: Number(log.header.lastIndex) + 1,
    freeBytes: Number(log.space.freeBytes),
    longestFreeRun: Number(log.space.longestFreeRunBytes),
    entries: log.entries.map(reportedEntry),
  };
}

function reportedEntry(entry: LogEntry): ReportedEntry {
  const { path, uid, gid } = entry;
  const mode = octalText(entry.mode);
  if (entry.kind === 'directory') return { path, type: 'dir', size: 0, mode, uid, gid };
  const extents = entry.extents.map((each) => [Number(each.offsetBytes), Number(each.lengthBytes)] as const);
  const report = { path, type: 'file', size: Number(entry.sizeBytes), mode, uid, gid, extents } as const;
  return entry.interleave === undefined
    ? report
    : { ...report, interleaveChunk: Number(entry.interleave.chunkBytes) };
}

function octalText(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** How the page for a person is laid out, and what only the caller can know. */
export interface PageOptions {
  /** The path that was opened, as it was given. */
  readonly where: string;
  readonly kind: LogSourceKind;
  /** What this node is to the pool, in words. */
  readonly roleText: string;
  /** Columns of the page, at least 60. */
  readonly width: number;
  readonly colour: boolean;
  /** How many entries the list shows at most. */
  readonly maxEntries: number;
}

/** The report of a refreshed pool as a page of lines for a person. */
export function poolPage(log: PoolLog, options: PageOptions): string {
  const width = Math.max(60, options.width);
  const paint = painter(options.colour);
  const lines = [
    paint.strong(`famfs pool ${log.superblock.fileSystemUuid}`),
    ...identityLines(log, options),
    '',
    ...spaceLines(log, width, paint),
    '',
    ...entryLines(log, width, paint, options.maxEntries),
  ];
  return `${lines.join('\n')}\n`;
}

function identityLines(log: PoolLog, options: PageOptions): string[] {
  const { superblock } = log;
  const device = superblock.devicePath === '' ? '' : `, formatted as ${printable(superblock.devicePath)}`;
  return [
    line('read from', `${printable(options.where)} (${options.kind}${device})`),
    line('master', `system ${superblock.systemUuid}`),
    line('this node', options.roleText),
    line(
      'format',
      `${superblock.omfMajor}.${superblock.omfMinor} (superblock version ${superblock.version})`,
    ),
  ];
}

function spaceLines(log: PoolLog, width: number, paint: Painter): string[] {
  const { space, header, superblock } = log;
  const used = Number(header.nextIndex);
  const total = Number(header.lastIndex) + 1;
  const barWidth = Math.min(48, width - 30);
  return [
    line('device', sizeWithBytes(superblock.deviceSizeBytes)),
    line('allocated', `${sizeWithBytes(space.allocatedBytes)}, log and superblock included`),
    line('free', sizeWithBytes(space.freeBytes)),
    line(
      'longest run',
      `${sizeWithBytes(space.longestFreeRunBytes)}: the largest contiguous file that still fits`,
    ),
    line('space', gauge(Number(space.allocatedBytes), Number(space.sizeBytes), barWidth, paint)),
    line('log', `${used} of ${total} entries used, ${total - used} left for the life of the pool`),
    line('log entries', gauge(used, total, barWidth, paint)),
  ];
}

function entryLines(log: PoolLog, width: number, paint: Painter, maxEntries: number): string[] {
  const shown = log.entries.slice(0, maxEntries);
  const hidden = log.entryCount - shown.length;
  if (shown.length === 0) return ['No files or directories.'];
  const deviceBytes = Number(log.superblock.deviceSizeBytes);
  const sizes = aligned(
    shown.map((entry) => (entry.kind === 'file' ? shortSize(entry.sizeBytes) : '–')),
    'size',
  );
  const exact = aligned(
    shown.map((entry) => (entry.kind === 'file' ? `${entry.sizeBytes}` : '')),
    'bytes',
  );
  const owners = aligned(
    shown.map(({ uid, gid }) => `${uid}:${gid}`),
    'owner',
  );
  const mapWidth = Math.max(8, Math.min(40, Math.floor(width / 5)));
  const before = (i: number, mode: string, map: string) =>
    `${mode.padStart(6)}  ${owners[i]}  ${sizes[i]}${width < 90 ? '' : `  ${exact[i]}`}  ${map}  `;
  const title = before(0, 'mode', 'on device'.slice(0, mapWidth).padEnd(mapWidth));
  const pathWidth = Math.max(8, width - title.length);
  return [
    paint.faint(`${title}path`),
    ...shown.map((entry, i) => {
      const map = entry.kind === 'file' ? deviceMap(entry, deviceBytes, mapWidth) : ' '.repeat(mapWidth);
      const strips = entry.kind === 'file' ? (entry.interleave?.stripCount ?? 0) : 0;
      const note = strips > 0 ? ` (${strips} strips)` : '';
      const name = `${printable(entry.path)}${entry.kind === 'directory' ? '/' : ''}${note}`;
      const mode = octalText(entry.mode);
      return `${before(i + 1, mode, paint.filled(map))}${shortened(name, pathWidth)}`;
    }),
    ...(hidden > 0 ? [`… and ${hidden} more; --all shows every one, --json is for programs.`] : []),
  ];
}

/** A column: its title and its texts, all to the right and as wide as the widest. */
function aligned(texts: readonly string[], title: string): string[] {
  const width = texts.reduce((widest, text) => Math.max(widest, text.length), title.length);
  return [title, ...texts].map((text) => text.padStart(width));
}

/** Where a file lies: each column is a part of the device, the more of it is the file's the taller its block. */
function deviceMap(entry: FileEntry, deviceBytes: number, width: number): string {
  const cell = deviceBytes / width;
  const filled = new Float64Array(width);
  for (const extent of entry.extents) {
    const start = Number(extent.offsetBytes);
    const end = start + Number(extent.lengthBytes);
    for (let i = Math.floor(start / cell); i < width && i * cell < end; i += 1) {
      filled[i] = (filled[i] ?? 0) + Math.min(end, (i + 1) * cell) - Math.max(start, i * cell);
    }
  }
  const blocks = '▁▂▃▄▅▆▇█';
  return Array.from(filled, (bytes) =>
    bytes <= 0 ? '·' : (blocks[Math.min(7, Math.max(0, Math.ceil((bytes / cell) * 8) - 1))] ?? '█'),
  ).join('');
}

/** A horizontal bar with its share, exact to an eighth of a column; anything above nothing shows. */
function gauge(part: number, whole: number, width: number, paint: Painter): string {
  const share = whole <= 0 ? 0 : Math.min(1, Math.max(0, part / whole));
  const eighths = share === 0 ? 0 : Math.max(1, Math.floor(share * width * 8));
  const rest = ' ▏▎▍▌▋▊▉'[eighths % 8] ?? ' ';
  const full = '█'.repeat(Math.floor(eighths / 8));
  const bar = eighths % 8 === 0 ? full : `${full}${rest}`;
  return `${paint.filled(bar)}${paint.faint('░'.repeat(width - bar.length))} ${(share * 100).toFixed(1)} %`;
}

function shortened(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `…${characters.slice(characters.length - width + 1).join('')}`;
}

function line(name: string, value: string): string {
  return `  ${name.padEnd(12)} ${value}`;
}

interface Painter {
  strong(text: string): string;
  faint(text: string): string;
  filled(text: string): string;
}

function painter(colour: boolean): Painter {
  const paint = (code: number) => (text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { strong: paint(1), faint: paint(2), filled: paint(36) };
}
