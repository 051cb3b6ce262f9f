// Messages and services out of the description of a protocol, typed from the generated declarations. A 64-bit field is
// a bigint on both sides, an unset message is null, an enum is its number. Knows no transport.
import type { Field, IMethod, Type } from 'protobufjs/light.js';
import { isConstant } from './constant-message.ts';
import {
  type Description,
  describedEnum,
  describedService,
  fullNameOf,
  MessageTypes,
} from './message-types.ts';

/** What a 64-bit field is declared as by the generated code. */
interface LongLike {
  getHighBits(): number;
}

/** Fields of a message; leaves out what the generated declarations add to it. */
type FieldName<M> = {
  [K in keyof M]-?: K extends '$unknowns' ? never : NonNullable<M[K]> extends () => unknown ? never : K;
}[keyof M];

type DecodedValue<V> = [Extract<V, LongLike>] extends [never]
  ? V extends string | number | boolean | Uint8Array
    ? V
    : V extends (infer E)[]
      ? Exclude<DecodedValue<NonNullable<E>>, null | undefined>[]
      : string extends keyof V
        ? Readonly<Record<string, Exclude<DecodedValue<V[string & keyof V]>, null | undefined>>>
        : Decoded<V> | null | undefined
  : bigint;

/** A message as handlers and callers read it: scalars, lists and maps always there, unset messages null. */
export type Decoded<M> = { [K in FieldName<M>]: DecodedValue<NonNullable<M[K]>> };

type EncodableValue<V> = [Extract<V, LongLike>] extends [never]
  ? V extends string | number | boolean | Uint8Array
    ? V
    : V extends (infer E)[]
      ? readonly Exclude<EncodableValue<NonNullable<E>>, null>[]
      : string extends keyof V
        ? Readonly<Record<string, EncodableValue<V[string & keyof V]>>>
        : Encodable<V> | null
  : bigint | number;

/** A message as it is written: any field may be left out. */
export type Encodable<M> = { readonly [K in FieldName<M>]?: EncodableValue<NonNullable<M[K]>> | undefined };

/** Methods of a generated service declaration, under their lower-camel names. */
export type MethodName<S> = {
  [K in keyof S]-?: S[K] extends { readonly path: string } ? K : never;
}[keyof S] &
  string;

/** The request and response messages of a method, as the declarations of the generated code know them. */
export type RequestOf<S, K extends keyof S> = S[K] extends (request: infer R) => Promise<unknown> ? R : never;
export type ResponseOf<S, K extends keyof S> = S[K] extends (request: never) => Promise<infer R> ? R : never;
/** Whether the method answers with a stream. */
export type IsStream<S, K extends keyof S> = S[K] extends { readonly responseStream: true } ? true : false;

/** One message type with its encoder and decoder. */
export interface Codec {
  readonly name: string;
  /** A `constantMessage` is encoded the first time; nobody may change the bytes. */
  encode(message: object): Buffer;
  /** Throws when the bytes are not such a message. */
  decode(bytes: Uint8Array): object;
  /** A copy for a log: not in it are fields marked csi_secret, and values in maps but those of known keys. */
  redact(message: object): object;
}

export interface MethodType {
  /** As in the proto file, such as NodePublishVolume. */
  readonly name: string;
  readonly path: string;
  readonly responseStream: boolean;
  readonly request: Codec;
  readonly response: Codec;
}

/** A service ready for a server or a client; `S` is the generated declaration of the service. */
export interface ServiceType<S> {
  readonly fullName: string;
  readonly methods: { readonly [K in MethodName<S>]: MethodType };
}

/**
 * Keys of maps whose values may be logged. The list is of what may, not of what must not: Kubernetes, and people, put
 * tokens into maps that no protocol marks as secret (CVE-2023-2878 and its kin), under keys that nobody can foresee.
 */
export type LoggedKeys = ReadonlySet<string>;

const noKeys: LoggedKeys = new Set();

/**
 * Looks a service up by its full name, such as `csi.v1.Node`. `S` is its generated class, which only exists as
 * a type: `serviceType<csi.v1.Node>(description, 'csi.v1.Node')`. The types of its messages are made when a method is
 * used for the first time.
 * @throws TypeError when the service, or a request or response of it, is not described
 */
