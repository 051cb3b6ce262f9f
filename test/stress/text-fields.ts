// Every place of a message where a text can stand, found by reflection so that no field is forgotten. Knows no
// particular message.
import type { Field, Root, Service, Type } from 'protobufjs/light.js';
import { isMapField, messageTypeOf, type WireMessage, type WireValue } from './protobuf-wire.ts';

/** A place for a text: names of fields on the way to it; in a map `*key`, or the key whose value it is. */
export interface TextField {
  readonly steps: readonly string[];
  /** For messages and tables: the steps with dots. */
  readonly name: string;
}

/** The services of a package, each with its methods. */
export function servicesOf(root: Root, names: readonly string[]): Service[] {
  root.resolveAll();
  return names.map((name) => root.lookupService(name));
}

/**
 * The text fields of a message and of the messages in it. A map has a place for a key, and one for the value of each
 * key that `sample` has (of one key when it has none).
 */
export function textFieldsOf(type: Type, sample: WireMessage, above: readonly Type[] = []): TextField[] {
  if (above.includes(type)) return [];
  return type.fieldsArray.flatMap((field): TextField[] => {
    const inner = sample[field.name];
    if (isMapField(field)) {
      if (field.keyType !== 'string' || field.type !== 'string')
        throw new TypeError(`${field.fullName} is a map of a kind that no test knows yet`);
      const keys = Object.keys((inner ?? {}) as WireMessage);
      return ['*key', ...(keys.length === 0 ? ['any'] : keys)].map((key) => textField([field.name, key]));
    }
    if (field.type === 'string') return [textField([field.name])];
    const nested = messageTypeOf(field);
    if (nested === undefined) return [];
    return textFieldsOf(nested, messageIn(field, inner), [...above, type]).map(({ steps }) =>
      textField([field.name, ...steps]),
    );
  });
}

/** The message that a sample has in a field, the first one in a list; an empty one when it has none. */
function messageIn({ repeated }: Field, inner: WireValue | undefined): WireMessage {
  const one = repeated ? (inner as readonly WireValue[] | undefined)?.[0] : inner;
  return (one ?? {}) as WireMessage;
}

function textField(steps: readonly string[]): TextField {
  return { steps, name: steps.join('.') };
}

/** The sample with a text in the place of a field. */
export function withText(
  type: Type,
  sample: WireMessage,
  steps: readonly string[],
  text: Uint8Array,
): WireMessage {
  const [name = '', ...rest] = steps;
  const field = type.fields[name];
  if (field === undefined) throw new TypeError(`${type.fullName} has no field ${name}`);
  const inner = sample[name];
  if (isMapField(field))
    return { ...sample, [name]: mapWith((inner ?? {}) as WireMessage, rest[0] ?? '', text) };
  const nested = messageTypeOf(field);
  const value = nested === undefined ? text : withText(nested, messageIn(field, inner), rest, text);
  return { ...sample, [name]: field.repeated ? [value] : value };
}

function mapWith(map: WireMessage, key: string, text: Uint8Array): WireValue {
  const pairs: (readonly [WireValue, WireValue])[] = Object.entries(map).filter(([each]) => each !== key);
  return key === '*key' ? [...pairs, [text, 'x']] : [...pairs, [key, text]];
}
