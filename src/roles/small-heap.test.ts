import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCommand } from '../linux/child-process.ts';
import { smallHeapEnvironment } from './small-heap.ts';

/** Makes objects that live a little while, as calls do, and tells how many MiB the young generation has then. */
const churn = `
  import { getHeapSpaceStatistics } from 'node:v8';
  const ring = new Array(20_000);
  for (let i = 0; i < 1_000_000; i++) ring[i % ring.length] = { i, list: [i, i], text: 'x' + i };
  const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
  console.log(young.space_size / 2 ** 20);`;

async function youngGenerationMib(program: string): Promise<number> {
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program];
  const { stdout, stderr } = await runCommand(process.execPath, args);
  assert.ok(Number(stdout) > 0, stderr);
  return Number(stdout);
}

describe('a process whose heap is kept small', () => {
  it('has the young generation it began with, however much it makes', async () => {
    const module = JSON.stringify(new URL('./small-heap.ts', import.meta.url).href);
    assert.ok((await youngGenerationMib(churn)) > 8, 'V8 no longer lets it grow by itself');
    const kept = await youngGenerationMib(
      `import { keepHeapSmall } from ${module}; keepHeapSmall();${churn}`,
    );
    assert.ok(kept <= 4, `${kept} MiB`);
  });

  it('has one arena for all threads of malloc, when it is started with the environment for that', async () => {
    const arenas = async (env: Readonly<Record<string, string>>): Promise<number> => {
      // Compression runs on the threads of libuv, each of which would take an arena of its own.
      const program = `
        import { readFileSync } from 'node:fs';
        import { brotliCompress } from 'node:zlib';
        const text = Buffer.alloc(1 << 18, 'one after the other ');
        await Promise.all(Array.from({ length: 16 }, () => new Promise((done) => brotliCompress(text, done))));
        // An arena lies at the beginning of 64 MiB that are set aside for it; what it does not use yet nobody may touch.
        const lines = readFileSync('/proc/self/maps', 'utf8').split('\\n');
        const [at, sizeBytes] = [(text) => BigInt('0x' + text), 64n << 20n];
        const arenas = lines.filter((line, index) => {
          const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 *$/.exec(line) ?? [];
          const [, rest, last] = /^([0-9a-f]+)-([0-9a-f]+) ---p 0+ 00:00 0 *$/.exec(lines[index + 1] ?? '') ?? [];
          return rest !== undefined && rest === end && at(start) % sizeBytes === 0n && at(last) === at(start) + sizeBytes;
        });
        console.log(arenas.length);`;
      const args = ['--input-type=module', '--eval', program];
      const { stdout, stderr } = await runCommand(process.execPath, args, { env });
      assert.match(stdout, /^\d+$/m, stderr);
      return Number(stdout);
    };
    assert.ok((await arenas({})) > 0, 'the C library no longer makes an arena for a thread');
    assert.equal(await arenas(smallHeapEnvironment), 0);
  });
});
