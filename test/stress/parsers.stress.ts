// Every parser of the driver, fed with a million inputs that nobody would write: it answers, in its own words, soon, and
// keeps nothing.
//
// How inputs are found: mutations of real samples (recorded commands, real images, real tables of a kernel). An input
// that brings a kind of answer not seen before, another refusal or another shape of result, becomes a parent itself.
// That costs nothing where coverage of the code would cost more than the parsing, and the refusals name nearly every
// branch there is. CRCs are made right (test/parsers/famfs-parsers.ts), or nothing would come past them.
//
// What it found is in test/fixtures/parsers/findings.jsonl, which test/parsers/parsers.test.ts tries again every time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { allParsers } from '../parsers/all-parsers.ts';
import type { Parser } from '../parsers/parser.ts';
import { Dice } from './dice.ts';
import { effort, seed } from './effort.ts';
import { mutate } from './mutator.ts';

const executions = effort(1_000_000);
const longestMs = 100;
const mostKeptBytes = 64 * 2 ** 20;
const mostParents = 400;
const longestParentBytes = 8192;
const shares = allParsers.reduce((sum, { share }) => sum + share, 0);

let done = 0;
let keptBefore = await keptBytes();

for (const [number, parser] of allParsers.entries()) {
  test(`${parser.name} answers every input`, async (t) => {
    const times = Math.ceil((executions * parser.share) / shares);
    const { kinds, slowestMs } = await fuzz(parser, times, new Dice(seed + number));
    const kept = await keptBytes();
    const grown = kept - keptBefore;
    keptBefore = kept;
    done += times;
    t.diagnostic(
      `${times} inputs, ${kinds} kinds of answers, slowest ${slowestMs.toFixed(0)} ms, seed ${seed}`,
    );
    assert.ok(grown < mostKeptBytes, `${grown} bytes are kept after ${times} inputs`);
  });
}

test('there were as many inputs as asked for', (t) => {
  t.diagnostic(`${done} executions`);
  assert.ok(done >= executions);
});

/** How long the processor is busy with an input. */
async function timeOf(parser: Parser, input: Buffer): Promise<number> {
  const startMs = cpuMs();
  await answerTo(parser, input, 0);
  return cpuMs() - startMs;
}

/** Without stacks a refusal costs a third; a finding is tried again with them. */
async function fuzz(
  parser: Parser,
  times: number,
  dice: Dice,
): Promise<{ kinds: number; slowestMs: number }> {
  const parents = [...parser.samples];
  const options = { words: parser.words ?? [], maximumBytes: parser.maximumBytes };
  const kinds = new Set<string>();
  const { stackTraceLimit } = Error;
  let slowestMs = 0;
  Error.stackTraceLimit = 0;
  try {
    for (let i = 0; i < times; i += 1) {
      const input = mutate(parents, dice, options);
      const startMs = performance.now();
      const kind = await answerTo(parser, input, stackTraceLimit);
      let tookMs = performance.now() - startMs;
      // By the clock, others and the garbage of others are in it: what is slow by itself is slow every time.
      for (let again = 0; again < 3 && tookMs > longestMs / 4; again += 1)
        tookMs = await timeOf(parser, input);
      assert.ok(
        tookMs <= longestMs,
        `${tookMs} ms for ${input.length} bytes: ${finding(parser, input, 'is slow')}`,
      );
      slowestMs = Math.max(slowestMs, tookMs);
      if (kinds.has(kind)) continue;
      kinds.add(kind);
      if (parents.length < mostParents && input.length <= longestParentBytes)
        parents.push(Buffer.from(input));
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return { kinds: kinds.size, slowestMs };
}

/** What kind of answer it was. Throws when it was none. */
async function answerTo(parser: Parser, input: Buffer, stackTraceLimit: number): Promise<string> {
  try {
    const result = parser.run(input);
    return shapeOf(result instanceof Promise ? await result : result, 2);
  } catch (error) {
    if (parser.isAnswer(error)) return kindOfError(error);
    Error.stackTraceLimit = stackTraceLimit;
    const small = await shrunk(parser, input);
    throw new Error(`${parser.name} breaks. ${finding(parser, small, String(error))}`, { cause: error });
  }
}

/** A smaller input that breaks the parser as well, as small as so many tries make it. */
async function shrunk(parser: Parser, input: Buffer): Promise<Buffer> {
  let small = input;
  let tries = 2_000;
  for (let length = small.length >> 1; length > 0; length = Math.min(length, small.length) >> 1) {
    for (let at = 0; at < small.length && tries > 0; tries--) {
      const without = Buffer.concat([small.subarray(0, at), small.subarray(at + length)]);
      if (await breaks(parser, without)) small = without;
      else at += length;
    }
  }
  return small;
}

async function breaks(parser: Parser, input: Buffer): Promise<boolean> {
  try {
    await parser.run(input);
    return false;
  } catch (error) {
    return !parser.isAnswer(error);
  }
}

/** A line for the file of findings. */
function finding({ name }: Parser, input: Buffer, why: string): string {
  const line = { parser: name, why, base64: input.subarray(0, 4096).toString('base64') };
  return `For test/fixtures/parsers/findings.jsonl, once it is mended: ${JSON.stringify(line)}`;
}

function kindOfError(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const reason = 'reason' in error ? String(error.reason) : '';
  const words = error.message.slice(0, 300).replaceAll(/"(?:[^"\\]|\\.)*"?|0x[0-9a-f]+|\d+/g, '#');
  return `${error.name} ${reason} ${words.slice(0, 60)}`;
}

function shapeOf(value: unknown, depth: number): string {
  if (typeof value === 'string') return value.length > 24 ? 'text' : value.replaceAll(/\d+/g, '#');
  if (typeof value !== 'object' || value === null)
    return typeof value === 'number' ? `${Math.min(value, 8)}` : `${value}`;
  if (Array.isArray(value)) return `[${value.slice(0, 4).map((each) => shapeOf(each, depth - 1))}]`;
  if (depth === 0) return 'object';
  return Object.entries(value)
    .slice(0, 12)
    .map(([key, each]) => `${key.slice(0, 20)}:${typeof each === 'boolean' ? each : typeof each}`)
    .join();
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** What is held after all garbage is collected, which `npm run stress` makes possible. */
async function keptBytes(): Promise<number> {
  // What a turn of the event loop still held is free only after it, and memory outside the heap only after that.
  for (let pass = 0; pass < 3; pass += 1) {
    globalThis.gc?.();
    await nextTurn();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
