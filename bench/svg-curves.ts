// Draws measurements that make curves: one line for each, over places they share, with a logarithmic scale where the
// values lie far apart.
import { formatValue, type Measurement } from './measurement.ts';
import { curveColours, escapeXml, round, svgPage } from './svg-page.ts';

/** A measurement that is a point of a curve. */
type Point = Measurement & Required<Pick<Measurement, 'curve'>>;

const plot = { left: 84, right: 520, top: 92, bottom: 330 };
const height = 372;
const labelHeight = 17;
/** From here on a linear scale would press the small values into its bottom line. */
const farApart = 12;
/** What is smaller counts as nothing. */
const smallest = 1e-9;

interface Scale {
  readonly ticks: readonly number[];
  readonly y: (value: number) => number;
}

/** The measurements that are points of curves, of the unit that the first of them has. */
export function curvePoints(measurements: readonly Measurement[]): readonly Point[] {
  const points = measurements.filter((each): each is Point => each.curve !== undefined);
  return points.filter(({ unit }) => unit === points[0]?.unit);
}

/** The whole picture as an SVG document. @throws RangeError without any point */
export function drawCurves(title: string, subtitle: string, points: readonly Point[]): string {
  const [first] = points;
  if (first === undefined) throw new RangeError('there is no curve without points');
  const places = [...new Set(points.map(({ curve }) => curve.at))];
  const scale = scaleFor(points.map(({ value }) => value));
  const step = (plot.right - plot.left) / Math.max(1, places.length - 1);
  const x = (at: string) => round(plot.left + (places.length === 1 ? 0 : places.indexOf(at) * step));
  const curves = [...new Set(points.map(({ curve }) => curve.of))].map((name) => ({
    name,
    points: points.filter(({ curve }) => curve.of === name),
  }));
  const labels = spread(curves.map(({ points: own }) => scale.y(own.at(-1)?.value ?? 0)));
  const content = [
    ...scale.ticks.map((tick) => drawTick(tick, scale.y(tick), first.unit)),
    ...places.map(
      (at) =>
        `<text class="soft" text-anchor="middle" x="${x(at)}" y="${plot.bottom + 22}">${escapeXml(at)}</text>`,
    ),
    ...curves.map((curve, index) => drawCurve(curve.points, index, x, scale)),
    ...curves.map(({ name, points: own }, index) => drawLabel(name, own.at(-1), index, labels[index] ?? 0)),
  ];
  return svgPage(title, subtitle, height, content.join('\n'));
}

function scaleFor(values: readonly number[]): Scale {
  const most = Math.max(...values);
  const least = Math.min(...values);
  const place = (share: number) => round(plot.bottom - share * (plot.bottom - plot.top));
  if (least >= smallest && most / least >= farApart) {
    const [bottom, top] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
    return {
      ticks: Array.from({ length: top - bottom + 1 }, (_, index) => 10 ** (bottom + index)),
      y: (value) => place((Math.log10(value) - bottom) / Math.max(1, top - bottom)),
    };
  }
  const reached = Math.max(most, smallest);
  const stepSize = niceStep(reached);
  const count = Math.ceil(reached / stepSize);
  return {
    ticks: Array.from({ length: count + 1 }, (_, index) => index * stepSize),
    y: (value) => place(Math.max(0, value) / (count * stepSize)),
  };
}

/** 1, 2 or 5 times a power of ten, so that about five of them reach `most`. */
function niceStep(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 5));
  const factor = [1, 2, 5, 10].find((each) => each * power * 5 >= most) ?? 10;
  return factor * power;
}

function drawTick(tick: number, y: number, unit: string): string {
  const text = `${Number(tick.toPrecision(6)).toLocaleString('en', { maximumSignificantDigits: 6 })} ${unit}`;
  return (
    `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${y}" y2="${y}"/>` +
    `<text class="soft" text-anchor="end" x="${plot.left - 12}" y="${round(y + 4)}">${escapeXml(text)}</text>`
  );
}

function drawCurve(points: readonly Point[], index: number, x: (at: string) => number, scale: Scale): string {
  const paint = index % curveColours.length;
  const places = points.map(({ curve, value }) => ({ left: x(curve.at), top: scale.y(value) }));
  const line = places.map(({ left, top }) => `${left},${top}`).join(' ');
  return [
    `<polyline class="line${paint}" fill="none" stroke-width="2.5" points="${line}"/>`,
    ...places.map((place) => drawDot(place, paint)),
  ].join('');
}

/** A round dot for even curves, a square one for odd. */
function drawDot({ left, top }: { readonly left: number; readonly top: number }, paint: number): string {
  if (paint % 2 === 0) return `<circle class="dot${paint}" cx="${left}" cy="${top}" r="4.5"/>`;
  return `<rect class="dot${paint}" x="${round(left - 4)}" y="${round(top - 4)}" width="8" height="8"/>`;
}

function drawLabel(name: string, last: Point | undefined, index: number, y: number): string {
  if (last === undefined) return '';
  const left = plot.right + 16;
  const dot = drawDot({ left, top: round(y) }, index % curveColours.length);
  const value = `${formatValue(last.value)} ${last.unit}`;
  return (
    `${dot}<text class="name" x="${left + 12}" y="${round(y + 4)}">${escapeXml(name)}</text>` +
    `<text class="soft" x="${left + 12}" y="${round(y + 4 + labelHeight)}">${escapeXml(`${value}, ${last.curve.at}`)}</text>`
  );
}

/** Moves what would overlap apart: every label has two lines. */
function spread(wanted: readonly number[]): readonly number[] {
  const apart = 2 * labelHeight + 6;
  const inOrder = wanted.map((y, index) => ({ y, index })).toSorted((above, below) => above.y - below.y);
  const placed: number[] = [];
  let lowest = plot.top - apart;
  for (const { y, index } of inOrder) {
    lowest = Math.max(y, lowest + apart);
    placed[index] = lowest;
  }
  const below = Math.max(0, lowest + labelHeight - plot.bottom - 12);
  return placed.map((y) => Math.max(plot.top - 12, y - below));
}
