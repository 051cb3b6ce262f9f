// Every text field of every call of the Controller service, with every hostile string: what is refused, what is taken and why, and
// that no volume, file or command comes of it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import protobuf, { type Method, type Type } from 'protobufjs/light.js';
import description from '../../src/csi/generated/csi.js';
import { type HostileString, hostileStrings } from '../hostile-strings.ts';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import { encodeWire, type WireMessage } from './protobuf-wire.ts';
import { RawGrpc } from './raw-grpc.ts';
import {
  assertPlainArguments,
  recordArguments,
  recordedCommands,
  wordsOfMakers,
} from './recorded-commands.ts';
import { type MadeVolume, StressedHost } from './stressed-host.ts';
import { servicesOf, type TextField, textFieldsOf, withText } from './text-fields.ts';
import { bytes, isVisible, opaqueId } from './text-rules.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

/** The answer to a text, undefined for INVALID_ARGUMENT; of a field in a map, with the size that the map has with it. */
type Rule = (text: string, mapBytes: number) => string | undefined;

const everyNthName = 6;
const parameters = { layout: 'files', fileCount: '1', fileMode: '0644' };
const claimKeys = { 'csi.storage.k8s.io/pvc/name': 'claim', 'csi.storage.k8s.io/pvc/namespace': 'team' };
const secret: Rule = (_text, mapBytes) => (mapBytes <= 4096 ? 'OK' : undefined);
const shown: Rule = (text, mapBytes) => (isVisible(text) ? secret(text, mapBytes) : undefined);
const emptyOnly: Rule = (text) => (text === '' ? 'OK' : undefined);
const token: Rule = (text) => (text === '' ? 'OK' : 'ABORTED');
const poolNames =
  (answer: string): Rule =>
  (text, mapBytes) =>
    shown(text, mapBytes) === 'OK' &&
    text.split(',').every((name) => /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(name.trim()))
      ? answer
      : undefined;
const foreignKey: Rule = (text, mapBytes) =>
  text.startsWith('csi.storage.k8s.io/') ? shown(text, mapBytes) : undefined;
const claimName =
  (pattern: RegExp): Rule =>
  (text) =>
    pattern.test(text) ? 'OK' : undefined;

/** By call and field; a field without a rule takes no hostile text at all. */
function rulesFor(pool: string): Readonly<Record<string, Rule>> {
  const key = `topology.famfs.io/pool-${pool}`;
  const ofCapability = (call: string, rule: Rule): Record<string, Rule> => ({
    [`${call} volumeCapabilities.mount.fsType`]: rule,
    [`${call} volumeCapabilities.mount.volumeMountGroup`]: rule,
  });
  return {
    // Far more than there is room for, so that a name that is taken makes nothing.
    'CreateVolume name': (text) => (isName(text) ? 'RESOURCE_EXHAUSTED' : undefined),
    ...ofCapability('CreateVolume', emptyOnly),
    'CreateVolume parameters.*key': foreignKey,
    // The volume that has this name is in another pool.
    'CreateVolume parameters.pool': poolNames('ALREADY_EXISTS'),
    'CreateVolume parameters.csi.storage.k8s.io/pvc/name': claimName(
      /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
    ),
    'CreateVolume parameters.csi.storage.k8s.io/pvc/namespace': claimName(
      /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    ),
    'CreateVolume secrets.*key': secret,
    'CreateVolume secrets.any': secret,
    'CreateVolume accessibilityRequirements.requisite.segments.*key': shown,
    // Any value but "true" takes the pool away.
    [`CreateVolume accessibilityRequirements.requisite.segments.${key}`]: (text, mapBytes) =>
      shown(text, mapBytes) === 'OK' ? 'ALREADY_EXISTS' : undefined,
    'CreateVolume accessibilityRequirements.preferred.segments.*key': shown,
    [`CreateVolume accessibilityRequirements.preferred.segments.${key}`]: shown,
    'DeleteVolume volumeId': opaqueOf('OK'),
    'DeleteVolume secrets.*key': secret,
    'DeleteVolume secrets.any': secret,
    'ValidateVolumeCapabilities volumeId': opaqueOf('NOT_FOUND'),
    // What is not served is an answer here, and no error.
    ...ofCapability('ValidateVolumeCapabilities', () => 'OK'),
    'ValidateVolumeCapabilities volumeCapabilities.mount.mountFlags': () => 'OK',
    ...Object.fromEntries(
      ['*key', 'pool', 'any', ...Object.keys(parameters), ...Object.keys(claimKeys)].flatMap((each) =>
        ['volumeContext', 'parameters', 'mutableParameters'].map((map) => [
          `ValidateVolumeCapabilities ${map}.${each}`,
          shown,
        ]),
      ),
    ),
    'ValidateVolumeCapabilities secrets.*key': secret,
    'ValidateVolumeCapabilities secrets.any': secret,
    'ListVolumes startingToken': token,
    'ControllerListVolumeHealth startingToken': token,
    'ControllerListVolumeHealth secrets.*key': secret,
    'ControllerListVolumeHealth secrets.any': secret,
    'ControllerGetVolumeHealth volumeId': opaqueOf('NOT_FOUND'),
    'ControllerGetVolumeHealth secrets.*key': secret,
    'ControllerGetVolumeHealth secrets.any': secret,
    'ControllerGetVolume volumeId': opaqueOf('NOT_FOUND'),
    ...ofCapability('GetCapacity', emptyOnly),
    'GetCapacity parameters.*key': foreignKey,
    'GetCapacity parameters.pool': poolNames('OK'),
    'GetCapacity parameters.csi.storage.k8s.io/pvc/name': shown,
    'GetCapacity parameters.csi.storage.k8s.io/pvc/namespace': shown,
    'GetCapacity accessibleTopology.segments.*key': shown,
    [`GetCapacity accessibleTopology.segments.${key}`]: shown,
  };
}

