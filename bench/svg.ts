// Draws measurements as a bar chart that reads on light and on dark pages. Every bar has a scale of its own, since
// "sixty times" and "one, give or take 3 %" have no common one: what is compared is the bar with its goal.
import { describeGoal, formatValue, type Measurement, meetsGoal } from './measurement.ts';

const width = 760;
const top = 76;
const rowHeight = 56;
const barHeight = 18;
const left = 24;
const barsWidth = 560;

/** The whole chart as an SVG document. `subtitle` says on which machine. */
export function drawChart(title: string, subtitle: string, measurements: readonly Measurement[]): string {
  const height = top + measurements.length * rowHeight + 12;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(title)}">
<style>
  text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2933 }
  .page { fill: #ffffff } .track { fill: #eef1f4 } .soft { fill: #66727f; font-size: 12px }
  .title { font-size: 18px; font-weight: 600 } .name { font-size: 13px } .value { font-size: 14px; font-weight: 600 }
  .met { fill: #2f7d5b } .missed { fill: #c2483d } .plain { fill: #4a78b5 } .goal { stroke: #1f2933 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6eaee } .page { fill: #14181d } .track { fill: #262d35 } .soft { fill: #9aa6b2 }
    .met { fill: #4fb588 } .missed { fill: #e5776c } .plain { fill: #7ba6df } .goal { stroke: #e6eaee }
  }
</style>
<rect class="page" width="${width}" height="${height}" rx="8"/>
<text class="title" x="${left}" y="34">${escapeXml(title)}</text>
<text class="soft" x="${left}" y="54">${escapeXml(subtitle)}</text>
${measurements.map((measurement, index) => drawRow(measurement, top + index * rowHeight)).join('\n')}
</svg>
`;
}

function drawRow(measurement: Measurement, y: number): string {
  const { title, value, unit, goal } = measurement;
  const most = Math.max(value, goal === undefined ? 0 : goal.value + tolerance(goal)) * 1.1;
  const scale = (amount: number) => round(most > 0 ? (Math.max(0, amount) / most) * barsWidth : 0);
  const barTop = y + 18;
  const met = meetsGoal(measurement);
  const paint = met === undefined ? 'plain' : met ? 'met' : 'missed';
  const parts = [
    `<text class="name" x="${left}" y="${y + 10}">${escapeXml(title)}</text>`,
    `<rect class="track" x="${left}" y="${barTop}" width="${barsWidth}" height="${barHeight}" rx="3"/>`,
    `<rect class="${paint}" x="${left}" y="${barTop}" width="${scale(value)}" height="${barHeight}" rx="3"/>`,
    `<text class="value" x="${left + barsWidth + 12}" y="${barTop + goalLineShift(goal)}">${escapeXml(`${formatValue(value)} ${unit}`)}</text>`,
  ];
  if (goal !== undefined) {
    const x = left + scale(goal.value);
    parts.push(
      `<line class="goal" x1="${x}" x2="${x}" y1="${barTop - 4}" y2="${barTop + barHeight + 4}" stroke-width="2"/>`,
      `<text class="soft" x="${left + barsWidth + 12}" y="${barTop + 28}">goal ${escapeXml(describeGoal(goal))}</text>`,
    );
  }
  return `<g>${parts.join('')}</g>`;
}

/** Where the value stands: beside its bar, or higher when the goal is written below it. */
function goalLineShift(goal: Measurement['goal']): number {
  return goal === undefined ? 14 : 10;
}

function tolerance(goal: NonNullable<Measurement['goal']>): number {
  return goal.kind === 'near' ? goal.tolerance : 0;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' };
  return text.replace(/[&<>"]/g, (character) => `&${names[character]};`);
}
