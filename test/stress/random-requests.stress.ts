// Any number of random requests at the node plugin, with its mounter and real mounts behind it, and at a host that makes volumes,
// too: they stay what they were, say only what the specification lets them say, and leave nothing that nobody has use for.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import protobuf from 'protobufjs/light.js';
import description from '../../src/csi/generated/csi.js';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import { codesOfHost, codesOfNode } from './allowed-codes.ts';
import { AnswerTally } from './answer-tally.ts';
import { Dice } from './dice.ts';
import { effort, seed } from './effort.ts';
import { type GoodNumbers, type GoodTexts, RequestMaker } from './random-requests.ts';
import { RawGrpc } from './raw-grpc.ts';
import { type MadeVolume, StressedHost } from './stressed-host.ts';
import { publishedPath, StressedNode } from './stressed-node.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const connections = 4;
const callsInFlight = 24;
/** A caller that leaves: one in so many. */
const withdrawnShare = 100;

describe('random requests to a node plugin', { skip }, () => {
  let stressed: StressedNode;

  before(async () => {
    stressed = await StressedNode.start();
  });
  after(async () => {
    await stressed?.close();
  });

  it('are answered with the codes of the specification, and leave the node as it was', async (t) => {
    const dice = new Dice(seed);
    const goodTexts = goodTextsOf(stressed);
    // Most of what can happen, happens in the Node service.
    const services = ['csi.v1.Identity', 'csi.v1.Controller', ...Array<string>(6).fill('csi.v1.Node')];
    const root = protobuf.Root.fromJSON(description);
    const maker = new RequestMaker({ dice, root, services, goodTexts });
    const footprint = stressed.footprint();
    const tally = new AnswerTally(codesOfNode);
    const seconds = await sendAll(effort(102_000), { stressed, maker, dice, tally });
    const published = await stressed.unpublishAll();
    t.diagnostic(
      `seed ${seed}: ${tally.text} in ${seconds.toFixed(0)} s; ${published} volumes were left published`,
    );
    assert.deepEqual(tally.wrong.slice(0, 20), [], `${tally.wrong.length} answers are not allowed`);
    assert.ok(tally.count('NodePublishVolume', 'OK') > 0, 'no request was good enough to publish anything');
    assert.ok(tally.count('NodePublishVolume', 'INVALID_ARGUMENT') > 0);
    stressed.assertUnchanged(footprint);
    await stressed.assertUnharmed();
  });
});

describe('random requests to a host that makes volumes, too,', { skip }, () => {
  let stressed: StressedHost;
  let made: MadeVolume;

  before(async () => {
    stressed = await StressedHost.start({ roomBytes });
    made = await stressed.makeSlots(slotCount, usualClass);
  });
  after(async () => {
    await stressed?.close();
  });

  it('are answered with the codes of the specification, and leave nothing but slots for others', async (t) => {
    const dice = new Dice(seed);
    const goodTexts = goodTextsOfHost(stressed);
    remember(goodTexts, made);
    const services = ['csi.v1.Identity', ...Array<string>(3).fill('csi.v1.Controller'), 'csi.v1.Node'];
    const timesMore = { CreateVolume: 8, DeleteVolume: 4, NodePublishVolume: 6, NodeUnpublishVolume: 3 };
    const root = protobuf.Root.fromJSON(description);
    const care = 5;
    const maker = new RequestMaker({ dice, root, services, goodTexts, goodNumbers, timesMore, care });
    const footprint = stressed.footprint();
    const tally = new AnswerTally(codesOfHost);
    const answers = root.lookupType('csi.v1.CreateVolumeResponse');
    const onOk = (rpc: string, body: Buffer): void => {
      if (!rpc.endsWith('/CreateVolume')) return;
      const { volume } = answers.toObject(answers.decode(body)) as { readonly volume: VolumeAnswer };
      remember(goodTexts, { volumeId: volume.volumeId, path: volume.volumeContext.path });
    };
    const count = effort(many);
    const seconds = await sendAll(count, { stressed, maker, dice, tally, onOk });
    const { published, volumes } = await stressed.clear();
    t.diagnostic(
      `seed ${seed}: ${tally.text} in ${seconds.toFixed(0)} s; ${tally.count('CreateVolume', 'OK')} creations, ` +
        `${tally.count('NodePublishVolume', 'OK')} publishes; ${volumes} volumes were left, ${published} of them published`,
    );
    assert.deepEqual(tally.wrong.slice(0, 20), [], `${tally.wrong.length} answers are not allowed`);
    if (count >= many) assertWentDeep(tally);
    stressed.assertUnchanged(footprint);
    await stressed.assertUnharmed();
  });
});

interface VolumeAnswer {
  readonly volumeId: string;
  readonly volumeContext: { readonly path: string };
}

interface Sending {
  readonly stressed: StressedNode | StressedHost;
  readonly maker: RequestMaker;
  readonly dice: Dice;
  readonly tally: AnswerTally;
  /** Is told of every success. */
  readonly onOk?: (rpc: string, body: Buffer) => void;
}

