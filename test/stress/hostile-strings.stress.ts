// Every text field of every call of the node plugin, with every hostile string: what is refused, what is taken and why,
// and that nothing but a bind that was asked for comes of it.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
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
  wordsOfReaders,
} from './recorded-commands.ts';
import { publishedPath, StressedNode } from './stressed-node.ts';
import { servicesOf, type TextField, textFieldsOf, withText } from './text-fields.ts';
import {
  bytes,
  isPlainPath,
  isVisible,
  opaqueId,
  type Place,
  type Rule,
  secret,
  unread,
} from './text-rules.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

/** Handed to the kernel as a name, never to a command: any visible one below kubelet's directory is good. */
const target: Rule = (text, { targetParent, kubelet }) => {
  if (!isPlainPath(text) || !text.startsWith(`${kubelet}/`)) return undefined;
  return path.dirname(text) === targetParent ? 'OK' : 'FAILED_PRECONDITION';
};

/** The rules by message and field; a field without one takes no hostile text at all. */
const rules: Readonly<Record<string, Rule>> = {
  'NodePublishVolumeRequest.volumeId': opaqueId('OK'),
  'NodePublishVolumeRequest.targetPath': target,
  // Not used, for want of a stage step; only its form is looked at.
  'NodePublishVolumeRequest.stagingTargetPath': (text) =>
    text === '' || isPlainPath(text) ? 'OK' : undefined,
  'NodePublishVolumeRequest.volumeCapability.mount.fsType': (text) => (text === '' ? 'OK' : undefined),
  'NodePublishVolumeRequest.volumeCapability.mount.volumeMountGroup': (text) =>
    text === '' ? 'OK' : undefined,
  'NodePublishVolumeRequest.secrets.*key': secret,
  'NodePublishVolumeRequest.secrets.any': secret,
  // What Kubernetes tells about the pod.
  'NodePublishVolumeRequest.volumeContext.csi.storage.k8s.io/pod.name': unread,
  'NodePublishVolumeRequest.volumeContext.*key': (text, place) =>
    text.startsWith('csi.storage.k8s.io/') ? unread(text, place) : undefined,
  // A plain name that no directory has.
  'NodePublishVolumeRequest.volumeContext.path': (text) =>
    bytes(text) <= 78 &&
    text !== '.meta' &&
    !text.startsWith('.meta/') &&
    text
      .split('/')
      .every((part) => /^[A-Za-z0-9._+@~][A-Za-z0-9._+@~:-]*$/.test(part) && !/^\.\.?$/.test(part))
      ? 'NOT_FOUND'
      : undefined,
  'NodeUnpublishVolumeRequest.volumeId': opaqueId('OK'),
  // Gone already.
  'NodeUnpublishVolumeRequest.targetPath': (text, { kubelet }) =>
    isPlainPath(text) && text.startsWith(`${kubelet}/`) ? 'OK' : undefined,
  'NodeGetVolumeStatsRequest.volumeId': opaqueId('NOT_FOUND'),
  // A path that is not absolute is the place of no volume.
  'NodeGetVolumeStatsRequest.volumePath': (text) =>
    text !== '' && isPlainPath(text.startsWith('/') ? text : `/${text}`) ? 'NOT_FOUND' : undefined,
  'NodeGetVolumeStatsRequest.stagingTargetPath': (text) =>
    text === '' || isPlainPath(text) ? 'NOT_FOUND' : undefined,
  'NodeGetVolumeHealthRequest.volumeId': opaqueId('NOT_FOUND'),
  'NodeGetVolumeHealthRequest.volumePublishPath': (text) =>
    text === '' || isPlainPath(text) ? 'NOT_FOUND' : undefined,
  'NodeGetVolumeHealthRequest.stagingTargetPath': (text) =>
    text === '' || isPlainPath(text) ? 'NOT_FOUND' : undefined,
  'NodeGetStorageHealthRequest.secrets.*key': secret,
  'NodeGetStorageHealthRequest.secrets.any': secret,
};

/** Calls that are served only to say that they are not offered, whatever they hold. */
const notOffered = new Set(['NodeStageVolume', 'NodeUnstageVolume', 'NodeExpandVolume']);

