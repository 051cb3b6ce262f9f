// What can happen to a cluster in a model-based sequence, as commands of fast-check: each does it, and holds the answers against
// what the orchestrator knows. What must never happen is the cluster's to notice; how all ends is provisioning-end.ts.
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { DriverError, type Reason } from '../../src/errors.ts';
import type { RecordFault } from '../faulty-records.ts';
import { resetPool } from '../pool-resetting.ts';
import type { ProvisioningCluster, Verb } from '../provisioning-cluster.ts';
import { passTurns } from '../turns.ts';
import {
  type Claim,
  type ClaimShape,
  isForgotten,
  type ProvisioningModel,
  wishOf,
} from './provisioning-model.ts';
import { deadlineAfter } from './turn-deadline.ts';

export type ProvisioningCommand = fc.AsyncCommand<ProvisioningModel, ProvisioningCluster>;

/** What an answer was, for who repeats. */
export type Outcome = 'ok' | Reason;

const nameCount = 4;
export const poolCount = 2;
export const nodeCount = 3;
/** Turns of the event loop that a call is given, where nothing else says so: more than a volume ever takes. */
const patienceTurns = 120;

interface Kind<T> {
  readonly name: string;
  readonly weight: number;
  readonly arbitrary: fc.Arbitrary<T>;
  check?(model: ProvisioningModel, input: T): boolean;
  run(model: ProvisioningModel, cluster: ProvisioningCluster, input: T): Promise<void> | void;
}

const number = (count: number): fc.Arbitrary<number> => fc.nat(count - 1);
const volumeName = number(nameCount).map((index) => `volume-${index}`);
const shape: fc.Arbitrary<ClaimShape> = fc.record({
  fileCount: fc.constantFrom(1, 1, 3),
  units: fc.constantFrom(1, 2, 2, 5),
  pool: fc.option(number(poolCount), { nil: undefined, freq: 1 }),
  requisite: fc.option(number(poolCount), { nil: undefined, freq: 1 }),
});
const turns = fc.oneof(
  { weight: 9, arbitrary: fc.constant(patienceTurns) },
  { weight: 1, arbitrary: fc.nat(12) },
);
const fault = fc.constantFrom<RecordFault>(
  ...(['refused', 'answer-lost', 'conflict', 'death-before', 'death-after'] as const),
);

/** A call that is given up after so many turns of the event loop. */
export async function create(
  model: ProvisioningModel,
  cluster: ProvisioningCluster,
  name: string,
  wanted: ClaimShape,
  patience = patienceTurns,
): Promise<Outcome> {
  const known = model.claims.get(name);
  const claim: Claim = known ?? { name, shape: wanted, volume: undefined, isEnding: false };
  model.claims.set(name, claim);
  const { provisioner } = cluster;
  const deadline = deadlineAfter(patience);
  try {
    const record = await deadline.limit(
      provisioner.create(wishOf(cluster, name, claim.shape), deadline.signal),
    );
    const told = cluster.told(record);
    assert.equal(claim.volume?.volumeId ?? told.volumeId, told.volumeId, `${name} became another volume`);
    claim.volume = told;
    return 'ok';
  } catch (error) {
    const reason = reasonOf(error);
    if (claim.volume !== undefined)
      assert.ok(!isForgotten(reason), `${name} is there, and refused: ${reason}`);
    else if (isForgotten(reason)) await forget(model, cluster, claim, reason);
    return reason;
  } finally {
    deadline.end();
  }
}

/** A refusal for good leaves nothing behind. */
async function forget(
  model: ProvisioningModel,
  cluster: ProvisioningCluster,
  claim: Claim,
  reason: Reason,
): Promise<void> {
  model.claims.delete(claim.name);
  assert.equal(await cluster.store.get(claim.name), undefined, `${reason} left a record of ${claim.name}`);
}

