// Protobuf messages as raw bytes, by the reflection of the generated code: for tests that send what no encoder would,
// such as strings that are not UTF-8. Knows no particular message.
import type { Field, FieldBase, MapField, Type } from 'protobufjs/light.js';

/** A message by its field names in lower camel case. A string may be given as bytes; a map also as pairs. */
export type WireMessage = { readonly [field: string]: WireValue };
export type WireValue =
  | string
  | number
  | boolean
  | bigint
  | Uint8Array
  | readonly WireValue[]
  | readonly (readonly [WireValue, WireValue])[]
  | WireMessage;

const wireTypes: Readonly<Record<string, 0 | 1 | 2 | 5>> = {
  ...{ string: 2, bytes: 2, double: 1, fixed64: 1, sfixed64: 1, float: 5, fixed32: 5, sfixed32: 5 },
};

export function varint(value: bigint | number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

export function tag(fieldNumber: number, wireType: number): Buffer {
  return varint((BigInt(fieldNumber) << 3n) | BigInt(wireType));
}

/** A field with its length in front. */
export function delimited(fieldNumber: number, content: Uint8Array): Buffer {
  return Buffer.concat([tag(fieldNumber, 2), varint(content.length), content]);
}

/** The bytes of a message; fields that are not given are not written, those that are given are, empty ones too. */
export function encodeWire(type: Type, message: WireMessage): Buffer {
  const parts = type.fieldsArray.flatMap((field) => {
    const value = message[field.name];
    if (value === undefined) return [];
    const resolved = field.resolve();
    if (isMapField(resolved)) return pairsOf(value).map((pair) => encodeEntry(resolved, pair));
    const values = resolved.repeated ? (value as readonly WireValue[]) : [value];
    return values.map((each) => encodeField(resolved.id, resolved.type, resolved.resolvedType, each));
  });
  return Buffer.concat(parts);
}

export function isMapField(field: FieldBase): field is MapField {
  return field.map;
}

/** The message type of a field, undefined for scalars and enums. */
export function messageTypeOf(field: Field): Type | undefined {
  const inner = field.resolve().resolvedType;
  return inner !== null && 'fieldsArray' in inner ? inner : undefined;
}

function pairsOf(value: WireValue): readonly (readonly [WireValue, WireValue])[] {
  return Array.isArray(value)
    ? (value as readonly (readonly [WireValue, WireValue])[])
    : Object.entries(value as WireMessage);
}

function encodeEntry(field: MapField, [key, value]: readonly [WireValue, WireValue]): Buffer {
  const entry = [
    encodeField(1, field.keyType, null, key),
    encodeField(2, field.type, field.resolvedType, value),
  ];
  return delimited(field.id, Buffer.concat(entry));
}

function encodeField(id: number, typeName: string, inner: Field['resolvedType'], value: WireValue): Buffer {
  if (typeof value === 'string') return delimited(id, Buffer.from(value));
  if (value instanceof Uint8Array) return delimited(id, value);
  if (inner !== null && 'fieldsArray' in inner) return delimited(id, encodeWire(inner, value as WireMessage));
  if ((wireTypes[typeName] ?? 0) !== 0)
    throw new TypeError(`no test has needed a field of type ${typeName} yet`);
  return Buffer.concat([tag(id, 0), varint(typeof value === 'bigint' ? value : Number(value))]);
}
