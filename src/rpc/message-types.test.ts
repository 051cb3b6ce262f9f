// The types of the driver's own protocols, made one by one, against the same made all at once; and what a name stands for.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import protobuf, { type IMapField } from 'protobufjs/light.js';
import csi from '../csi/generated/csi.js';
import registration from '../kubelet/generated/registration.js';
import mounter from '../mounter/generated/mounter.js';
import { serviceType } from './codec.ts';
import {
  type Description,
  describedEnum,
  describedService,
  fullNameOf,
  MessageTypes,
} from './message-types.ts';

const services: readonly { readonly description: Description; readonly service: string }[] = [
  { description: csi, service: 'csi.v1.Identity' },
  { description: csi, service: 'csi.v1.Controller' },
  { description: csi, service: 'csi.v1.Node' },
  { description: mounter, service: 'famfs.mounter.v1.Mounter' },
  { description: registration, service: 'pluginregistration.Registration' },
];

function messagesOf(description: Description, service: string): string[] {
  return Object.values(describedService(description, service).methods)
    .flatMap(({ requestType, responseType }) => [requestType, responseType])
    .map((name) => fullNameOf(description, name, service));
}

/** Everything that a message type holds, as protobufjs has resolved it. */
function resolved(type: protobuf.Type, seen = new Set<string>()): object {
  if (seen.has(type.fullName)) return { again: type.fullName };
  seen.add(type.fullName);
  return type.fieldsArray.map((field) => {
    const { name, id, repeated, required, map, options, typeDefault, partOf, resolvedType } = field.resolve();
    const isPacked = field.packed;
    const own = { name, id, type: field.type, repeated, required, map, options, typeDefault, isPacked };
    const inner =
      resolvedType === null
        ? 'plain'
        : 'fieldsArray' in resolvedType
          ? resolved(resolvedType, seen)
          : { enum: resolvedType.fullName, values: { ...resolvedType.values } };
    return { ...own, oneof: partOf?.name, inner };
  });
}

describe('message types that are made when they are asked for', () => {
  for (const { description, service } of services) {
    it(`are those of the whole protocol: ${service}`, () => {
      const whole = protobuf.Root.fromJSON(description);
      const names = messagesOf(description, service);
      assert.ok(names.length > 0);
      const shared = new MessageTypes(description);
      for (const name of names) {
        const expected = resolved(whole.lookupType(name));
        assert.deepEqual(resolved(shared.get(name)), expected, name);
        assert.deepEqual(resolved(new MessageTypes(description).get(name)), expected, `${name} alone`);
        assert.equal(shared.get(name), shared.get(name), 'it is made once');
      }
    });

    it(`are named as in the whole protocol: ${service}`, () => {
      const whole = protobuf.Root.fromJSON(description).lookupService(service);
      const { methods } = serviceType<Record<string, { path: string }>>(description, service);
      assert.deepEqual(
        Object.values(methods).map(({ name, path, responseStream, request, response }) => {
          return { name, path, responseStream, request: request.name, response: response.name };
        }),
        whole.methodsArray.map((method) => ({
          name: method.name,
          path: `/${service}/${method.name}`,
          responseStream: method.responseStream === true,
          request: method.resolvedRequestType?.name,
          response: method.resolvedResponseType?.name,
        })),
      );
    });
  }
});

/** A field that is a map. */
const counts: IMapField = { keyType: 'string', type: 'Sibling', id: 5 };

/** `Inner` is described twice; what it stands for depends on where it is said. */
const scoped: Description = {
  nested: {
    p: {
      nested: {
        Inner: { values: { OUTER: 0 } },
        Outer: {
          fields: {
            near: { type: 'Inner', id: 1 },
            far: { type: '.p.Inner', id: 2 },
            sibling: { type: 'Sibling', id: 3 },
            named: { type: 'Sibling.Deep', id: 4 },
            counts,
          },
          nested: { Inner: { values: { NEAR: 7 } } },
        },
        Sibling: {
          fields: { back: { type: 'Outer', id: 1 } },
          nested: { Deep: { fields: { inner: { type: 'Inner', id: 1 } } } },
        },
        Broken: { fields: { lost: { type: 'Nowhere', id: 1 } } },
        Calls: { methods: { Do: { requestType: 'Outer', responseType: 'Nowhere' } } },
      },
    },
  },
};

describe('a name in a protocol', () => {
  it('stands for what is innermost, unless it begins with a dot', () => {
    const outer = new MessageTypes(scoped).get('p.Outer');
    const nameOf = (field: string) => outer.fields[field]?.resolve().resolvedType?.fullName;
    assert.deepEqual(['near', 'far', 'sibling', 'named', 'counts'].map(nameOf), [
      '.p.Outer.Inner',
      '.p.Inner',
      '.p.Sibling',
      '.p.Sibling.Deep',
      '.p.Sibling',
    ]);
    assert.equal(fullNameOf(scoped, 'Inner', 'p.Outer'), 'p.Outer.Inner');
    assert.equal(fullNameOf(scoped, 'Inner', 'p.Sibling.Deep'), 'p.Inner');
  });

  it('can be of something inside of a message, which is made with it', () => {
    const deep = new MessageTypes(scoped).get('p.Sibling.Deep');
    assert.equal(deep.fields.inner?.resolve().resolvedType?.fullName, '.p.Inner');
  });

  it('of an enum gives its numbers', () => {
    assert.deepEqual(describedEnum(scoped, 'p.Outer.Inner'), { NEAR: 7 });
  });

  it('that nothing has is an error that tells it', () => {
    const error = { name: 'TypeError', message: /does not describe .*Nowhere/ };
    const types = new MessageTypes(scoped);
    assert.throws(() => types.get('p.Broken'), error);
    assert.throws(() => types.get('p.Nowhere'), error);
    assert.throws(() => serviceType(scoped, 'p.Calls'), error);
    assert.throws(() => serviceType(scoped, 'p.Nowhere'), error);
    assert.throws(() => describedEnum(scoped, 'p.Outer.Nowhere'), error);
    for (const wrong of ['p', 'p.Outer', 'constructor', 'p.constructor', 'p.Outer.__proto__'])
      assert.throws(() => describedService(scoped, wrong), { name: 'TypeError' });
  });
});