/** Ends a volume, as an orchestrator does that nobody needs it for any more. */
export async function remove(
  model: ProvisioningModel,
  cluster: ProvisioningCluster,
  claim: Claim,
): Promise<Outcome> {
  const { volume } = claim;
  if (volume === undefined) return 'volume-not-found';
  // The answer of an end may have been lost, of one that began while a report was missing: there is nothing to refuse any more.
  const isGone = claim.isEnding && (await cluster.store.get(claim.name)) === undefined;
  // A node whose report was deleted by hand cannot have told; what its pods have is not touched all the same.
  const isToldOf = !isGone && cluster.isPublished(volume.volumeId) && cluster.missing().length === 0;
  claim.isEnding = true;
  cluster.live.delete(volume.volumeId);
  const deadline = deadlineAfter(patienceTurns);
  try {
    await deadline.limit(cluster.provisioner.delete(volume.volumeId));
    assert.ok(!isToldOf, `${claim.name} is deleted while a node has it`);
    model.claims.delete(claim.name);
    model.ended.push({ volume });
    return 'ok';
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === 'volume-in-use' && (await cluster.store.get(claim.name))?.deleting === false) {
      claim.isEnding = false;
      cluster.live.set(volume.volumeId, volume);
    }
    return reason;
  } finally {
    deadline.end();
  }
}

function reasonOf(error: unknown): Reason {
  if (error instanceof DriverError && error.reason !== 'internal') return error.reason;
  throw error;
}

/** Sequences of up to so many commands. */
export function provisioningSequences(maxCommands: number): fc.Arbitrary<Iterable<ProvisioningCommand>> {
  return fc.commands([fc.oneof(...calls(), ...troubles())], { maxCommands, size: 'max' });
}

function calls(): fc.WeightedArbitrary<ProvisioningCommand>[] {
  return [
    commandOf<{ name: string; shape: ClaimShape; turns: number }>({
      name: 'create',
      weight: 30,
      arbitrary: fc.record({ name: volumeName, shape, turns }),
      check: (model, { name }) => model.claims.get(name)?.isEnding !== true,
      run: async (model, cluster, input) => {
        await create(model, cluster, input.name, input.shape, input.turns);
      },
    }),
    commandOf<{ first: string; second: string; shape: ClaimShape }>({
      name: 'create two of a kind at once',
      weight: 8,
      arbitrary: fc.record({ first: volumeName, second: volumeName, shape }),
      check: (model, { first, second }) =>
        [first, second].every((name) => model.claims.get(name)?.isEnding !== true),
      run: async (model, cluster, input) => {
        await Promise.all(
          [input.first, input.second].map((name) => create(model, cluster, name, input.shape)),
        );
      },
    }),
    commandOf<{ name: string; shape: ClaimShape }>({
      name: 'create another under a name that is taken',
      weight: 4,
      arbitrary: fc.record({ name: volumeName, shape }),
      check: (model, { name, shape: { units, fileCount } }) => {
        const claim = model.claims.get(name);
        const isOther = claim?.shape.fileCount !== fileCount || claim.shape.units < units;
        return claim?.volume !== undefined && !claim.isEnding && isOther;
      },
      run: async (_, cluster, input) => {
        const wish = wishOf(cluster, input.name, input.shape);
        const call = cluster.provisioner.create(wish, AbortSignal.timeout(10_000));
        await assert.rejects(call, { reason: 'volume-exists' });
      },
    }),
    commandOf<{ name: string }>({
      name: 'delete',
      weight: 24,
      arbitrary: fc.record({ name: volumeName }),
      check: (model, { name }) => model.claims.get(name)?.volume !== undefined,
      run: async (model, cluster, { name }) => {
        const claim = model.claims.get(name);
        if (claim !== undefined) await remove(model, cluster, claim);
      },
    }),
    commandOf<{ first: string; second: string; shape: ClaimShape }>({
      name: 'delete one and create another at once',
      weight: 12,
      arbitrary: fc.record({ first: volumeName, second: volumeName, shape }),
      check: (model, { first, second }) =>
        first !== second &&
        model.claims.get(first)?.volume !== undefined &&
        model.claims.get(second)?.isEnding !== true,
      run: async (model, cluster, input) => {
        const claim = model.claims.get(input.first);
        await Promise.all([
          claim === undefined ? undefined : remove(model, cluster, claim),
          create(model, cluster, input.second, input.shape),
        ]);
      },
    }),
    commandOf<{ name: string; node: number }>({
      name: 'publish',
      weight: 25,
      arbitrary: fc.record({ name: volumeName, node: number(nodeCount) }),
      check: (model, { name }) => isPublishable(model.claims.get(name)),
      run: (model, cluster, { name, node }) => {
        const volume = model.claims.get(name)?.volume;
        if (volume !== undefined && cluster.node(node).isReachable) cluster.publish(volume, node);
      },
    }),
    commandOf<{ name: string; node: number }>({
      name: 'unpublish',
      weight: 14,
      arbitrary: fc.record({ name: volumeName, node: number(nodeCount) }),
      check: (model, { name }) => model.claims.get(name)?.volume !== undefined,
      run: (model, cluster, { name, node }) =>
        cluster.unpublish(model.claims.get(name)?.volume?.volumeId ?? '', node),
    }),
  ];
}

