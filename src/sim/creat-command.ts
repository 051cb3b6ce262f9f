// famfs creat: preallocates a file in a mounted pool (famfs reference 1.4).
import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs';
import { scanInteger, scanSize, scanUnsigned } from './c-numbers.ts';
import type { CommandContext } from './command-context.ts';
import type { OptionTable } from './get-options.ts';
import { LockedLog } from './locked-log.ts';
import { makePoolFile } from './make-pool-file.ts';
import { findMountOf, isPathReachable } from './mounted-pool.ts';
import { readOptions } from './option-reader.ts';
import type { Geometry } from './pool-allocator.ts';
import { fillSeeded } from './seeded-bytes.ts';
import { creatUsage } from './usage-texts.ts';

const table: OptionTable = {
  short: '+s:S:m:u:g:rC:N:B:M:t:h?v',
  long: [
    { name: 'size', takesValue: true, key: 's' },
    { name: 'seed', takesValue: true, key: 'S' },
    { name: 'randomize', takesValue: false, key: 'r' },
    { name: 'mode', takesValue: true, key: 'm' },
    { name: 'uid', takesValue: true, key: 'u' },
    { name: 'gid', takesValue: true, key: 'g' },
    { name: 'verbose', takesValue: false, key: 'v' },
    { name: 'multi', takesValue: true, key: 'M' },
    { name: 'threadct', takesValue: true, key: 't' },
    { name: 'chunksize', takesValue: true, key: 'C' },
    { name: 'nstrips', takesValue: true, key: 'N' },
    { name: 'nbuckets', takesValue: true, key: 'B' },
  ],
};
const maxStrips = 16n;
const seedChunkBytes = 1 << 20;

interface Settings {
  mode: number;
  uid: number;
  gid: number;
  sizeBytes: bigint;
  seed: bigint;
  isRandom: boolean;
  geometry: Geometry | undefined;
  files: SeededFile[];
}

interface SeededFile {
  readonly file: string;
  readonly sizeBytes: bigint;
  readonly seed: bigint;
}

/** Runs `famfs creat`. Returns famfs's result code. */
export async function creatCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const settings: Settings = {
    mode: 0o644,
    uid: context.uid,
    gid: context.gid,
    sizeBytes: 0n,
    seed: 0n,
    isRandom: false,
    geometry: undefined,
    files: [],
  };
  const parsed = readOptions(context, argv, { table, usage: creatUsage }, ({ key, value = '' }) =>
    takeOption(context, settings, key, value),
  );
  if (typeof parsed === 'number') return parsed;
  if (settings.seed !== 0n && !settings.isRandom) {
    context.complain('Error seed (-S) without randomize (-r) argument');
    return -1;
  }
  const strips = settings.geometry?.stripCount ?? 0n;
  if (strips > maxStrips) {
    context.complain(`famfs creat error: nstrips(${strips}) > ${maxStrips} `);
    return -1;
  }
  if (settings.files.length > 0) return await creatMany(context, settings);
  const file = parsed.operands[0];
  if (file === undefined) {
    context.complain('Must specify filename');
    return -1;
  }
  const { sizeBytes, seed } = settings;
  const result = await creatOne(context, settings, { file, sizeBytes, seed });
  if (result === undefined) return -1;
  return seed === 0n ? 0 : writeSeeded(context, { file, sizeBytes, seed });
}

function takeOption(
  context: CommandContext,
  settings: Settings,
  key: string,
  value: string,
): number | undefined {
  if (key === 's') settings.sizeBytes = scanSize(value);
  if (key === 'S') settings.seed = scanUnsigned(value).value;
  if (key === 'r') settings.isRandom = true;
  if (key === 'm') settings.mode = scanInteger(value, 8);
  if (key === 'u') settings.uid = scanInteger(value);
  if (key === 'g') settings.gid = scanInteger(value);
  settings.geometry = withGeometryOption(settings.geometry, key, value);
  if (key !== 'M') return undefined;
  if (settings.seed !== 0n) {
    context.complain('do_famfs_cli_creat: -S|-f and --multi incompatible');
    return -1;
  }
  const parts = value.split(',');
  const [file, size, seed] = parts;
  if (file === undefined || size === undefined || parts.length > 3) {
    const count = settings.files.length;
    context.complain(`do_famfs_cli_creat: bad multi arg(${count}): ${value} nstrings=${parts.length}`);
    return -1;
  }
  settings.files.push({ file, sizeBytes: scanSize(size), seed: scanUnsigned(seed ?? '').value });
  return undefined;
}

