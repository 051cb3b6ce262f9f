// Random requests that know the schema: good ones, nearly good ones, ones that no encoder would make, and noise. The same
// dice make the same requests. Knows messages by reflection only; what a good text is, it is told.
import type { Root, Type } from 'protobufjs/light.js';
import { hostileStrings } from '../hostile-strings.ts';
import type { Dice } from './dice.ts';
import {
  delimited,
  encodeWire,
  isMapField,
  messageTypeOf,
  tag,
  varint,
  type WireMessage,
  type WireValue,
} from './protobuf-wire.ts';
import { servicesOf } from './text-fields.ts';

export interface RandomRequest {
  /** What was done to it, such as truncated. */
  readonly kind: string;
  readonly rpc: string;
  readonly message: Buffer;
}

/** Texts that have a meaning to the server, by the names of fields; for maps by `field.key`. */
export type GoodTexts = Readonly<Record<string, readonly [string, ...string[]]>>;

/** Numbers that have a meaning to the server, by the names of fields. */
export type GoodNumbers = Readonly<Record<string, readonly [bigint, ...bigint[]]>>;

export interface RequestMakerOptions {
  readonly dice: Dice;
  readonly root: Root;
  /** Full names of services. */
  readonly services: readonly string[];
  /** Looked at for every request: what is good may change meanwhile. */
  readonly goodTexts: GoodTexts;
  readonly goodNumbers?: GoodNumbers;
  /** Calls that are made so many times as often as others, by name. */
  readonly timesMore?: Readonly<Record<string, number>>;
  /** How much rarer than usual something is wrong with a good request; for calls with many fields. */
  readonly care?: number;
}

/** Messages that this driver serves in no request: a good one mostly goes without them. */
const unserved: ReadonlySet<string> = new Set(['block', 'volumeContentSource']);

type Maker = (type: Type) => Buffer;

