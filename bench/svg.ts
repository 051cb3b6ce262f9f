// Draws measurements as a bar chart. Every bar has a scale of its own, since "sixty times" and "one, give or take 3 %"
// have no common one: what is compared is the bar with its goal.
import { describeGoal, formatValue, type Measurement, meetsGoal } from './measurement.ts';
import { escapeXml, pageLeft as left, round, svgPage } from './svg-page.ts';

const top = 76;
const rowHeight = 56;
const barHeight = 18;
const barsWidth = 560;

/** The whole chart as an SVG document. `subtitle` says on which machine. */
export function drawChart(title: string, subtitle: string, measurements: readonly Measurement[]): string {
  const rows = measurements.map((measurement, index) => drawRow(measurement, top + index * rowHeight));
  return svgPage(title, subtitle, top + measurements.length * rowHeight + 12, rows.join('\n'));
}

function drawRow(measurement: Measurement, y: number): string {
  const { title, value, unit, goal } = measurement;
  const most = Math.max(value, goal === undefined ? 0 : goal.value + tolerance(goal)) * 1.1;
  const scale = (amount: number) => round(most > 0 ? (Math.max(0, amount) / most) * barsWidth : 0);
  const barTop = y + 18;
  const met = meetsGoal(measurement);
  const paint = met === undefined ? 'plain' : met ? 'met' : 'missed';
  const parts = [
    `<text class="name" x="${left}" y="${y + 10}">${escapeXml(title.trim())}</text>`,
    `<rect class="track" x="${left}" y="${barTop}" width="${barsWidth}" height="${barHeight}" rx="3"/>`,
    `<rect class="${paint}" x="${left}" y="${barTop}" width="${scale(value)}" height="${barHeight}" rx="3"/>`,
    `<text class="value" x="${left + barsWidth + 12}" y="${barTop + goalLineShift(goal)}">${escapeXml(valueText(measurement))}</text>`,
  ];
  if (goal !== undefined) {
    const x = left + scale(goal.value);
    parts.push(
      `<line class="goal" x1="${x}" x2="${x}" y1="${barTop - 4}" y2="${barTop + barHeight + 4}" stroke-width="2"/>`,
      `<text class="soft" x="${left + barsWidth + 12}" y="${barTop + 28}">goal ${escapeXml(describeGoal(goal))} ${escapeXml(unit)}</text>`,
    );
  }
  return `<g>${parts.join('')}</g>`;
}

/** The verdict is said, not only shown by colour. */
function valueText(measurement: Measurement): string {
  const { value, unit } = measurement;
  const met = meetsGoal(measurement);
  return `${formatValue(value)} ${unit}${met === undefined ? '' : met ? ' ✔' : ' ✘ missed'}`;
}

/** Where the value stands: beside its bar, or higher when the goal is written below it. */
function goalLineShift(goal: Measurement['goal']): number {
  return goal === undefined ? 14 : 10;
}

function tolerance(goal: NonNullable<Measurement['goal']>): number {
  return goal.kind === 'near' ? goal.tolerance : 0;
}