describe('every text of every call, with every hostile string,', { skip }, () => {
  let stressed: StressedNode;

  before(async () => {
    stressed = await StressedNode.start({ prepare: (node) => node.spoil(recordArguments) });
  });
  after(async () => {
    await stressed?.close();
  });

  it('is refused, or is no more than a text, and leaves nothing behind', async (t) => {
    assert.ok(new Set(hostileStrings.map(({ bytes: raw }) => raw.toString('hex'))).size >= 300);
    const connection = await RawGrpc.connect(stressed.node.places.csiSocket);
    const trials = placesOf(stressed).map((place) => new FieldTrial(stressed, connection, place));
    const footprint = stressed.footprint();
    try {
      await Promise.all(trials.map((trial) => trial.run()));
    } finally {
      connection.close();
    }
    const wrong = trials.flatMap(({ wrong: found }) => found);
    assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} answers are not as they should be`);
    stressed.assertUnchanged(footprint);
    await stressed.assertUnharmed();
    report(t, trials);
  });

  it('never becomes an option of a famfs command', (t) => {
    const calls = recordedCommands(stressed.node.notes());
    assert.ok(calls.length > 0, 'the wrapper of the famfs programs has recorded nothing');
    for (const call of calls) assertPlainArguments(call, stressed.node.places.root, wordsOfReaders);
    t.diagnostic(`${calls.length} recorded famfs commands`);
  });
});

/** The Controller service is not served on a node. */
function isServed(rpc: string): boolean {
  return !rpc.startsWith('/csi.v1.Controller/');
}

interface FieldPlace extends Omit<Place, 'mapBytes'> {
  readonly method: string;
  readonly path: string;
  readonly offered: boolean;
  readonly type: Type;
  readonly sample: WireMessage;
  readonly field: TextField;
  readonly volumeId: string;
  readonly target: string;
  /** Good text of this field, for strings that hide behind it. */
  readonly good: string;
}

/** Every field with a volume and a target of its own, so that all can be tried at once. */
function placesOf({ node, pool }: StressedNode): FieldPlace[] {
  const root = protobuf.Root.fromJSON(description);
  const services = servicesOf(root, ['csi.v1.Identity', 'csi.v1.Controller', 'csi.v1.Node']);
  const fields = services.flatMap((service) =>
    service.methodsArray.flatMap((method) => {
      const type = requestOf(method);
      return textFieldsOf(type, sampleOf(type, '', '', pool)).map((field) => ({
        service,
        method,
        type,
        field,
      }));
    }),
  );
  return fields.map(({ service, method, type, field }, index) => {
    const volumeId = `vol-${index}`;
    const mount = node.target(`pod-${index}`);
    const sample = sampleOf(type, volumeId, mount, pool);
    return {
      ...{ type, sample, field, volumeId, target: mount },
      kubelet: node.places.kubelet,
      targetParent: path.dirname(mount),
      method: method.name,
      path: `${service.fullName.replace(/^\./, '/')}/${method.name}`,
      offered: service.name !== 'Controller' && !notOffered.has(method.name),
      good: goodText(sample, field),
    };
  });
}

function requestOf(method: Method): Type {
  const type = method.resolvedRequestType;
  assert.ok(type !== null);
  return type;
}

/** A request that would be good: by what its fields are called, so that new messages get one too. */
function sampleOf(type: Type, volumeId: string, mount: string, pool: string): WireMessage {
  const known: WireMessage = {
    volumeId,
    targetPath: mount,
    volumePath: mount,
    volumePublishPath: mount,
    readonly: true,
    volumeCapability: { mount: {}, accessMode: { mode: 3 } },
    volumeContext: { pool, path: publishedPath, access: 'ro', 'csi.storage.k8s.io/pod.name': 'x' },
  };
  return Object.fromEntries(Object.entries(known).filter(([name]) => type.fields[name] !== undefined));
}

function goodText(sample: WireMessage, { steps }: TextField): string {
  let value: unknown = sample;
  for (const step of steps) value = (value as WireMessage | undefined)?.[step];
  if (steps.at(-1) === '*key') return 'csi.storage.k8s.io/';
  return typeof value === 'string' ? value : '';
}

/** The size of a map of the sample once the text is in it, its other half being at least what a sample has. */
function mapBytes(sample: WireMessage, { steps: [name = '', place = ''] }: TextField, text: string): number {
  const others = Object.entries((sample[name] ?? {}) as Record<string, string>).filter(
    ([key]) => key !== place,
  );
  const beside = place === '*key' ? 'x' : place;
  return others.flat().reduce((sum, each) => sum + bytes(each), bytes(text) + bytes(beside));
}

/** One field, through all texts, one after the other. */
class FieldTrial {
  readonly place: FieldPlace;
  readonly wrong: string[] = [];
  readonly counts = new Map<string, number>();
  readonly #stressed: StressedNode;
  readonly #connection: RawGrpc;

  constructor(stressed: StressedNode, connection: RawGrpc, place: FieldPlace) {
    this.#stressed = stressed;
    this.#connection = connection;
    this.place = place;
  }

  async run(): Promise<void> {
    const { good, offered, path: rpc } = this.place;
    const behind = good.startsWith('/') ? `${path.dirname(good)}/` : `${good}/`;
    // What is refused before its message is read, or without a look at it, is refused whatever it holds.
    const everyNth = offered ? 1 : 8;
    const some = hostileStrings.filter(
      ({ bytes: raw }, index) => index % everyNth === 0 && (isServed(rpc) || raw.length < 1024),
    );
    for (const hostile of some) {
      await this.#try('', hostile);
      if (offered) await this.#try(behind, hostile);
    }
  }

  async #try(start: string, hostile: HostileString): Promise<void> {
    const { path: rpc, type, sample, field } = this.place;
    const raw = Buffer.concat([Buffer.from(start), hostile.bytes]);
    const text = hostile.text === undefined ? undefined : start + hostile.text;
    // The sample itself is no hostile text.
    if (text === this.place.good) return;
    const message = encodeWire(type, withText(type, sample, field.steps, raw));
    const { code, message: sentence } = await this.#connection.call(rpc, message);
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    const expected = this.#expected(text);
    const shown = `${this.place.method} ${field.name} ${start === '' ? '' : `${start} + `}${hostile.name}`;
    if (code !== expected)
      this.wrong.push(`${shown}: ${code} instead of ${expected} ${sentence.slice(0, 200)}`);
    if (!isVisible(sentence)) this.wrong.push(`${shown}: the message shows it as it is`);
    if (sentence.length > 2000) this.wrong.push(`${shown}: the message has ${sentence.length} characters`);
    if (code === 'OK' && this.place.method === 'NodePublishVolume') await this.#unpublish(text ?? '', shown);
  }

  #expected(text: string | undefined): string {
    const { offered, type, sample, field, path: rpc } = this.place;
    if (!isServed(rpc)) return 'UNIMPLEMENTED';
    if (text === undefined) return 'INVALID_ARGUMENT';
    if (!offered) return 'UNIMPLEMENTED';
    const inMap = type.fields[field.steps[0] ?? '']?.map === true;
    const place = { ...this.place, mapBytes: inMap ? mapBytes(sample, field, text) : 0 };
    return rules[`${type.name}.${field.name}`]?.(text, place) ?? 'INVALID_ARGUMENT';
  }

  async #unpublish(text: string, shown: string): Promise<void> {
    const { field } = this.place;
    const volumeId = field.name === 'volumeId' ? text : this.place.volumeId;
    const targetPath = field.name === 'targetPath' ? text : this.place.target;
    try {
      await this.#stressed.client.calls.nodeUnpublishVolume({ volumeId, targetPath });
    } catch (error) {
      this.wrong.push(`${shown}: published and not to be unpublished: ${String(error)}`);
    }
  }
}

function report(t: TestContext, trials: readonly FieldTrial[]): void {
  const totals = new Map<string, number>();
  for (const { counts } of trials)
    for (const [code, count] of counts) totals.set(code, (totals.get(code) ?? 0) + count);
  const all = [...totals.values()].reduce((sum, count) => sum + count, 0);
  const codes = [...totals].map(([code, count]) => `${code} ${count}`).join(', ');
  t.diagnostic(`${hostileStrings.length} strings, ${trials.length} fields, ${all} requests: ${codes}`);
}
