// Reads one file in a pod for as long as the pod lives, in three ways at once: through a mapping and a descriptor that it holds from
// its beginning, and by opening the file anew each time. Every byte has to be the letter that it is told. After each round it
// writes into a file what it has seen so far. Has nothing but the driver's image.
import { fstatSync, openSync, readFileSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';

const koffi = createRequire('/opt/famfs-csi/dist/')('koffi');
const mmap = koffi
  .load('libc.so.6')
  .func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64_t']);

const { FILE = '', LETTER = '', REPORT = '' } = process.env;
const pauseMs = 20;
const shownFailures = 20;

const held = openSync(FILE, 'r');
const sizeBytes = fstatSync(held).size;
const expected = Buffer.alloc(sizeBytes, LETTER);
const address = mmap(null, sizeBytes, 1, 1, held, 0);
if (BigInt(koffi.address(address)) === 2n ** 64n - 1n) throw new Error(`${FILE} cannot be mapped`);
const mapping = Buffer.from(koffi.view(address, sizeBytes));
const buffer = Buffer.alloc(sizeBytes);
const report = { rounds: 0, failures: 0, first: [] as string[] };

for (;;) {
  attempt('read of the mapping', () => mapping);
  attempt('read of the open file', () => read(held));
  attempt('open', () => readFileSync(FILE));
  report.rounds++;
  writeFileSync(`${REPORT}.new`, JSON.stringify(report));
  renameSync(`${REPORT}.new`, REPORT);
  await delay(pauseMs);
}

function read(fd: number): Buffer {
  const count = readSync(fd, buffer, 0, sizeBytes, 0);
  return buffer.subarray(0, count);
}

function attempt(what: string, look: () => Buffer): void {
  try {
    if (look().equals(expected)) return;
    fail(`${what}: other bytes than were written`);
  } catch (error) {
    fail(`${what}: ${error instanceof Error ? error.message : error}`);
  }
}

function fail(what: string): void {
  report.failures++;
  if (report.first.length < shownFailures) report.first.push(`${new Date().toISOString()} ${what}`);
}