/** Sends so many requests over several connections; how many seconds they took. */
async function sendAll(count: number, { stressed, maker, dice, tally, onOk }: Sending): Promise<number> {
  let left = count;
  const work = async (connection: RawGrpc): Promise<void> => {
    while (left-- > 0) {
      const request = maker.next();
      const withdrawn = dice.oneIn(withdrawnShare);
      const { code, message, body } = await connection.call(request.rpc, request.message, { withdrawn });
      if (withdrawn) continue;
      tally.add(request, code, message);
      if (code === 'OK') onOk?.(request.rpc, body);
    }
  };
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const connection = await RawGrpc.connect(stressed.node.places.csiSocket);
      await Promise.all(Array.from({ length: callsInFlight }, () => work(connection)));
      connection.close();
    }),
  );
  return (performance.now() - startedAt) / 1000;
}

/** A few volumes and targets, so that calls meet each other. */
function goodTextsOf({ node, pool }: StressedNode): GoodTexts {
  const volumeIds = ['vol-0', 'vol-1', 'vol-2', 'vol-3', 'vol-4', 'vol-5', 'vol-6', 'vol-7'] as const;
  const [first = '', ...rest] = volumeIds.map((id) => node.target(`pod-${id}`));
  const targets = [
    first,
    ...rest,
    `${first}/inside`,
    `${node.places.kubelet}/nowhere/mount`,
    '/etc',
  ] as const;
  return {
    volumeId: volumeIds,
    targetPath: targets,
    volumePath: targets,
    volumePublishPath: targets,
    stagingTargetPath: ['', first],
    fsType: ['', 'famfs'],
    mountFlags: ['ro', 'nosuid', 'noexec', 'exec', 'noatime'],
    volumeMountGroup: [''],
    'volumeContext.pool': [pool, pool, pool, '11111111-2222-4333-8444-555555555555'],
    'volumeContext.path': [publishedPath, publishedPath, 'models', 'nowhere', `${publishedPath}/weights`],
    'volumeContext.access': ['ro', 'ro', 'rw'],
    'volumeContext.csi.storage.k8s.io/pod.name': ['pod'],
  };
}

const mib = 1n << 20n;
/** Among so many are some that create, and that ask again for something else. */
const many = 12_000;
const slotCount = 8;
/** For the slots that are made before, and for no more: a famfs command costs more than hundreds of requests. */
const roomBytes = BigInt(slotCount) * 2n * mib;
/** What most volumes are like, so that they can have each other's slots. */
const usualClass = { layout: 'files', fileCount: '1', fileMode: '0644' };
const goodNumbers: GoodNumbers = {
  requiredBytes: [1n, 2n * mib, 2n * mib, 2n * mib, 4n * mib, 1024n * mib],
  limitBytes: [0n, 0n, 0n, 16n * mib, 1n],
  maxEntries: [0n, 1n, 3n],
};
/** How many of the last made volumes requests speak of. */
const remembered = 12;

type ChangingTexts = Record<string, [string, ...string[]]>;

/** A few volumes, targets and classes, so that calls meet each other and slots are used again. */
function goodTextsOfHost({ node, pool }: StressedHost): ChangingTexts {
  const targets: [string, ...string[]] = [node.target('pod-0'), node.target('pod-1'), node.target('pod-2')];
  return {
    name: ['volume-0', 'volume-1', 'volume-2', 'volume-3', 'volume-4', 'volume-5'],
    volumeId: [`${pool}.nobody`],
    targetPath: targets,
    volumePath: targets,
    volumePublishPath: targets,
    stagingTargetPath: [''],
    startingToken: ['', 'after:eA'],
    fsType: ['', 'famfs'],
    mountFlags: ['ro', 'nosuid', 'noexec', 'noatime'],
    volumeMountGroup: [''],
    'parameters.pool': [pool, pool, pool, 'nowhere'],
    'parameters.layout': [usualClass.layout, usualClass.layout, usualClass.layout, usualClass.layout, 'file'],
    'parameters.fileCount': [usualClass.fileCount, usualClass.fileCount, usualClass.fileCount, '2'],
    'parameters.fileMode': [usualClass.fileMode, usualClass.fileMode, '666'],
    'parameters.csi.storage.k8s.io/pvc/name': ['claim'],
    [`segments.topology.famfs.io/pool-${pool}`]: ['true', 'true', 'true', 'false'],
    'volumeContext.pool': [pool],
    'volumeContext.path': ['v/nothing'],
    'volumeContext.access': ['rw', 'rw', 'ro'],
  };
}

/** The first of each is of nothing that ever was. */
function remember(texts: ChangingTexts, { volumeId, path }: MadeVolume): void {
  for (const [name, text] of [
    ['volumeId', volumeId],
    ['volumeContext.path', path],
  ] as const) {
    const [first = '', ...rest] = texts[name] ?? [];
    texts[name] = [first, ...rest.filter((each) => each !== text).slice(1 - remembered), text];
  }
}

/** Requests go through to the work itself; of few requests it is chance whether any does. */
function assertWentDeep(tally: AnswerTally): void {
  for (const call of ['CreateVolume', 'DeleteVolume', 'NodePublishVolume', 'ControllerGetVolume'])
    assert.ok(tally.count(call, 'OK') > 0, `no request was good enough for ${call}`);
  for (const code of ['INVALID_ARGUMENT', 'ALREADY_EXISTS', 'RESOURCE_EXHAUSTED'])
    assert.ok(tally.count('CreateVolume', code) > 0, `nothing was refused with ${code}`);
}
