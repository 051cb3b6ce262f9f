// Requests for every call of a protocol, made from its description alone, with marks in every place that holds secrets: a
// call or a field that comes with the next version of the protocol is covered without anybody remembering.
import type { Field, Method, ReflectionObject, Root, Service, Type } from 'protobufjs/light.js';

/** How a request is spoilt, so that it is refused at different places. */
export type RequestShape = 'plain' | 'tokens in every map' | 'large secrets' | 'control characters';

export const requestShapes: readonly RequestShape[] = [
  'plain',
  'tokens in every map',
  'large secrets',
  'control characters',
];

/** Keys under which tokens come, or came in other drivers, in maps that are not marked as secret. */
const tokenKeys = [
  'csi.storage.k8s.io/serviceAccount.tokens',
  ...['token', 'password', 'apiKey', 'credentials', 'Authorization', 'private-key'],
];

export interface FilledRequest {
  readonly service: string;
  readonly method: Method;
  readonly path: string;
  readonly bytes: Buffer;
}

/** Values for fields by name that let a request get far; all else gets something of its type. */
export type KnownValues = Readonly<Record<string, unknown>>;

/** All services below a root. */
export function servicesOf(root: Root): Service[] {
  return withNested(root).filter((each): each is Service => 'methodsArray' in each);
}

/** All fields that the protocol marks with `(csi_secret) = true`, as `Message.field`. */
export function secretFieldsOf(root: Root): string[] {
  return withNested(root)
    .filter((each): each is Type => 'fieldsArray' in each)
    .flatMap((type) => type.fieldsArray.filter(isSecret).map((field) => `${type.name}.${field.name}`));
}

/** A request for every method of every service. `mark` stands in every secret field. */
export function filledRequests(
  root: Root,
  mark: string,
  shape: RequestShape,
  known: KnownValues,
): FilledRequest[] {
  root.resolveAll();
  const secret = secretText(mark, shape);
  return servicesOf(root).flatMap((service) =>
    service.methodsArray.map((method) => {
      const type = method.resolvedRequestType;
      if (type === null) throw new TypeError(`${method.name} has no request`);
      const name = service.fullName.slice(1);
      const bytes = type.encode(type.fromObject(fill(type, { mark, shape, secret, known }, 0))).finish();
      return { service: name, method, path: `/${name}/${method.name}`, bytes: Buffer.from(bytes) };
    }),
  );
}

function secretText(mark: string, shape: RequestShape): string {
  if (shape === 'large secrets') return mark.repeat(Math.ceil(6000 / mark.length));
  return shape === 'control characters' ? `${mark}\n\u202e${mark}\u0007` : mark;
}

interface Filling {
  readonly mark: string;
  readonly shape: RequestShape;
  readonly secret: string;
  readonly known: KnownValues;
}

const deepestMessage = 5;

function fill(type: Type, filling: Filling, depth: number): Record<string, unknown> {
  const filled: Record<string, unknown> = {};
  for (const field of type.fieldsArray) {
    // Of a oneof only one can be set.
    if (field.partOf !== null && field.partOf.fieldsArray[0] !== field) continue;
    const value = fillingOf(field.resolve(), filling, depth);
    if (value !== undefined) filled[field.name] = field.repeated ? [value] : value;
  }
  return filled;
}

function fillingOf(field: Field, filling: Filling, depth: number): unknown {
  const { secret, known, mark, shape } = filling;
  if (isSecret(field)) return field.map ? { [`key-${mark}`]: secret } : secret;
  const given = known[field.name];
  if (field.map) {
    // A context that no earlier call has given is refused before anything else.
    if (shape === 'plain' && given === undefined) return {};
    const tokens = shape === 'tokens in every map' ? tokenKeys : tokenKeys.slice(0, 1);
    return { ...(given as object), ...Object.fromEntries(tokens.map((key) => [key, secret])) };
  }
  if (given !== undefined) return given;
  const inner = field.resolvedType;
  if (inner !== null && 'fieldsArray' in inner)
    return depth < deepestMessage ? fill(inner, filling, depth + 1) : undefined;
  if (inner !== null || field.type === 'bool') return 1;
  return field.type === 'string' ? 'x' : undefined;
}

function isSecret(field: Field): boolean {
  return field.options?.['(csi_secret)'] === true;
}

function withNested(object: ReflectionObject): ReflectionObject[] {
  const nested = 'nestedArray' in object ? (object.nestedArray as ReflectionObject[]) : [];
  return [object, ...nested.flatMap(withNested)];
}
