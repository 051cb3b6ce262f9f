import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { projectRoot } from '../run-tool.ts';
import { valueFiles } from './made-files.ts';
import { flatten, readSettings } from './values-comments.ts';
import { withValueList } from './values-page.ts';
import { valuesSchema } from './values-schema.ts';

const chart = path.join(projectRoot, 'charts/famfs-csi');
const settings = readSettings(readFileSync(path.join(chart, 'values.yaml'), 'utf8'));

interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly additionalProperties?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

/** Every schema of an object with named fields at or below one, by its place. */
function objectsBelow(schema: Schema, place: string): [string, Schema][] {
  const below = { ...schema.properties, ...schema.$defs, ...(schema.items && { items: schema.items }) };
  const own: [string, Schema][] = schema.properties === undefined ? [] : [[place, schema]];
  return [...own, ...Object.entries(below).flatMap(([key, each]) => objectsBelow(each, `${place}.${key}`))];
}

describe('the values of the chart', () => {
  for (const [file, text] of valueFiles()) {
    test(`are what ${path.basename(file)} says (npm run chart -- --write)`, () => {
      assert.equal(readFileSync(path.join(projectRoot, file), 'utf8'), text);
    });
  }

  test('are closed at every level but what is shared with other charts', () => {
    const schema: Schema = JSON.parse(valuesSchema(settings));
    const open = objectsBelow(schema, '').filter(([, each]) => each.additionalProperties !== false);
    assert.deepEqual(
      open.map(([place]) => place),
      ['.global'],
    );
  });

  test('are described, every one', () => {
    const schema: Schema = JSON.parse(valuesSchema(settings));
    const silent = objectsBelow(schema, '').flatMap(([place, { properties = {} }]) =>
      Object.entries(properties)
        .filter(([, { description }]) => (description ?? '').length < 5)
        .map(([key]) => `${place}.${key}`),
    );
    assert.deepEqual(silent, []);
  });

  test('are read by some template, every one', () => {
    const templates = globSync('templates/**/*', { cwd: chart, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), 'utf8'))
      .join('\n');
    const unread = flatten(settings)
      .filter(
        ({ key, settings: inside }) => inside === undefined && !new RegExp(`\\.${key}\\b`).test(templates),
      )
      .map(({ path: place }) => place);
    assert.deepEqual(unread, []);
  });

  test('without a comment are refused', () => {
    assert.throws(() => readSettings('# Yes.\na: 1\n\nb: 2\n'), /says nothing of b$/);
    assert.throws(() => readSettings('# A group.\na:\n  b: 2\n'), /says nothing of a\.b$/);
  });

  test('whose type cannot be told from the default are refused', () => {
    assert.throws(() => valuesSchema(readSettings('# What?\na: null\n')), /what a may be/);
    assert.throws(() => valuesSchema(readSettings('# What?\na: []\n')), /what a may be/);
  });

  test('are told with their defaults and choices in a page that has room for them', () => {
    const page = withValueList(
      'before\n<!-- generated: values -->\n<!-- end -->\nafter\n',
      readSettings("# How much.\n# @schema enum: ['', few, many]\namount: few\n"),
    );
    assert.match(page, /^before\n/);
    assert.match(page, /\| `amount` \| `"few"` \| How much\. One of `few`, `many`\. \|/);
    assert.match(page, /<!-- end -->\nafter\n$/);
    assert.throws(() => withValueList('no marks', settings), /lacks the marks/);
  });
});

describe('the metadata of the chart', () => {
  const metadata = parse(readFileSync(path.join(chart, 'Chart.yaml'), 'utf8'));
  const annotation = (name: string) => parse(metadata.annotations[`artifacthub.io/${name}`]);
  const values = parse(readFileSync(path.join(chart, 'values.yaml'), 'utf8'));

  test('names the version of the driver that it installs', () => {
    const { version } = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8'));
    assert.equal(metadata.appVersion, version);
  });

  test('names the images for Artifact Hub', () => {
    const { image, controller } = values;
    const { registry, repository, tag } = controller.provisioner.image;
    assert.deepEqual(
      annotation('images').map((each: { image: string }) => each.image),
      [`${image.registry}/${image.repository}:${metadata.appVersion}`, `${registry}/${repository}:${tag}`],
    );
  });

  test('names the API kinds for Artifact Hub, with examples that they take', () => {
    const crds = globSync('files/crds/*.yaml', { cwd: chart }).map((file) =>
      parse(readFileSync(path.join(chart, file), 'utf8')),
    );
    const told = annotation('crds') as { kind: string; name: string; version: string }[];
    assert.deepEqual(
      told.map(({ kind, name, version }) => `${kind} ${name} ${version}`).sort(),
      crds
        .map(({ metadata: { name }, spec }) => `${spec.names.kind} ${name} ${spec.versions[0].name}`)
        .sort(),
    );
    for (const { kind } of annotation('crdsExamples')) assert.ok(told.some((each) => each.kind === kind));
  });

  test('has the README, the schema and the notes that Helm and Artifact Hub look for', () => {
    for (const file of ['README.md', 'values.schema.json', 'templates/NOTES.txt'])
      assert.ok(existsSync(path.join(chart, file)), file);
  });
});
