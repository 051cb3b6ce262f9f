// The page of figures: that of the project names every figure and is what its figures make of it, and any page tells
// of goals that were missed and of what was not measured.
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { driverVersion } from '../src/version.ts';
import type { Setting } from './figure.ts';
import { figures } from './figures.ts';
import { describeMachine } from './machine.ts';
import type { Measurement } from './measurement.ts';
import { docsFolder, drawPage, openPage } from './performance-page.ts';
import type { FigureResult } from './report.ts';

describe('docs/performance.md', () => {
  test('names every figure of bench/figures.ts and says how it is taken', () => {
    const page = readFileSync(path.join(docsFolder, 'performance.md'), 'utf8');
    for (const { name } of figures) {
      assert.ok(
        page.includes(`\n### ${name}\n`),
        `${name} is missing: npm run bench -- --redraw puts it there`,
      );
      assert.ok(page.includes(`\n**${name}**: `), `"How each figure is taken" does not tell of ${name}`);
    }
  });

  test('is what its figures make of it, and so are its pictures', () => {
    const { page, pictures } = drawPage(docsFolder);
    const kept = path.join(docsFolder, 'performance');
    const again = 'npm run bench -- --redraw draws it anew';
    assert.equal(readFileSync(path.join(docsFolder, 'performance.md'), 'utf8'), page, again);
    const drawn = existsSync(kept) ? readdirSync(kept).filter((file) => file.endsWith('.svg')) : [];
    assert.deepEqual(drawn.sort(), [...pictures.keys()].sort(), again);
    for (const [file, svg] of pictures) assert.equal(readFileSync(path.join(kept, file), 'utf8'), svg, again);
  });
});

describe('a page', () => {
  let docs: string;
  before(() => {
    docs = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-page-'));
    cpSync(path.join(docsFolder, 'performance.md'), path.join(docs, 'performance.md'));
  });
  after(() => rmSync(docs, { recursive: true }));

  const ratio = (name: string, value: number): Measurement => ({
    ...{ name, title: `How ${name}`, unit: '×', value },
    goal: { kind: 'at-least', value: 5 },
  });
  const results: readonly FigureResult[] = [
    { figure: 'publish-cycle', measurements: [ratio('slow | steady', 2), ratio('fast', 6)] },
    { figure: 'rpc', measurements: [], missing: 'it needs Go' },
    {
      figure: 'time-to-ready',
      measurements: [{ name: 'p', title: 'P', unit: 'ms', value: 1, curve: { of: 'us', at: '1 MiB' } }],
    },
  ];
  const run = { pool: 'fuse, /dev/dax0.0', machine: describeMachine(), isPart: false };
  const write = (setting: Setting, isQuick: boolean) =>
    results.forEach(openPage({ ...run, setting, isQuick }, docs));
  const read = () => readFileSync(path.join(docs, 'performance.md'), 'utf8');
  const handWritten = () => read().replace(/<!-- figures:.*<!-- end of figures -->/s, '');

  test('tells missed goals plainly, what is met, and what could not be measured', () => {
    const before = handWritten();
    write('simulated', false);
    const page = read();
    assert.match(page, /\*\*2\.00 × ✘ missed\*\*/);
    assert.match(page, /\| 6\.00 × ✔ \|/);
    assert.match(page, /1 of 2 goals are met/);
    assert.match(page, /### rpc\n[^#]*Not measured: it needs Go\./);
    assert.match(page, /### memory\n[^#]*Not measured yet\./);
    assert.doesNotMatch(page, /quick run/);
    assert.equal(handWritten(), before, 'what a person wrote has changed');
  });

  test('shows pictures that are there, and keeps none that nothing shows', () => {
    const folder = path.join(docs, 'performance');
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'of-yesterday.svg'), '<svg/>');
    write('simulated', false);
    const shown = [...read().matchAll(/\]\(performance\/([\w-]+\.svg)\)/g)].map((match) => match[1]);
    const files = readdirSync(folder).filter((file) => file.endsWith('.svg'));
    assert.deepEqual(shown.sort(), files.sort());
    assert.deepEqual(files, ['publish-cycle.svg', 'time-to-ready-curves.svg']);
  });

  test('says of a quick run that its values mean nothing', () => {
    write('simulated', true);
    assert.match(read(), /This was a quick run/);
  });

  test('keeps every figure as soon as it is measured, and of one that is measured again the last', () => {
    const keep = openPage({ ...run, setting: 'simulated', isQuick: false }, docs);
    keep({ figure: 'rpc', measurements: [ratio('soon', 5)] });
    assert.match(read(), /1 of 1 goals are met/);
    openPage(
      { ...run, setting: 'simulated', isQuick: false, isPart: true },
      docs,
    )({
      ...{ figure: 'publish-cycle', measurements: [ratio('later', 1)] },
    });
    assert.match(read(), /1 of 2 goals are met/);
    const again = openPage({ ...run, setting: 'simulated', isQuick: false, isPart: true }, docs);
    again({ figure: 'rpc', measurements: [ratio('soon', 3)] });
    assert.match(read(), /0 of 2 goals are met/);
  });

  test('tells of all versions of the driver that its figures were measured with', () => {
    write('simulated', false);
    const facts = path.join(docs, 'performance/machine.json');
    const text = readFileSync(facts, 'utf8').replace(/("version": ")[^"]*/, '$10.0.1');
    writeFileSync(facts, text);
    for (const figure of ['rpc', 'memory']) {
      const keep = openPage({ ...run, setting: 'simulated', isQuick: false, isPart: true }, docs);
      keep({ figure, measurements: [ratio('one', 1)] });
    }
    assert.match(read(), new RegExp(`famfs-csi 0\\.0\\.1, in part ${driverVersion} \\(`));
  });

  test('has no figures of two machines or efforts beside each other', () => {
    write('simulated', false);
    const part = { ...run, setting: 'simulated', isQuick: false, isPart: true } as const;
    assert.throws(
      () => openPage({ ...part, isQuick: true }, docs),
      /isQuick: false, now true.*leave out --only/,
    );
    const other = { ...run.machine, cpu: 'another' };
    assert.throws(() => openPage({ ...part, machine: other }, docs), /machine: .*, now another/);
  });

  test('has a column for hardware beside that of the simulator', () => {
    write('simulated', false);
    assert.match(read(), /\*\*Hardware:\*\* not measured yet/);
    write('hardware', false);
    assert.match(read(), /\*\*Hardware:\*\* .* pool on `fuse, \/dev\/dax0\.0`/);
    assert.match(read(), /\| How fast \| ≥ 5 × \| 6\.00 × ✔ \| 6\.00 × ✔ \|/);
    assert.ok(existsSync(path.join(docs, 'performance/hardware-publish-cycle.svg')));
  });
});
