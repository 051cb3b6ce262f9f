// What all pictures of the benchmark have in common: a page that reads on light and on dark, its title, its colours.

export const pageWidth = 760;
export const pageLeft = 24;

/** Colours of curves, on light and on dark pages; each also has a mark of its own for those who see few colours. */
export const curveColours = [
  { light: '#2f6db5', dark: '#7ba6df' },
  { light: '#b5651d', dark: '#e0a05c' },
  { light: '#2f7d5b', dark: '#4fb588' },
  { light: '#8a4fa3', dark: '#c193d6' },
] as const;

/** An SVG document with a title, a line below it that says on which machine, and what is drawn from `y` 76 on. */
export function svgPage(title: string, subtitle: string, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${pageWidth} ${height}" width="${pageWidth}" height="${height}" role="img" aria-label="${escapeXml(title)}">
<style>
  text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2933 }
  .page { fill: #ffffff } .track { fill: #eef1f4 } .soft { fill: #66727f; font-size: 12px } .where { fill: #66727f; font-size: 11px }
  .title { font-size: 18px; font-weight: 600 } .name { font-size: 13px } .value { font-size: 14px; font-weight: 600 }
  .met { fill: #2f7d5b } .missed { fill: #c2483d } .plain { fill: #4a78b5 } .goal { stroke: #1f2933 }
  .grid { stroke: #dde2e7; stroke-width: 1 }
${curveColours.map(({ light }, index) => `  ${curveStyle(index, light)}`).join('\n')}
  @media (prefers-color-scheme: dark) {
    text { fill: #e6eaee } .page { fill: #14181d } .track { fill: #262d35 } .soft, .where { fill: #9aa6b2 }
    .met { fill: #4fb588 } .missed { fill: #e5776c } .plain { fill: #7ba6df } .goal { stroke: #e6eaee }
    .grid { stroke: #323a43 }
${curveColours.map(({ dark }, index) => `    ${curveStyle(index, dark)}`).join('\n')}
  }
</style>
<rect class="page" width="${pageWidth}" height="${height}" rx="8"/>
<text class="title" x="${pageLeft}" y="34">${escapeXml(title)}</text>
<text class="where" x="${pageLeft}" y="54">${escapeXml(subtitle)}</text>
${content}
</svg>
`;
}

function curveStyle(index: number, colour: string): string {
  return `.line${index} { stroke: ${colour} } .dot${index} { fill: ${colour} }`;
}

/** A coordinate as short as it can be without being seen. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Text for markup: what a person wrote is shown, never obeyed. */
export function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' };
  return text.replace(/[&<>"]/g, (character) => `&${names[character]};`);
}