function isName(text: string): boolean {
  return text !== '' && bytes(text) <= 128 && isVisible(text);
}

function opaqueOf(answer: string): Rule {
  const rule = opaqueId(answer);
  return (text) => rule(text, { kubelet: '', targetParent: '', mapBytes: 0 });
}

const offered = new Set([
  ...['CreateVolume', 'DeleteVolume', 'ValidateVolumeCapabilities', 'ListVolumes', 'GetCapacity'],
  ...['ControllerListVolumeHealth', 'ControllerGetVolumeHealth', 'ControllerGetVolume'],
]);

describe('every text of every call of the Controller service, with every hostile string,', { skip }, () => {
  let stressed: StressedHost;
  let made: MadeVolume;

  before(async () => {
    stressed = await StressedHost.start({
      roomBytes: 128n << 20n,
      prepare: (node) => node.spoil(recordArguments),
    });
    made = await stressed.makeSlots(1, parameters);
  });
  after(async () => {
    await stressed?.close();
  });

  it('is refused, or is no more than a text, and makes nothing', async (t) => {
    const connection = await RawGrpc.connect(stressed.node.places.csiSocket);
    const footprint = stressed.footprint();
    const rules = rulesFor(stressed.pool);
    const wrong: string[] = [];
    const [service] = servicesOf(protobuf.Root.fromJSON(description), ['csi.v1.Controller']);
    let requests = 0;
    const attempt = async (call: string, type: Type, field: TextField, hostile: HostileString) => {
      const good = sampleOf(type, call, stressed.pool, made.volumeId);
      const sample = field.name === 'name' ? { ...good, capacityRange: { requiredBytes: 1n << 40n } } : good;
      const { name, bytes: raw, text } = hostile;
      // The sample itself is no hostile text.
      if (text !== undefined && text === valueAt(sample, field.steps)) return;
      requests++;
      const message = encodeWire(type, withText(type, sample, field.steps, raw));
      const { code, message: sentence } = await connection.call(`/csi.v1.Controller/${call}`, message);
      const rule = rules[`${call} ${field.name}`];
      const taken = (): string | undefined =>
        offered.has(call) ? rule?.(text ?? '', mapBytesOf(sample, field, text ?? '')) : 'UNIMPLEMENTED';
      const expected = (text === undefined ? undefined : taken()) ?? 'INVALID_ARGUMENT';
      const what = `${call} ${field.name} ${name}`;
      if (code !== expected) wrong.push(`${what}: ${code} instead of ${expected} ${sentence.slice(0, 200)}`);
      if (!isVisible(sentence)) wrong.push(`${what}: the message shows it as it is`);
      if (sentence.length > 2000) wrong.push(`${what}: the message has ${sentence.length} characters`);
    };
    const tryAll = async ({ name: call, resolvedRequestType: type }: Method): Promise<void> => {
      assert.ok(type !== null);
      // What is refused without a look at it is refused whatever it holds.
      const everyNth = offered.has(call) ? 1 : 8;
      const some = hostileStrings.filter((_, index) => index % everyNth === 0);
      // One after the other: calls for the same volume at once refuse each other.
      for (const field of textFieldsOf(type, sampleOf(type, call, stressed.pool, made.volumeId)))
        for (const hostile of some) await attempt(call, type, field, hostile);
    };
    await Promise.all((service?.methodsArray ?? []).map(tryAll));
    connection.close();
    t.diagnostic(`${hostileStrings.length} strings, ${requests} requests`);
    assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} answers are not as they should be`);
    assert.deepEqual(await stressed.clear(), { published: 0, volumes: 1 });
    stressed.assertUnchanged(footprint);
    await stressed.assertUnharmed();
  });

  it('never becomes an argument of a famfs command, where volumes are made under it', async (t) => {
    const all = hostileStrings.flatMap(({ text }) => (text !== undefined && isName(text) ? [text] : []));
    // Each takes famfs half a second.
    const names = all.filter((_, index) => index % everyNthName === 0);
    for (const name of names) await stressed.makeVolume(name, parameters);
    assert.equal((await stressed.clear()).volumes, names.length);
    const commands = recordedCommands(stressed.node.notes());
    const made = commands.filter(([, verb]) => verb === 'creat');
    assert.ok(made.length >= names.length, `${made.length} files for ${names.length} volumes`);
    for (const command of commands) assertPlainArguments(command, stressed.node.places.root, wordsOfMakers);
    t.diagnostic(`${names.length} volumes, ${commands.length} recorded famfs commands`);
    await stressed.assertUnharmed();
  });
});

/** A request that would be good: by what its fields are called, so that new messages get one too. */
function sampleOf(type: Type, call: string, pool: string, volumeId: string): WireMessage {
  const capability = { mount: {}, accessMode: { mode: 5 } };
  const place = { segments: { [`topology.famfs.io/pool-${pool}`]: 'true' } };
  const known: WireMessage = {
    volumeId: call === 'DeleteVolume' ? `${pool}.nobody` : volumeId,
    name: 'early-0',
    capacityRange: { requiredBytes: 2n << 20n },
    volumeCapabilities: [capability],
    volumeCapability: capability,
    parameters: { pool, ...parameters, ...claimKeys },
    accessibilityRequirements: { requisite: [place], preferred: [place] },
    accessibleTopology: place,
  };
  return Object.fromEntries(Object.entries(known).filter(([name]) => type.fields[name] !== undefined));
}

function valueAt(sample: WireMessage, steps: readonly string[]): unknown {
  let value: unknown = sample;
  for (const step of steps) {
    const one: unknown = Array.isArray(value) ? value[0] : value;
    value = (one as Readonly<Record<string, unknown>> | undefined)?.[step];
  }
  return value;
}

/** The size of a map of the sample once the text is in it; of a field in no map, nothing that matters. */
function mapBytesOf(sample: WireMessage, { steps }: TextField, text: string): number {
  const place = steps.at(-1) ?? '';
  const map = Object.entries(
    (valueAt(sample, steps.slice(0, -1)) ?? {}) as Readonly<Record<string, unknown>>,
  );
  const others = map.flatMap(([key, value]) => (key === place ? [] : [key, String(value)]));
  const beside = place === '*key' ? 'x' : place;
  return others.reduce((sum, each) => sum + bytes(each), bytes(text) + bytes(beside));
}
