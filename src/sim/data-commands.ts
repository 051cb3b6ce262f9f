// The famfs commands that look at the data of files: flush, verify and chkread (famfs reference 1.6). Must not know
// logs or superblocks.
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { errorCodeOf, errorNumber } from '../linux/syscall-error.ts';
import { scanUnsigned } from './c-numbers.ts';
import { type CommandContext, ProcessDeath } from './command-context.ts';
import type { OptionTable } from './get-options.ts';
import { realPathOf } from './mounted-pool.ts';
import { printUsage, readOptions } from './option-reader.ts';
import { firstDifference } from './seeded-bytes.ts';
import { chkreadUsage, cloneUsage, flushUsage, verifyUsage } from './usage-texts.ts';

const chunkBytes = 1 << 20;
const flushTable: OptionTable = { short: '+vh?', long: [] };
const chkreadTable: OptionTable = { short: '+slh?', long: [] };
const verifyTable: OptionTable = {
  short: '+f:S:m:t:qh?',
  long: [
    { name: 'seed', takesValue: true, key: 'S' },
    { name: 'filename', takesValue: true, key: 'f' },
    { name: 'multi', takesValue: true, key: 'm' },
    { name: 'threadct', takesValue: true, key: 't' },
    { name: 'quiet', takesValue: false, key: 'q' },
  ],
};

/** Runs `famfs flush`. The memory of the simulator is coherent, so that reaching each file is all there is to it. */
export async function flushCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const parsed = readOptions(context, argv, { table: flushTable, usage: flushUsage }, () => undefined);
  if (typeof parsed === 'number') return parsed;
  if (parsed.operands.length === 0) {
    context.complain('do_famfs_cli_flush: source and destination filenames required');
    printUsage(context, cloneUsage);
    return -1;
  }
  let errors = 0;
  for (const file of parsed.operands) {
    if (realPathOf(file) === undefined) {
      context.complain(`do_famfs_cli_flush: bad source path ${file}`);
      errors += 1;
    } else if (!isFlushable(file)) {
      errors += 1;
    }
  }
  if (errors > 0) context.print(`do_famfs_cli_flush: ${errors} errors were detected`);
  return -errors;
}

/** A regular file whose memory can be read. */
function isFlushable(file: string): boolean {
  try {
    if (!statSync(file).isFile()) return false;
    const fd = openSync(file, 'r');
    try {
      readSync(fd, Buffer.alloc(1), 0, 1, 0);
      return true;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

/** Runs `famfs verify` on files that `famfs creat -r -S` made. Returns famfs's result code. */
export async function verifyCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const settings = { seed: 0n, file: undefined as string | undefined, isQuiet: false };
  const many: { file: string; seed: bigint }[] = [];
  const description = { table: verifyTable, usage: verifyUsage };
  const parsed = readOptions(context, argv, description, ({ key, value = '' }) => {
    if (key === 'q') settings.isQuiet = true;
    if (key === 'S') settings.seed = scanUnsigned(value).value;
    if (key === 'f') settings.file = value;
    if ((key === 'S' || key === 'f') && many.length > 0) {
      context.complain(`do_famfs_cli_verify: -${key} and -m incompatible`);
      return -1;
    }
    if (key !== 'm') return undefined;
    if (settings.seed !== 0n || settings.file !== undefined) {
      context.complain('do_famfs_cli_verify: -S|-f and -m incompatible');
      return -1;
    }
    const [file, seed, ...more] = value.split(',');
    if (file === undefined || seed === undefined || more.length > 0) {
      context.complain(`do_famfs_cli_verify: bad multi arg(${many.length}): ${value}`);
      return -1;
    }
    many.push({ file, seed: scanUnsigned(seed).value });
    return undefined;
  });
  if (typeof parsed === 'number') return parsed;
  const { seed, file, isQuiet } = settings;
  if (many.length === 0) return verifyOne(context, file, seed, isQuiet);
  if (!isQuiet) context.print(`verify_multi: threads=1 nfiles=${many.length}`);
  const errors = many.filter((one) => verifyOne(context, one.file, one.seed, isQuiet) !== 0).length;
  context.print(`Verify complete for ${many.length} files with ${errors} errs`);
  return errors;
}

function verifyOne(
  context: CommandContext,
  file: string | undefined,
  seed: bigint,
  isQuiet: boolean,
): number {
  if (file === undefined) {
    context.complain('Must supply filename');
    return 1;
  }
  if (seed === 0n) {
    context.complain('Must specify random seed to verify file data');
    return 1;
  }
  let fd: number;
  try {
    fd = openSync(file, 'r+');
  } catch (error) {
    context.complain(`open ${file} failed; fd -1 errno ${errorNumber(errorCodeOf(error) ?? '')}`);
    return 1;
  }
  try {
    const total = fstatSync(fd).size;
    for (let offset = 0; offset < total; offset += chunkBytes) {
      const chunk = Buffer.alloc(Math.min(chunkBytes, total - offset));
      readSync(fd, chunk, 0, chunk.length, offset);
      const difference = firstDifference(chunk, seed, offset);
      if (difference === -1) continue;
      context.complain(`Verify fail: ${file} at offset ${offset + difference} of ${total} bytes`);
      return 1;
    }
    if (!isQuiet) context.print(`Success: verified ${total} bytes in file ${file}`);
    return 0;
  } finally {
    closeSync(fd);
  }
}

/** Runs `famfs chkread`. Mapped and read bytes are the same pages here, so a file that reads is one that matches. */
export async function chkreadCommand(context: CommandContext, argv: readonly string[]): Promise<number> {
  const parsed = readOptions(context, argv, { table: chkreadTable, usage: chkreadUsage }, () => undefined);
  if (typeof parsed === 'number') return parsed;
  const file = parsed.operands[0];
  if (file === undefined) {
    context.complain('do_famfs_cli_chkread: Must specify at least one file');
    return -1;
  }
  let fd: number;
  try {
    statSync(file);
  } catch {
    context.complain(`do_famfs_cli_chkread: could not stat file ${file}`);
    return 1;
  }
  try {
    fd = openSync(file, 'r+');
  } catch {
    context.complain("famfs: src/famfs_cli.c:2199: do_famfs_cli_chkread: Assertion `fd > 0' failed.");
    throw new ProcessDeath('SIGABRT');
  }
  try {
    const total = fstatSync(fd).size;
    const chunk = Buffer.alloc(chunkBytes);
    let done = 0;
    while (done < total) {
      const count = readSync(fd, chunk, 0, Math.min(chunkBytes, total - done), done);
      if (count === 0) break;
      done += count;
    }
    context.print(`read tried=${total} got=${done}`);
    context.print('Read and mmap match');
    return 0;
  } finally {
    closeSync(fd);
  }
}
