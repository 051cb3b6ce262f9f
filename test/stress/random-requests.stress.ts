// Any number of random requests at the node plugin, with its mounter and real mounts behind it: it stays what it was, says
// only what the specification lets it say, and leaves nothing on the node.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import protobuf from 'protobufjs/light.js';
import description from '../../src/csi/generated/csi.js';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import { codesOf } from './allowed-codes.ts';
import { Dice } from './dice.ts';
import { effort, seed } from './effort.ts';
import { type GoodTexts, type RandomRequest, RequestMaker } from './random-requests.ts';
import { RawGrpc } from './raw-grpc.ts';
import { publishedPath, StressedNode } from './stressed-node.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

const connections = 4;
const callsInFlight = 24;
/** A caller that leaves: one in so many. */
const withdrawnShare = 100;

describe('random requests', { skip }, () => {
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
    const tally = new Tally();
    let left = effort(102_000);
    const work = async (connection: RawGrpc): Promise<void> => {
      while (left-- > 0) {
        const request = maker.next();
        const withdrawn = dice.oneIn(withdrawnShare);
        const { code, message } = await connection.call(request.rpc, request.message, { withdrawn });
        if (!withdrawn) tally.add(request, code, message);
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
    const seconds = (performance.now() - startedAt) / 1000;
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

class Tally {
  readonly wrong: string[] = [];
  readonly #counts = new Map<string, number>();

  add({ kind, rpc, message }: RandomRequest, code: string, sentence: string): void {
    const key = `${rpc.slice(rpc.lastIndexOf('/') + 1)} ${code}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (codesOf(rpc).includes(code)) return;
    this.wrong.push(
      `${rpc} answers ${code} to ${kind} ${message.toString('hex').slice(0, 400)}: ${sentence}`,
    );
  }

  count(method: string, code: string): number {
    return this.#counts.get(`${method} ${code}`) ?? 0;
  }

  get text(): string {
    const codes = new Map<string, number>();
    for (const [key, count] of this.#counts) {
      const code = key.slice(key.indexOf(' ') + 1);
      codes.set(code, (codes.get(code) ?? 0) + count);
    }
    const all = [...codes.values()].reduce((sum, count) => sum + count, 0);
    return `${all} requests: ${[...codes].map(([code, count]) => `${code} ${count}`).join(', ')}`;
  }
}
