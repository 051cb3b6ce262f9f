// Makes the list of values in the chart's README.md out of values.yaml and its comments.

import { valueTypes } from './value-types.ts';
import type { Setting } from './values-comments.ts';

const begin = '<!-- generated: values -->\n';
const end = '<!-- end -->';

/** The page with the list between its marks made anew. @throws Error when it has no marks */
export function withValueList(page: string, settings: readonly Setting[]): string {
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error(`the page lacks the marks ${begin}and ${end}`);
  return `${before}${begin}\n${valueList(settings)}\n\n${end}${after}`;
}

/** A section for each group of the top, and one for what stands alone. */
function valueList(settings: readonly Setting[]): string {
  const groups = settings.filter((setting) => setting.settings !== undefined);
  const alone = settings.filter((setting) => setting.settings === undefined);
  return [
    ['### General', table(alone)],
    ...groups.map(({ key, description, settings: inside = [] }) => [
      `### ${key}`,
      description,
      table(leaves(inside)),
    ]),
    ...['pool', 'storageClass'].map((name) => [`### An entry of \`${listOf(name)}\``, fieldTable(name)]),
  ]
    .flat()
    .join('\n\n');
}

function listOf(type: string): string {
  return type === 'pool' ? 'pools' : 'storageClasses';
}

/** What can be set; a group inside a group is told by its settings. */
function leaves(settings: readonly Setting[]): readonly Setting[] {
  return settings.flatMap((setting) =>
    setting.settings === undefined ? [setting] : leaves(setting.settings),
  );
}

function table(settings: readonly Setting[]): string {
  const rows = settings.map(({ path, value, description, schema }) => {
    const choices = Array.isArray(schema.enum) ? schema.enum.filter((word) => word !== '') : [];
    const words = choices.length === 0 ? '' : ` One of ${choices.map((word) => `\`${word}\``).join(', ')}.`;
    return row([`\`${path}\``, `\`${JSON.stringify(value)}\``, description + words]);
  });
  return [row(['value', 'default', 'meaning']), '| --- | --- | --- |', ...rows].join('\n');
}

interface Field {
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Field>>;
}

function fieldTable(type: string): string {
  const fields = (prefix: string, { properties = {} }: Field): string[] =>
    Object.entries(properties).flatMap(([key, field]) => {
      const words = field.enum?.map((word) => `\`${word}\``).join(', ');
      const meaning = `${field.description ?? ''}${words === undefined ? '' : ` One of ${words}.`}`;
      return [row([`\`${prefix}${key}\``, meaning]), ...fields(`${prefix}${key}.`, field)];
    });
  return [row(['field', 'meaning']), '| --- | --- |', ...fields('', valueTypes[type] as Field)].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
