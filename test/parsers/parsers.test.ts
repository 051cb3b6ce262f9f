// The list of parsers is whole, each takes its samples, and what once broke one breaks it no more.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { allParsers } from './all-parsers.ts';
import type { Parser } from './parser.ts';

interface Finding {
  readonly parser: string;
  readonly why: string;
  readonly base64: string;
}

const root = path.join(import.meta.dirname, '../..');
const findings = readFileSync(path.join(root, 'test/fixtures/parsers/findings.jsonl'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Finding);

test('every exported function that parses or decodes is in the list', () => {
  const covered = new Set(allParsers.flatMap(({ covers }) => covers));
  // The simulator parses what its own processes and the kernel write to it; it is no part of the driver.
  const sources = globSync('src/**/*.ts', { cwd: root }).filter(
    (file) => !/\.test\.ts$|^src\/sim\/|\/generated\//.test(file),
  );
  const exported = sources.flatMap((file) =>
    [
      ...readFileSync(path.join(root, file), 'utf8').matchAll(
        /^export (?:async )?(?:function|const) ((?:parse|decode)\w*)/gm,
      ),
    ].map(([, name = '']) => name),
  );
  assert.ok(exported.length > 15, `only ${exported.length} parsers were found`);
  assert.deepEqual(
    exported.filter((name) => !covered.has(name)),
    [],
    'not in test/parsers',
  );
  assert.equal(new Set(allParsers.map(({ name }) => name)).size, allParsers.length);
});

for (const parser of allParsers) {
  test(`${parser.name}: a sample at least is taken, and no input at all is no trouble`, async () => {
    const answers = await Promise.all(parser.samples.map((sample) => answerTo(parser, sample)));
    assert.ok(answers.includes('taken'));
    await answerTo(parser, Buffer.alloc(0));
  });
}

for (const { parser: name, why, base64 } of findings) {
  test(`${name}: ${why}`, async () => {
    const parser = allParsers.find((each) => each.name === name);
    assert.ok(parser !== undefined, `there is no parser ${name}`);
    await answerTo(parser, Buffer.from(base64, 'base64'));
  });
}

async function answerTo(parser: Parser, input: Buffer): Promise<'taken' | 'refused'> {
  try {
    await parser.run(input);
    return 'taken';
  } catch (error) {
    if (!parser.isAnswer(error)) throw error;
    return 'refused';
  }
}