function isPublishable(claim: Claim | undefined): boolean {
  return claim?.volume !== undefined && !claim.isEnding;
}

function troubles(): fc.WeightedArbitrary<ProvisioningCommand>[] {
  return [
    commandOf<{ writesBefore: number; fault: RecordFault }>({
      name: 'a write of the controller fails',
      weight: 8,
      arbitrary: fc.record({ writesBefore: fc.nat(4), fault }),
      run: (_, cluster, input) => cluster.controllerRecords.plan(input.writesBefore, input.fault),
    }),
    commandOf<{ node: number; writesBefore: number; fault: RecordFault }>({
      name: 'a write of a maker fails',
      weight: 8,
      arbitrary: fc.record({ node: number(nodeCount), writesBefore: fc.nat(4), fault }),
      run: (_, cluster, input) => cluster.node(input.node).records.plan(input.writesBefore, input.fault),
    }),
    commandOf<{ writesBefore: number }>({
      name: 'a write of the controller is long on its way',
      weight: 4,
      arbitrary: fc.record({ writesBefore: fc.nat(2) }),
      run: (_, cluster, input) => cluster.letControllerSleep(input.writesBefore),
    }),
    commandOf<null>({
      name: 'what was on its way arrives',
      weight: 3,
      arbitrary: fc.constant(null),
      run: async (_, cluster) => {
        cluster.wakeAll();
        await passTurns(5);
      },
    }),
    commandOf<null>({
      name: 'the controller ends and starts',
      weight: 6,
      arbitrary: fc.constant(null),
      run: (_, cluster) => cluster.restartController(),
    }),
    commandOf<{ node: number; during: { name: string; shape: ClaimShape; turns: number } | undefined }>({
      name: 'a maker ends and starts',
      weight: 10,
      arbitrary: fc.record({
        node: number(nodeCount),
        during: fc.option(fc.record({ name: volumeName, shape, turns: fc.nat(20) }), {
          nil: undefined,
          freq: 2,
        }),
      }),
      check: (model, { during }) => during === undefined || model.claims.get(during.name)?.isEnding !== true,
      run: async (model, cluster, { node, during }) => {
        const underway = during === undefined ? undefined : create(model, cluster, during.name, during.shape);
        underway?.catch(() => undefined);
        await passTurns(during?.turns ?? 0);
        cluster.restartMaker(node);
        await underway;
      },
    }),
    commandOf<{ node: number; isReachable: boolean }>({
      name: 'a node is lost or back',
      weight: 10,
      arbitrary: fc.record({ node: number(nodeCount), isReachable: fc.boolean() }),
      run: (_, cluster, { node, isReachable }) => cluster.setReachable(node, isReachable),
    }),
    commandOf<{ node: number; isLost: boolean }>({
      name: 'the report of a node is deleted by hand',
      weight: 8,
      arbitrary: fc.record({ node: number(nodeCount), isLost: fc.boolean() }),
      run: (_, cluster, { node, isLost }) => {
        if (isLost) cluster.setReachable(node, false);
        cluster.forgetReport(node);
      },
    }),
    commandOf<{ pool: number }>({
      name: 'a pool is to be reset',
      weight: 8,
      arbitrary: fc.record({ pool: number(poolCount) }),
      run: (model, cluster, { pool }) => reset(model, cluster, pool),
    }),
    commandOf<{ pool: number; node: number }>({
      name: 'another node becomes master',
      weight: 4,
      arbitrary: fc.record({ pool: number(poolCount), node: number(nodeCount) }),
      run: (_, cluster, input) => {
        const pool = cluster.pools[input.pool];
        if (pool !== undefined) pool.master = cluster.node(input.node).name;
      },
    }),
    commandOf<{ pool: number; verb: Verb; reason: Reason; timesLeft: number }>({
      name: 'the master of a pool fails',
      weight: 8,
      arbitrary: fc.record({
        pool: number(poolCount),
        verb: fc.constantFrom<Verb>('makeFiles', 'zeroFiles'),
        reason: fc.constantFrom<Reason>('pool-busy', 'command-failed', 'log-refused', 'pool-hung'),
        timesLeft: fc.integer({ min: 1, max: 4 }),
      }),
      run: (_, cluster, { pool, ...failure }) => {
        const uuid = cluster.pools[pool]?.uuid;
        if (uuid !== undefined) cluster.failures.set(uuid, failure);
      },
    }),
    commandOf<{ pool: number; units: number }>({
      name: 'an admin makes a file',
      weight: 4,
      arbitrary: fc.record({ pool: number(poolCount), units: fc.constantFrom(1, 7, 15) }),
      run: (_, cluster, input) => {
        const pool = cluster.pools[input.pool];
        if (pool?.fits(1, input.units) && pool.entriesUsed < pool.logEntries)
          pool.makeFile(`admin-${pool.entriesUsed}`, input.units);
      },
    }),
    commandOf<null>({
      name: 'the controller looks after its records',
      weight: 3,
      arbitrary: fc.constant(null),
      run: async (_, cluster) => {
        const tended = cluster.tend().catch(() => undefined);
        // It goes on by itself: a write of its may be long on its way, and nobody would wake it who waited for it here.
        await Promise.race([tended, passTurns(100)]);
      },
    }),
  ];
}

