// Makes the tables of docs/reference.md out of what the driver itself goes by: the table of class parameters, the CRDs and the
// registered metrics. Run it to write the page; test/reference-docs.test.ts fails while the two differ.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Registry } from 'prom-client';
import { parse } from 'yaml';
import { addApiMetrics } from '../src/observe/api-metrics.ts';
import { addClusterMetrics } from '../src/observe/cluster-metrics.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { parameterDescriptions } from '../src/volumes/class-parameters.ts';
import { projectRoot } from './run-tool.ts';

export const referencePath = path.join(projectRoot, 'docs/reference.md');
const crdFolder = path.join(projectRoot, 'charts/famfs-csi/files/crds');

/** Of a CRD's structural schema: what the page tells. */
interface Schema {
  readonly type: string;
  readonly description?: string;
  readonly format?: string;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly default?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly 'x-kubernetes-validations'?: readonly { readonly message: string; readonly fieldPath?: string }[];
}

interface CustomResourceDefinition {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

/** A page with the tables between its marks made anew; what stands elsewhere is left as it is. */
export function withReferenceTables(page: string): string {
  const sections = referenceSections();
  const found = new Set<string>();
  const text = page.replaceAll(
    /(<!-- generated: ([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_match, begin: string, name: string, end: string) => {
      const section = sections.get(name);
      if (section === undefined)
        throw new Error(`docs/reference.md has a mark for ${name}, which nothing makes`);
      found.add(name);
      return `${begin}\n${section}\n\n${end}`;
    },
  );
  const missing = [...sections.keys()].filter((name) => !found.has(name));
  if (missing.length > 0) throw new Error(`docs/reference.md has no mark for ${missing.join(', ')}`);
  return text;
}

/** The generated parts of the page by the names of their marks. */
function referenceSections(): ReadonlyMap<string, string> {
  const kinds = readdirSync(crdFolder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => parse(readFileSync(path.join(crdFolder, name), 'utf8')) as CustomResourceDefinition)
    .map((crd) => [crd.spec.names.kind, kindSection(crd)] as const);
  const { metrics, ofProcess } = metricSections();
  return new Map([
    ['class-parameters', parameterTable()],
    ...kinds,
    ['metrics', metrics],
    ['process-metrics', ofProcess],
  ]);
}

function parameterTable(): string {
  const rows = parameterDescriptions.map(({ key, value, fallback, meaning }) => [
    `\`${key}\``,
    value,
    fallback,
    meaning,
  ]);
  return table(['parameter', 'value', 'when left out', 'meaning'], rows);
}

function kindSection({ spec: { names, versions } }: CustomResourceDefinition): string {
  const schema = versions[0]?.schema.openAPIV3Schema;
  if (schema === undefined) throw new Error(`the CRD of ${names.kind} has no version`);
  const rows = fieldsOf(schema, '').filter(([name]) => !/^`(?:apiVersion|kind|metadata)`$/.test(name ?? ''));
  const rules = rulesOf(schema, '');
  const refusals =
    rules.length === 0
      ? ''
      : `\n\nThe API server holds it to these rules, and answers with them:\n\n${rules.join('\n')}`;
  return table(['field', 'type', 'needed', 'meaning'], rows) + refusals;
}

/** A row for each field below a schema. Conditions are alike everywhere and have a table of their own. */
function fieldsOf(schema: Schema, prefix: string): string[][] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = prefix + key;
    const needed =
      field.default !== undefined ? `no: \`${field.default}\`` : required.has(key) ? 'yes' : 'no';
    const row = [`\`${name}\``, typeOf(field), needed, field.description ?? ''];
    if (key === 'conditions') return [row];
    const { items } = field;
    return [row, ...(items === undefined ? fieldsOf(field, `${name}.`) : fieldsOf(items, `${name}[].`))];
  });
}

function typeOf({ type, format, pattern, enum: words, minimum, maximum, items }: Schema): string {
  if (words !== undefined) return words.map((word) => `\`${word}\``).join(', ');
  if (type === 'array') return `list of ${items === undefined ? 'anything' : typeOf(items)}`;
  if (format === 'date-time') return 'time';
  if (pattern?.endsWith('([KMGTPE]i)?$') === true) return 'quantity';
  if (pattern?.startsWith('^[0-9a-f]{8}-') === true) return 'UUID';
  if (type !== 'integer') return type;
  return maximum === undefined ? 'integer' : `integer, ${minimum ?? 0} to ${maximum}`;
}

/** What the API server says when it refuses an object. */
function rulesOf(schema: Schema, name: string): string[] {
  const own = (schema['x-kubernetes-validations'] ?? []).map(({ message, fieldPath = '' }) => {
    const place = `${name}${fieldPath}`.replace(/^\./, '');
    return `- ${place === '' ? '' : `\`${place}\`: `}${message}`;
  });
  const below = Object.entries(schema.properties ?? {}).flatMap(([key, field]) =>
    rulesOf(field, `${name}.${key}`),
  );
  return [...own, ...below, ...(schema.items === undefined ? [] : rulesOf(schema.items, `${name}[]`))];
}

/** What prom-client keeps of a metric and does not declare. */
interface RegisteredMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames?: readonly string[];
}

function metricSections(): { readonly metrics: string; readonly ofProcess: string } {
  const metrics = new Metrics({ role: 'reference', version: '0' });
  addApiMetrics(metrics.registry, { requests: () => [], lastSeenMs: () => ({}) });
  const none = (): readonly [] => [];
  const figures = { pools: none, poolConditions: none, nodeConditions: none, nodePools: none };
  addClusterMetrics(metrics.registry, figures);
  const own = registered(metrics.registry);
  const others = new Metrics({ role: 'reference', version: '0' });
  const before = new Set(registered(others.registry).map(({ name }) => name));
  others.addProcessMetrics();
  const added = registered(others.registry).filter(({ name }) => !before.has(name));
  others.registry.clear();
  return { metrics: metricTable(own), ofProcess: metricTable(added) };
}

function registered(registry: Registry): readonly RegisteredMetric[] {
  return registry.getMetricsAsArray() as unknown as readonly RegisteredMetric[];
}

function metricTable(metrics: readonly RegisteredMetric[]): string {
  const rows = metrics.map(({ name, type, labelNames = [], help }) => [
    `\`${name}\``,
    type,
    labelNames.map((label) => `\`${label}\``).join(', '),
    help,
  ]);
  return table(['metric', 'type', 'labels', 'meaning'], rows);
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cellText).join(' | ')} |`;
  return [line(heads), `|${' --- |'.repeat(heads.length)}`, ...rows.map(line)].join('\n');
}

function cellText(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim();
}

if (import.meta.main) writeFileSync(referencePath, withReferenceTables(readFileSync(referencePath, 'utf8')));
