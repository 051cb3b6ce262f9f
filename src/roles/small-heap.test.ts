import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCommand } from '../linux/child-process.ts';

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
});
