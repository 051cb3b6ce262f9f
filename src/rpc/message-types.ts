// The message types of a protocol, made of its description when they are first asked for: a process speaks few of the
// messages that its protocols have, and all of them would be a good part of its start. Knows no protocol.
import protobuf, {
  type IEnum,
  type INamespace,
  type IService,
  type IType,
  type Type,
} from 'protobufjs/light.js';

/** A protocol as protobufjs writes it down in JSON: what the modules in `generated/` hold. */
export type Description = INamespace;

type Described = NonNullable<INamespace['nested']>[string];

/** A full name, part by part. */
type Place = readonly string[];

/** The types of one protocol. Each is made once, with those of its fields. */
export class MessageTypes {
  readonly #description: Description;
  readonly #root = new protobuf.Root();
  readonly #made = new Set<string>();

  constructor(description: Description) {
    this.#description = description;
  }

  /**
   * The type of a message, by its full name.
   * @throws TypeError when it, or a message in it, is not described
   */
  get(fullName: string): Type {
    this.#make(fullName.split('.'));
    return this.#root.resolveAll().lookupType(fullName);
  }

  /** What is declared inside of a message is made with it. */
  #make(place: Place): void {
    const outermost = outermostOf(this.#description, place);
    const fullName = outermost.join('.');
    if (this.#made.has(fullName)) return;
    this.#made.add(fullName);
    const described = describedAt(this.#description, outermost);
    if (described === undefined) throw notDescribed(fullName);
    const name = outermost.at(-1) ?? '';
    this.#root.define(outermost.slice(0, -1)).addJSON({ [name]: described });
    for (const inner of typesIn(this.#description, outermost, described)) this.#make(inner);
  }
}

/**
 * The description of a service, by its full name.
 * @throws TypeError when there is none
 */
export function describedService(description: Description, fullName: string): IService {
  const described = describedAt(description, fullName.split('.'));
  if (described === undefined || !isService(described)) throw notDescribed(fullName);
  return described;
}

/**
 * The numbers of an enum, by its full name.
 * @throws TypeError when there is none
 */
export function describedEnum(description: Description, fullName: string): Readonly<Record<string, number>> {
  const described = describedAt(description, fullName.split('.'));
  if (described === undefined || !isEnum(described)) throw notDescribed(fullName);
  return described.values;
}

/**
 * The full name that a name stands for inside of another one: the innermost scope counts, as in a proto file.
 * @throws TypeError when nothing of that name is described
 */
export function fullNameOf(description: Description, name: string, scope: string): string {
  return placeOf(description, name, scope.split('.')).join('.');
}

function placeOf(description: Description, name: string, scope: Place): Place {
  const parts = name.split('.');
  if (parts[0] === '') return parts.slice(1);
  for (let depth = scope.length; depth >= 0; depth -= 1) {
    const place = [...scope.slice(0, depth), ...parts];
    if (describedAt(description, place) !== undefined) return place;
  }
  throw notDescribed(name);
}

function describedAt(description: Description, place: Place): Described | undefined {
  let found: Described | undefined = description;
  for (const part of place) {
    const nested: INamespace['nested'] = found !== undefined && 'nested' in found ? found.nested : undefined;
    found = nested !== undefined && Object.hasOwn(nested, part) ? nested[part] : undefined;
  }
  return found;
}

/** The message or enum that lies in a package itself, and holds what is at that place. */
function outermostOf(description: Description, place: Place): Place {
  for (let length = 1; length < place.length; length += 1) {
    const outer = place.slice(0, length);
    const described = describedAt(description, outer);
    if (described !== undefined && (isType(described) || isEnum(described))) return outer;
  }
  return place;
}

/** The messages and enums that the fields of a message hold, and of those inside of it. */
function typesIn(description: Description, place: Place, described: Described): Place[] {
  if (!isType(described)) return [];
  const ofFields = Object.values(described.fields)
    .filter(({ type }) => !Object.hasOwn(protobuf.types.basic, type))
    .map(({ type }) => placeOf(description, type, place));
  const ofNested = Object.entries(described.nested ?? {}).flatMap(([name, nested]) =>
    typesIn(description, [...place, name], nested),
  );
  return [...ofFields, ...ofNested];
}

function isType(described: Described): described is IType {
  return 'fields' in described;
}

function isEnum(described: Described): described is IEnum {
  return 'values' in described;
}

function isService(described: Described): described is IService {
  return 'methods' in described;
}

function notDescribed(name: string): TypeError {
  return new TypeError(`the protocol does not describe ${name}`);
}