/** A pool is made anew when nothing is in it, and all nodes can be asked; not while anybody has anything of it. */
async function reset(model: ProvisioningModel, cluster: ProvisioningCluster, index: number): Promise<void> {
  const uuid = cluster.pools[index]?.uuid;
  const isLive = [...cluster.live.values()].some(({ poolUuid }) => poolUuid === uuid);
  const isAway = cluster.nodes.some(({ isReachable, reported }) => !isReachable || reported === undefined);
  const isUsed = cluster.nodes.some(({ published }) =>
    [...published.values()].some(({ poolUuid }) => poolUuid === uuid),
  );
  const isRecorded = (await cluster.store.list()).some(({ spec }) => spec.poolUuid === uuid);
  const isDone = await resetPool(cluster, index);
  assert.equal(isDone, !isLive && !isAway && !isUsed && !isRecorded, `the reset of pool ${index}`);
  if (!isDone) return;
  cluster.count('a pool was reset');
  const left = model.ended.filter(({ volume }) => volume.poolUuid !== uuid);
  model.ended.splice(0, model.ended.length, ...left);
  assert.deepEqual(
    (await cluster.store.slots()).filter(({ poolUuid }) => poolUuid === uuid),
    [],
  );
}

function commandOf<T>(kind: Kind<T>): fc.WeightedArbitrary<ProvisioningCommand> {
  const arbitrary = kind.arbitrary.map((input): ProvisioningCommand => {
    return {
      check: (model) => kind.check?.(model, input) ?? true,
      run: async (model, cluster) => {
        cluster.count(kind.name);
        await kind.run(model, cluster, input);
        cluster.restartWhatEnded();
        if (cluster.violation !== undefined) throw cluster.violation;
      },
      toString: () => `${kind.name} ${JSON.stringify(input)}`,
    };
  });
  return { weight: kind.weight, arbitrary };
}
