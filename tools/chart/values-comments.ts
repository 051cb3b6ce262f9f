// Reads values.yaml with what its comments say of each setting. Knows the form of such a file, not what becomes of it.
import { isMap, isScalar, LineCounter, parse, parseDocument, type YAMLMap } from 'yaml';

/** A setting, or a group of them. */
export interface Setting {
  /** Such as `controller.provisioner.image.tag`. */
  readonly path: string;
  readonly key: string;
  /** What the comment above it says; one line. */
  readonly description: string;
  /** What a line `@schema` of that comment says. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly value: unknown;
  /** The settings of a group; undefined for what is one setting, whatever is in it. */
  readonly settings: readonly Setting[] | undefined;
}

/** @throws Error that names each setting without a comment */
export function readSettings(text: string): readonly Setting[] {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  if (document.errors.length > 0) throw new Error(`${document.errors[0]}`);
  if (!isMap(document.contents)) throw new Error('values.yaml is no mapping');
  const lines = text.split('\n');
  const commentAt = (offset: number): readonly string[] =>
    commentAbove(lines, lineCounter.linePos(offset).line);
  const settings = settingsOf(document.contents, '', commentAt);
  const silent = flatten(settings).filter(({ description }) => description === '');
  if (silent.length > 0)
    throw new Error(`values.yaml says nothing of ${silent.map(({ path }) => path).join(', ')}`);
  return settings;
}

/** Groups and settings, in the order of the file. */
export function flatten(settings: readonly Setting[]): readonly Setting[] {
  return settings.flatMap((setting) => [setting, ...flatten(setting.settings ?? [])]);
}

function settingsOf(
  map: YAMLMap,
  prefix: string,
  commentAt: (offset: number) => readonly string[],
): readonly Setting[] {
  return map.items.map(({ key, value }): Setting => {
    if (!isScalar(key) || key.range === undefined || key.range === null)
      throw new Error(`a key below ${prefix} is no word`);
    const comment = commentAt(key.range[0]);
    const path = `${prefix}${key.value}`;
    const schema = schemaIn(comment);
    const isGroup = isMap(value) && value.items.length > 0 && schema.$ref === undefined;
    return {
      path,
      key: String(key.value),
      description: comment.filter((line) => !line.startsWith('@schema')).join(' '),
      schema,
      value: isScalar(value) ? value.value : (value as YAMLMap).toJSON(),
      settings: isGroup ? settingsOf(value, `${path}.`, commentAt) : undefined,
    };
  });
}

/** The comment directly above a line, without the marks. */
function commentAbove(lines: readonly string[], line: number): readonly string[] {
  const found: string[] = [];
  for (let index = line - 2; index >= 0; index--) {
    const comment = /^\s*# ?(.*)$/.exec(lines[index] ?? '')?.[1];
    if (comment === undefined) break;
    found.unshift(comment);
  }
  return found;
}

function schemaIn(comment: readonly string[]): Readonly<Record<string, unknown>> {
  const text = comment.find((line) => line.startsWith('@schema'))?.replace(/^@schema\s*/, '');
  return text === undefined ? {} : parse(text.startsWith('{') ? text : text.trim());
}
