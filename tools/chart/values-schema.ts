// Makes values.schema.json out of values.yaml and its comments: closed, and with a description of everything.

import { valueTypes } from './value-types.ts';
import type { Setting } from './values-comments.ts';

type Schema = Readonly<Record<string, unknown>>;

/** The text of values.schema.json. */
export function valuesSchema(settings: readonly Setting[]): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart famfs-csi',
    description: 'Made from values.yaml by `npm run chart -- --write`.',
    ...groupSchema(settings),
    $defs: valueTypes,
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

function groupSchema(settings: readonly Setting[]): Schema {
  return {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(settings.map((setting) => [setting.key, schemaOf(setting)])),
  };
}

function schemaOf({ description, schema, value, settings, path }: Setting): Schema {
  const own = settings === undefined ? typeOf(value, schema, path) : groupSchema(settings);
  return { description, ...own, ...schema };
}

/** From the default, unless the comment tells it. */
function typeOf(value: unknown, schema: Schema, path: string): Schema {
  if (schema.$ref !== undefined || schema.enum !== undefined || schema.type !== undefined) return {};
  if (Array.isArray(value) && schema.items !== undefined) return { type: 'array' };
  if (typeof value === 'boolean' || typeof value === 'string') return { type: typeof value };
  if (typeof value === 'number') return { type: Number.isInteger(value) ? 'integer' : 'number' };
  throw new Error(`values.yaml does not tell what ${path} may be; say so by a line "@schema" above it`);
}
