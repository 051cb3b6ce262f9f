// kill -9 just before and just after every effect of every process, then a restart and the same call again: nothing is lost,
// doubled or left over, and the node ends as if nobody had died (reliability reference R1).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { assertNothingLeaked, enterPrivateMounts } from '../private-mounts.ts';
import { SimulatedCluster } from '../simulated-cluster.ts';
import { effort } from './effort.ts';
import { KilledNode, type Step, steps } from './killed-node.ts';
import { PoolMaker } from './pool-maker.ts';

const { skipUnlessRoot: skip } = enterPrivateMounts();
after(assertNothingLeaked);

/** So many nodes of one memory live and die side by side; most of their time is waiting. */
const nodeCount = 3;

interface Kill {
  readonly point: string;
  readonly step: Step;
  readonly nth: number;
}

describe('kill -9 at every effect', { skip }, () => {
  let cluster: SimulatedCluster;
  let maker: PoolMaker;
  const nodes: KilledNode[] = [];
  const passed: { step: Step; points: string[] }[] = [];

  before(async () => {
    cluster = new SimulatedCluster();
    await cluster.addMemory();
    maker = await PoolMaker.start(cluster);
    for (let index = 0; index < nodeCount; index++) {
      const name = `n${index}`;
      const node = await cluster.addNode(name, { devices: { [`dax${index}.0`]: 'memory' } });
      nodes.push(new KilledNode(cluster, node, maker));
    }
    for (const node of nodes) await node.prepare();
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await cluster?.close();
  });

  it('passes at least 100 points in a life in which nobody dies', async (t) => {
    const lives = await Promise.all(nodes.map((node) => node.liveUndisturbed()));
    for (const life of lives) for (const [step, points] of life) passed.push({ step, points });
    const names = new Set(passed.flatMap(({ points }) => points));
    t.diagnostic(`${names.size} points`);
    assert.ok(names.size >= 100, [...names].sort().join('\n'));
  });

  it('leaves nothing behind and loses nothing wherever a process dies', async (t) => {
    const kills = killsOf(passed);
    const failures: string[] = [];
    const died = new Set<string>();
    let deaths = 0;
    const takeFrom = (step: Step): Kill | undefined => {
      const index = kills.findIndex((kill) => kill.step === step);
      return index === -1 ? undefined : kills.splice(index, 1)[0];
    };
    const dieIn = async (node: KilledNode, step: Step): Promise<void> => {
      const kill = takeFrom(step);
      if (kill === undefined) return node.take(step);
      const startedAt = Date.now();
      try {
        if (await node.takeKilled(step, kill.point, kill.nth)) {
          died.add(kill.point);
          deaths++;
        }
      } catch (error) {
        failures.push(`${step}, ${kill.point}, passing ${kill.nth}: ${String(error)}`);
        if (process.env.VERBOSE) console.log('FAILURE', failures.at(-1));
        await startAgain(node, step);
      }
      if (process.env.VERBOSE)
        console.log(node.node.name, step, kill.point, kill.nth, Date.now() - startedAt, failures.length);
    };
    await Promise.all(
      nodes.map(async (node) => {
        await node.take('start');
        while (kills.some(({ step }) => step === 'start')) await dieIn(node, 'start');
        while (kills.some(({ step }) => step !== 'start' && step !== 'recover')) {
          for (const step of steps.slice(1, 5)) await dieIn(node, step);
        }
        while (kills.some(({ step }) => step === 'recover')) await dieIn(node, 'recover');
      }),
    );
    await maker.checkLog();
    const restarts = nodes.reduce((sum, node) => sum + node.restarts, 0);
    t.diagnostic(`${deaths} deaths at ${died.size} points, ${restarts} restarts`);
    assert.deepEqual(failures, []);
    assert.ok(died.size >= 100);
  });
});

/** After a failure: a fresh life, up to where the next step begins. */
async function startAgain(node: KilledNode, failed: Step): Promise<void> {
  await node.take('start');
  for (const step of steps.slice(1, 5))
    if (steps.indexOf(step) <= steps.indexOf(failed)) await node.take(step);
}

/** Steps from the cheapest on. */
function cost({ step }: Kill): number {
  return ['publish', 'publish again', 'publish writable', 'unpublish', 'recover', 'start'].indexOf(step);
}

/** Each point once, where that is cheapest; with more effort also in other steps, and at later passings. */
function killsOf(passed: readonly { step: Step; points: readonly string[] }[]): Kill[] {
  const variants = new Map<string, Kill[]>();
  for (const { step, points } of passed) {
    for (const point of new Set(points)) {
      if (!new RegExp(process.env.POINTS ?? '').test(point)) continue;
      const passings = points.filter((name) => name === point).length;
      const known = variants.get(point) ?? [];
      variants.set(point, known);
      for (let nth = 1; nth <= passings; nth++) {
        if (!known.some((kill) => kill.step === step && kill.nth === nth)) known.push({ point, step, nth });
      }
    }
  }
  return [...variants.values()].flatMap((kills) =>
    kills.sort((left, right) => left.nth - right.nth || cost(left) - cost(right)).slice(0, effort(1)),
  );
}
