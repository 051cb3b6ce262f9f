// Everything that is made of the chart: its schema, its list of values, and what it renders to for each file of values.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { projectRoot } from '../run-tool.ts';
import { type RenderedObject, renderChart } from './helm.ts';
import { readSettings } from './values-comments.ts';
import { withValueList } from './values-page.ts';
import { valuesSchema } from './values-schema.ts';

const folder = 'charts/famfs-csi';

/** Files of values that stand for the ways in which the chart is used, by name: charts/famfs-csi/ci/NAME-values.yaml. */
export const valueSets = ['default', 'least', 'full', 'simulator'] as const;

export function valueFile(name: string): string {
  return path.join(projectRoot, folder, `ci/${name}-values.yaml`);
}

/** Texts by path from the project's root: those made of values.yaml alone. */
export function valueFiles(): ReadonlyMap<string, string> {
  const read = (name: string): string => readFileSync(path.join(projectRoot, folder, name), 'utf8');
  const settings = readSettings(read('values.yaml'));
  return new Map([
    [`${folder}/values.schema.json`, valuesSchema(settings)],
    [`${folder}/README.md`, withValueList(read('README.md'), settings)],
  ]);
}

/** What the chart renders to, a file for each set of values; without the API kinds, which are in files/crds as they are. */
export function goldenFiles(): ReadonlyMap<string, string> {
  return new Map(valueSets.map((name) => [`${folder}/ci/golden/${name}.yaml`, golden(name)]));
}

function golden(name: string): string {
  const objects = renderChart({ valueFiles: [valueFile(name)] })
    .filter(({ kind }) => kind !== 'CustomResourceDefinition')
    .sort((left, right) => (nameOf(left) < nameOf(right) ? -1 : 1));
  const head = `# What the chart renders to with ci/${name}-values.yaml. Made by \`npm run chart -- --write\`.\n`;
  return head + objects.map((object) => `---\n${stringify(object, { lineWidth: 0 })}`).join('');
}

function nameOf({ kind, metadata: { namespace = '', name } }: RenderedObject): string {
  return `${kind} ${namespace}/${name}`;
}