export class RequestMaker {
  readonly #dice: Dice;
  readonly #care: number;
  readonly #goodTexts: GoodTexts;
  readonly #goodNumbers: GoodNumbers;
  readonly #methods: [RpcType, ...RpcType[]];
  /** By name, as often as they are to be made. */
  readonly #makers: readonly (readonly [kind: string, weight: number, make: Maker])[] = [
    ['good', 40, (type) => encodeWire(type, this.#message(type, true))],
    ['odd', 20, (type) => encodeWire(type, this.#message(type, false))],
    ['mutated', 14, (type) => this.#mutated(encodeWire(type, this.#message(type, true)))],
    ['truncated', 8, (type) => this.#truncated(encodeWire(type, this.#message(type, true)))],
    ['extended', 8, (type) => this.#extended(encodeWire(type, this.#message(type, true)))],
    ['random fields', 6, () => this.#fields(this.#dice.below(12))],
    ['noise', 4, () => this.#noise(this.#dice.below(300))],
  ];

  constructor(options: RequestMakerOptions) {
    const { dice, root, services, goodTexts, goodNumbers = {}, timesMore = {}, care = 1 } = options;
    this.#dice = dice;
    this.#care = care;
    this.#goodTexts = goodTexts;
    this.#goodNumbers = goodNumbers;
    const methods = servicesOf(root, services).flatMap(({ fullName, methodsArray }) =>
      methodsArray.flatMap(({ name, resolvedRequestType: type }) =>
        type === null
          ? []
          : Array<RpcType>(timesMore[name] ?? 1).fill({
              rpc: `${fullName.replace(/^\./, '/')}/${name}`,
              type,
            }),
      ),
    );
    const [first, ...rest] = methods;
    if (first === undefined) throw new TypeError('these services have no methods');
    this.#methods = [first, ...rest];
  }

  next(): RandomRequest {
    const { rpc, type } = this.#dice.oneOf(this.#methods);
    let rest = this.#dice.below(this.#makers.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [kind, weight, make] of this.#makers) {
      rest -= weight;
      if (rest < 0) return { kind, rpc, message: make(type) };
    }
    throw new RangeError('the weights have changed');
  }

  /** A good message has all its fields, each most likely with a good text; an odd one has what the dice say. */
  #message(type: Type, good: boolean): WireMessage {
    const fields = type.fieldsArray.flatMap((field): [string, WireValue][] => {
      if (this.#slips(good, 12, 3)) return [];
      field.resolve();
      if (unserved.has(field.name) && !this.#slips(good, 30, 3)) return [];
      if (isMapField(field)) return [[field.name, this.#map(field.name, good)]];
      const one = (): WireValue => {
        const inner = messageTypeOf(field);
        if (inner !== undefined) return this.#message(inner, good);
        if (field.type === 'string') return this.#text(field.name, good);
        if (field.type === 'bool') return this.#dice.oneIn(2);
        return good && field.name === 'mode' ? this.#dice.below(8) : this.#numberOf(field.name, good);
      };
      if (!field.repeated) return [[field.name, one()]];
      // A list of messages that is empty is mostly no good one.
      const least = good && messageTypeOf(field) !== undefined ? 1 : 0;
      return [[field.name, Array.from({ length: least + this.#dice.below(good ? 2 : 4) }, one)]];
    });
    return Object.fromEntries(fields);
  }

  /** Whether something is to be wrong: in a good message once in so many times, in an odd one more often. */
  #slips(good: boolean, inGood: number, inOdd: number): boolean {
    return this.#dice.oneIn(good ? inGood * this.#care : inOdd);
  }

  #map(name: string, good: boolean): WireValue {
    const known = Object.keys(this.#goodTexts)
      .filter((key) => key.startsWith(`${name}.`))
      .map((key) => key.slice(name.length + 1));
    const pairs = known
      .filter(() => !this.#slips(good, 20, 3))
      .map((key): [WireValue, WireValue] => [key, this.#text(`${name}.${key}`, good)]);
    const more = this.#slips(good, 15, 2) ? this.#dice.below(3) + 1 : 0;
    for (let i = 0; i < more; i++) pairs.push([this.#oddText(), this.#oddText()]);
    return pairs;
  }

  #text(name: string, good: boolean): WireValue {
    const known = this.#goodTexts[name];
    if (known !== undefined && !this.#slips(good, 30, 2)) return this.#dice.oneOf(known);
    return good && known === undefined ? '' : this.#oddText();
  }

  #oddText(): WireValue {
    if (this.#dice.oneIn(3)) return this.#noise(this.#dice.below(40));
    const hostile = hostileStrings[this.#dice.below(hostileStrings.length)];
    // Long ones cost more than they find; the hostile strings have a test of their own.
    return hostile === undefined || hostile.bytes.length > 8192 ? 'x' : hostile.bytes;
  }

  #numberOf(name: string, good: boolean): bigint {
    const known = this.#goodNumbers[name];
    return known !== undefined && !this.#slips(good, 30, 2) ? this.#dice.oneOf(known) : this.#number();
  }

  #number(): bigint {
    const bits = this.#dice.below(65);
    const value = (BigInt(this.#dice.below(2 ** 32)) << 32n) | BigInt(this.#dice.below(2 ** 32));
    return BigInt.asIntN(64, value >> BigInt(64 - bits));
  }

  #noise(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#dice.below(256)));
  }

  #mutated(message: Buffer): Buffer {
    let bytes = message;
    for (let i = this.#dice.below(4); i >= 0; i--) {
      const at = this.#dice.below(bytes.length + 1);
      const cut = this.#dice.oneIn(2) ? at : Math.min(bytes.length, at + 1 + this.#dice.below(4));
      bytes = Buffer.concat([bytes.subarray(0, at), this.#noise(this.#dice.below(3)), bytes.subarray(cut)]);
    }
    return bytes;
  }

  #truncated(message: Buffer): Buffer {
    return message.subarray(0, this.#dice.below(message.length + 1));
  }

  /** A good message with fields it does not have, before it, behind it or in its middle. */
  #extended(message: Buffer): Buffer {
    const at = this.#dice.oneOf([0, message.length, this.#dice.below(message.length + 1)]);
    return Buffer.concat([
      message.subarray(0, at),
      this.#fields(1 + this.#dice.below(4)),
      message.subarray(at),
    ]);
  }

  /** Fields of any number and any wire type, the seven that exist and the one that does not. */
  #fields(count: number): Buffer {
    const fields = Array.from({ length: count }, () => {
      const number = this.#dice.oneIn(8) ? this.#dice.below(2 ** 29) : this.#dice.below(20);
      const wireType = this.#dice.below(8);
      const content = { 0: () => varint(this.#number()), 1: () => this.#noise(8), 5: () => this.#noise(4) };
      if (wireType === 2 && !this.#dice.oneIn(8)) return delimited(number, this.#noise(this.#dice.below(60)));
      const make = content[wireType as 0 | 1 | 5] ?? (() => this.#noise(this.#dice.below(12)));
      return Buffer.concat([tag(number, wireType), make()]);
    });
    return Buffer.concat(fields);
  }
}

interface RpcType {
  readonly rpc: string;
  readonly type: Type;
}
