import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Measurement } from './measurement.ts';
import { curvePoints, drawCurves } from './svg-curves.ts';

const point = (of: string, at: string, value: number, unit = 'ms'): Measurement => ({
  ...{ name: `${of}-${at}`, title: `${of} at ${at}`, value, unit },
  curve: { of, at },
});

function coordinates(svg: string): number[] {
  return [...svg.matchAll(/ (?:x|y|x1|x2|y1|y2|cx|cy)="([^"]*)"/g)].map((match) => Number(match[1]));
}

describe('the curves', () => {
  const svg = drawCurves(
    'Time <to> ready',
    'on a machine',
    curvePoints([
      point('publish & read', '1 MiB', 2),
      point('publish & read', '8 GiB', 2.1),
      point('copy', '1 MiB', 1.5),
      point('copy', '8 GiB', 9000),
      { name: 'other', title: 'no curve', value: 1, unit: '×' },
    ]),
  );

  test('are a line each, over the places that they share, with their last values', () => {
    assert.equal(svg.match(/<polyline /g)?.length, 2);
    assert.equal(svg.match(/>1 MiB</g)?.length, 1);
    assert.match(svg, />9000 ms, 8 GiB</);
    assert.match(svg, />2\.10 ms, 8 GiB</);
  });

  test('show what a person wrote as text, never as markup', () => {
    assert.match(svg, /publish &amp; read/);
    assert.match(svg, /Time &lt;to&gt; ready/);
  });

  test('rise where values rise: values far apart by powers of ten, others from zero', () => {
    assert.match(svg, />10,000 ms</);
    const linear = drawCurves('t', 's', curvePoints([point('a', '1', 3), point('a', '2', 4)]));
    assert.match(linear, />0 ms</);
    const tops = [...linear.matchAll(/<circle [^>]*cy="([\d.]+)" r/g)].map((match) => Number(match[1]));
    assert.ok((tops[0] ?? 0) > (tops[1] ?? 0), tops.join());
  });

  test('leave out points of another unit', () => {
    const points = curvePoints([point('a', '1', 3, '1/s'), point('a', '1', 4, 'ms')]);
    assert.deepEqual(
      points.map(({ unit }) => unit),
      ['1/s'],
    );
  });

  test('stay on the page, whatever is measured', () => {
    const values = fc.double({ min: 0, max: 1e12, noNaN: true });
    const places = fc.constantFrom('1', '2', '3');
    const curves = fc.constantFrom('a', 'b', 'c', 'd');
    const points = fc.array(fc.tuple(curves, places, values), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(points, (all) => {
        const drawn = drawCurves('t', 's', curvePoints(all.map(([of, at, value]) => point(of, at, value))));
        assert.ok(
          coordinates(drawn).every((each) => each >= 0 && each <= 760),
          drawn,
        );
      }),
    );
  });

  test('need a point', () => {
    assert.throws(() => drawCurves('t', 's', []), RangeError);
  });
});
