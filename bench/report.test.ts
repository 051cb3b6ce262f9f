import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Measurement } from './measurement.ts';
import { type FigureResult, parseJsonLines, reportJsonLines, reportTable } from './report.ts';
import { drawChart } from './svg.ts';

const plain: Measurement = { name: 'plain', title: 'Just so', value: 0.5, unit: 'ms' };
const measurements: readonly Measurement[] = [
  {
    ...{ name: 'fast', title: 'How fast', value: 6.25, unit: '×' },
    ...{ goal: { kind: 'at-least', value: 5 }, range: [6, 7] },
  },
  {
    name: 'near',
    title: 'How <near> & "far"',
    value: 1.2,
    unit: '×',
    goal: { kind: 'near', value: 1, tolerance: 0.1 },
  },
  plain,
];

const results: readonly FigureResult[] = [
  { figure: 'speed', measurements },
  { figure: 'depth', measurements: [], missing: 'it needs Go' },
];

describe('the report', () => {
  test('is a table with aligned values, ranges, goals and verdicts', () => {
    assert.deepEqual(reportTable(results).split('\n'), [
      'figure              value      of the rounds  goal',
      '───────────────────────────────────────────────────────────────',
      'How fast             6.25  ×   6.00 … 7.00    ≥ 5      ✔ met',
      'How <near> & "far"   1.20  ×                  1 ± 0.1  ✘ missed',
      'Just so             0.500  ms',
      'depth is not measured: it needs Go',
    ]);
  });

  test('is JSON lines that begin with the same five keys in every line', () => {
    const lines = reportJsonLines(results).trimEnd().split('\n');
    const objects = lines.map((line) => Object.entries(JSON.parse(line) as object).slice(0, 5));
    assert.deepEqual(
      objects.map((entries): unknown => Object.fromEntries(entries)),
      [
        { name: 'fast', value: 6.25, unit: '×', goal: '≥ 5', met: true },
        { name: 'near', value: 1.2, unit: '×', goal: '1 ± 0.1', met: false },
        { name: 'plain', value: 0.5, unit: 'ms', goal: null, met: null },
        { name: 'depth', value: null, unit: null, goal: null, met: null },
      ],
    );
  });

  test('can be read back from its JSON lines', () => {
    const curve: Measurement = { ...plain, name: 'of a curve', curve: { of: 'copy', at: '1 GiB' } };
    const all = [...results, { figure: 'curves', measurements: [curve] }];
    assert.deepEqual(parseJsonLines(reportJsonLines(all)), all);
  });
});

describe('the chart', () => {
  const chart = drawChart('Title & more', 'on <this> machine', measurements);

  test('shows what a person wrote as text, never as markup', () => {
    assert.ok(chart.includes('How &lt;near&gt; &amp; &quot;far&quot;'));
    assert.ok(chart.includes('on &lt;this&gt; machine'));
    assert.doesNotMatch(chart, /<near>|<this>/);
  });

  test('draws a bar for each, a line for each goal, and tells met from missed', () => {
    assert.equal(chart.match(/<rect class="track"/g)?.length, 3);
    assert.equal(chart.match(/<line class="goal"/g)?.length, 2);
    for (const paint of ['met', 'missed', 'plain'])
      assert.equal(chart.match(new RegExp(`<rect class="${paint}"`, 'g'))?.length, 1);
  });

  test('keeps bars and goals inside the track', () => {
    const extreme = [0, 1e-9, 1, 1e9].map(
      (value): Measurement => ({
        ...{ name: `${value}`, title: 't', unit: '×', value },
        goal: { kind: 'at-least', value: 5 },
      }),
    );
    const drawn = drawChart('t', 's', extreme);
    const widths = [...drawn.matchAll(/<rect class="(?:met|missed)"[^>]* width="([\d.]+)"/g)].map((match) =>
      Number(match[1]),
    );
    assert.equal(widths.length, 4);
    assert.ok(
      widths.every((width) => width >= 0 && width <= 560),
      widths.join(),
    );
    assert.doesNotMatch(drawn, /NaN|Infinity/);
  });

  test('carries colours for dark pages', () => {
    assert.match(chart, /prefers-color-scheme: dark/);
  });
});