export function serviceType<S>(
  description: Description,
  fullName: string,
  logged: LoggedKeys = noKeys,
): ServiceType<S> {
  const types = typesOf(description);
  const methods: Record<string, MethodType> = {};
  for (const [name, method] of Object.entries(describedService(description, fullName).methods)) {
    const codec = (message: string): Codec =>
      codecOf(types, fullNameOf(description, message, fullName), logged);
    methods[name.charAt(0).toLowerCase() + name.slice(1)] = methodType(`/${fullName}/${name}`, method, codec);
  }
  return { fullName, methods: methods as ServiceType<S>['methods'] };
}

/** The numbers of an enum: `enumType<typeof csi.v1.VolumeUsage.Unit>(description, 'csi.v1.VolumeUsage.Unit')`. */
export function enumType<E>(description: Description, fullName: string): Readonly<E> {
  return describedEnum(description, fullName) as Readonly<E>;
}

/** The codec of one message type, by its full name. */
export function messageType(description: Description, fullName: string): Codec {
  return codecOf(typesOf(description), fullNameOf(description, fullName, ''), noKeys);
}

/** Services of a protocol share the types of their messages. */
const typesByProtocol = new WeakMap<Description, MessageTypes>();

function typesOf(description: Description): MessageTypes {
  const before = typesByProtocol.get(description);
  if (before !== undefined) return before;
  const types = new MessageTypes(description);
  typesByProtocol.set(description, types);
  return types;
}

function methodType(path: string, method: IMethod, codec: (message: string) => Codec): MethodType {
  return {
    name: path.slice(path.lastIndexOf('/') + 1),
    path,
    responseStream: method.responseStream === true,
    request: codec(method.requestType),
    response: codec(method.responseType),
  };
}

const conversion = { longs: BigInt, defaults: true, oneofs: true } as const;

function codecOf(types: MessageTypes, fullName: string, logged: LoggedKeys): Codec {
  let made: Type | undefined;
  let redactor: Redactor | undefined;
  const encodedConstants = new WeakMap<object, Buffer>();
  const type = (): Type => {
    made ??= types.get(fullName);
    return made;
  };
  const encode = (message: object): Buffer => type().encode(type().fromObject(message)).finish() as Buffer;
  return {
    name: fullName.slice(fullName.lastIndexOf('.') + 1),
    encode: (message) => {
      if (!isConstant(message)) return encode(message);
      const bytes = encodedConstants.get(message) ?? encode(message);
      encodedConstants.set(message, bytes);
      return bytes;
    },
    decode: (bytes) => type().toObject(type().decode(bytes), conversion),
    redact: (message) => {
      redactor ??= redactorOf(type(), { logged, redactors: new Map() });
      return redactor(message as Record<string, unknown>);
    },
  };
}

type Redactor = (message: Record<string, unknown>) => object;

/** What redactors are made by. */
interface Redaction {
  readonly logged: LoggedKeys;
  /** Those made so far; a message can hold itself. */
  readonly redactors: Map<Type, Redactor>;
}

const withheld = '(withheld)';

/** Works out once which fields of a type (and of the messages in it) must not be logged. */
function redactorOf(type: Type, redaction: Redaction): Redactor {
  const before = redaction.redactors.get(type);
  if (before !== undefined) return before;
  const rules = new Map<string, (value: unknown) => unknown>();
  const redactor: Redactor = (message) =>
    Object.fromEntries(
      Object.entries(message).map(([key, value]) => {
        const rule = rules.get(key);
        return [key, rule === undefined || value === null || value === undefined ? value : rule(value)];
      }),
    );
  redaction.redactors.set(type, redactor);
  for (const field of type.fieldsArray) {
    const rule = redactionOf(field.resolve(), redaction);
    if (rule !== undefined) rules.set(field.name, rule);
  }
  return redactor;
}

function redactionOf(field: Field, redaction: Redaction): ((value: unknown) => unknown) | undefined {
  if (field.options?.['(csi_secret)'] === true) return () => withheld;
  if (field.map) return (value) => withKnownKeys(value as object, redaction.logged);
  const inner = field.resolvedType;
  if (inner === null || !('fieldsArray' in inner)) return undefined;
  const redact = redactorOf(inner, redaction);
  return (value) =>
    Array.isArray(value) ? value.map((item) => redact(item)) : redact(value as Record<string, unknown>);
}

function withKnownKeys(map: object, logged: LoggedKeys): object {
  return Object.fromEntries(
    Object.entries(map).map(([key, value]) => [key, logged.has(key) ? value : withheld]),
  );
}