/** The geometry after one more of the options -C, -N and -B; the same for any other option. */
export function withGeometryOption(
  geometry: Geometry | undefined,
  key: string,
  value: string,
): Geometry | undefined {
  const before = geometry ?? { stripCount: 0n, bucketCount: 0n, chunkBytes: 0x200000n };
  if (key === 'C') return { ...before, chunkBytes: scanSize(value) };
  if (key === 'N') return { ...before, stripCount: scanUnsigned(value).value };
  if (key === 'B') return { ...before, bucketCount: scanUnsigned(value).value };
  return geometry;
}

async function creatMany(context: CommandContext, settings: Settings): Promise<number> {
  const results: (SeededFile & { created: boolean | undefined })[] = [];
  for (const file of settings.files) {
    results.push({ ...file, created: await creatOne(context, settings, file) });
  }
  const created = results.filter((result) => result.created).length;
  const errors = results.filter((result) => result.created === undefined).length;
  context.print(`Create complete for ${created} of ${results.length} files with ${errors} errs`);
  if (errors > 0) return errors;
  const seeded = results.filter((result) => result.seed !== 0n);
  context.print(`randomize_multi: randomizing ${results.length} files via 1 threads`);
  const failed = seeded.filter((file) => writeSeeded(context, file) !== 0).length;
  context.print(`Randomize complete for ${seeded.length} of ${results.length} files with ${failed} errs`);
  return failed;
}

/** Whether the file was created (false: it was there with that size), or undefined after a message. */
async function creatOne(
  context: CommandContext,
  settings: Settings,
  { file, sizeBytes }: SeededFile,
): Promise<boolean | undefined> {
  const present = statOf(file);
  if (present !== undefined) {
    if (!present.isFile()) {
      context.complain(`creat_one: Error: file ${file} exists and is not a regular file`);
      return undefined;
    }
    if (findMountOf(context, file) === undefined) {
      context.complain(`creat_one: Error file ${file} is not in famfs`);
      return undefined;
    }
    if (sizeBytes !== 0n && present.size !== sizeBytes) {
      context.complain(`creat_one: Error: file ${file} exists and is not the same size`);
      return undefined;
    }
    return false;
  }
  if (sizeBytes === 0n) {
    context.complain('creat_one: Error: new file size=zero');
    return undefined;
  }
  const mode = settings.mode & ~process.umask();
  const { uid, gid, geometry } = settings;
  if (await isFileMade(context, { file, sizeBytes, mode, uid, gid, geometry })) return true;
  context.complain(`creat_one: failed to create file ${file}`);
  return undefined;
}

async function isFileMade(
  context: CommandContext,
  request: Parameters<typeof makePoolFile>[2],
): Promise<boolean> {
  if (!isPathReachable(context, request.file)) return false;
  const session = await LockedLog.open(context, request.file);
  if (session === undefined) return false;
  try {
    const result = makePoolFile(context, session, request);
    // A size that reads as negative is logged, and then the file cannot be opened (kernel notes 12.4).
    return result === 'made' && request.sizeBytes < 1n << 62n;
  } finally {
    session.close();
  }
}

function statOf(file: string): { isFile(): boolean; size: bigint } | undefined {
  try {
    return statSync(file, { bigint: true });
  } catch {
    return undefined;
  }
}

function writeSeeded(context: CommandContext, { file, sizeBytes, seed }: SeededFile): number {
  const fd = openSync(file, 'r+');
  try {
    const total = fstatSync(fd).size;
    if (sizeBytes !== 0n && sizeBytes !== BigInt(total)) {
      context.complain(`randomize_one: fsize horky ${sizeBytes} / ${total}`);
      return -1;
    }
    for (let offset = 0; offset < total; offset += seedChunkBytes) {
      const chunk = Buffer.alloc(Math.min(seedChunkBytes, total - offset));
      fillSeeded(chunk, seed, offset);
      writeSync(fd, chunk, 0, chunk.length, offset);
    }
    context.print(`randomized ${total} bytes: ${file}`);
    return 0;
  } finally {
    closeSync(fd);
  }
}
