// What an agent does next about a pool that is being reset, from whatever moment a former process died at.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { famfsPool, otherUuid, poolUuid } from '../../test/cluster-objects.ts';
import type { ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { FamfsPool, FamfsPoolReset } from '../kubernetes/famfs-pool.ts';
import { type Device, famfsMode, type NodeState, type Pool, poolPhase, poolRole } from '../mounter/client.ts';
import { nextResetStep } from './reset-step.ts';

const reset = { fileSystemUUID: poolUuid, attempt: 'one', since: '2026-01-01T12:00:00Z' };

function pool(phase?: FamfsPoolReset['phase']): FamfsPool {
  const format = { nodeName: 'master', device: 'dax9.0' };
  return famfsPool('models', {
    spec: { format, writes: 'Allowed', deletedVolumes: 'Keep' },
    status: { fileSystemUUID: poolUuid, ...(phase === undefined ? {} : { reset: { ...reset, phase } }) },
  });
}

function entry(phase: ReportedFormat['phase'], changes: Partial<ReportedFormat> = {}): ReportedFormat {
  return {
    ...{ pool: 'models', poolUID: 'uid-of-models', device: 'dax0.0', phase },
    ...{ replaces: poolUuid, attempt: 'one', ...changes },
  };
}

function seen(changes: Partial<Pool> = {}): Pool {
  return {
    ...{ uuid: poolUuid, device: 'dax0.0', phase: poolPhase.POOL_PHASE_FOUND, problem: null, role: 0 },
    ...{ mode: famfsMode.MODE_FUSE, mountPath: '/run/p', sizeBytes: 8n << 30n, freeBytes: 8n << 30n },
    ...{ longestFreeRunBytes: 8n << 30n, logEntriesTotal: 100n, logEntriesUsed: 0n, logEntriesReplayed: 0n },
    ...{ binds: 0, held: true, simulated: true, healthyAtMs: 0n, allocationUnitBytes: 2n << 20n },
    ...{ writers: 'safe', ...changes },
  };
}

function node(pools: Pool[], carried = poolUuid, changes: Partial<NodeState> = {}): NodeState {
  const device: Device = {
    ...{ name: 'dax0.0', path: '/dev/dax0.0', sizeBytes: 8n << 30n, alignBytes: 2n << 20n },
    ...{ driver: 'fsdev_dax', poolUuid: carried, problem: null },
  };
  return {
    ...{ revision: 1n, settled: true, systemUuid: 's', mode: famfsMode.MODE_FUSE, launcher: 'in-place' },
    ...{
      famfsLocation: 'host',
      kernelRelease: '7',
      allowWrites: 'never',
      allowFormat: 'reset',
      protocolVersion: 1,
    },
    ...{ problems: [], devices: [device], pools, ...changes },
  };
}

/** Kind of the step, and phase and reason of what it is about. */
function stepOf(
  phase: FamfsPoolReset['phase'] | undefined,
  formats: readonly ReportedFormat[],
  state: NodeState | undefined,
  name = 'master',
): string {
  const step = nextResetStep(pool(phase), formats, state, name);
  if (step.kind !== 'record' && step.kind !== 'format') return step.kind;
  const { phase: told, problem } = step.format;
  return [step.kind, told, ...(problem === undefined ? [] : [problem.reason])].join(' ');
}

const mounted = seen({ held: false, role: poolRole.ROLE_MASTER, phase: poolPhase.POOL_PHASE_READY });

describe('the next step of a reset', () => {
  it('is to let go, on every node that sees the pool, and to rest then', () => {
    for (const name of ['master', 'client']) {
      assert.equal(stepOf('Releasing', [], node([mounted]), name), 'hold');
      assert.equal(stepOf('Releasing', [entry('Released')], node([seen()]), name), 'rest');
      assert.equal(stepOf('Releasing', [], node([]), name), 'rest');
      assert.equal(stepOf('Releasing', [entry('Refused')], node([mounted]), name), 'rest');
      assert.equal(
        stepOf('Formatting', [entry('Released')], node([mounted]), name),
        'hold',
        'after it was started anew',
      );
    }
    const step = nextResetStep(pool('Releasing'), [], node([mounted]), 'client');
    assert.deepEqual(step, { kind: 'hold', answer: entry('Released') });
  });

  it('is to let go once more in each attempt: what is held may be a hold of an earlier one that is just being lifted', () => {
    for (const phase of ['Releasing', 'Formatting'] as const)
      for (const former of [
        [],
        [entry('Released', { attempt: 'zero' })],
        [entry('Refused', { attempt: 'zero' })],
      ])
        assert.equal(stepOf(phase, former, node([seen()])), 'hold');
  });

  it('does not forget, when it has to let go again, that a command may have run', () => {
    const begun = entry('Formatting');
    const step = nextResetStep(pool('Formatting'), [begun], node([mounted]), 'master');
    assert.deepEqual(step, { kind: 'hold', answer: begun });
  });

  it('is an answer to the attempt that is asked about, not to another', () => {
    const former = entry('Refused', { attempt: 'zero' });
    assert.equal(stepOf('Releasing', [former], node([mounted])), 'hold');
    assert.equal(stepOf('Formatting', [former], node([seen()])), 'hold');
    assert.equal(stepOf('Formatting', [entry('Formatting', { attempt: 'zero' })], node([seen()])), 'hold');
  });

  it('is a refusal before anything is taken down where the node does not allow it', () => {
    const unwilling = node([mounted], poolUuid, { allowFormat: 'once' });
    assert.equal(stepOf('Releasing', [], unwilling), 'record Refused format-refused');
    assert.equal(stepOf('Releasing', [], unwilling, 'client'), 'hold');
  });

  it('is to format on one node alone, the device that carries the pool there, once it is recorded', () => {
    const released = [entry('Released')];
    assert.equal(stepOf('Formatting', released, node([seen()]), 'client'), 'rest');
    const step = nextResetStep(pool('Formatting'), released, node([seen()]), 'master');
    assert.deepEqual(step, { kind: 'record', format: entry('Formatting') });
    assert.equal(stepOf('Formatting', [entry('Formatting')], node([seen()])), 'format Formatting');
    assert.equal(stepOf('Formatting', [], node([])), 'record Refused pool-not-found');
  });

  it('takes for its own, after a crash, what this node is master of, and nothing else', () => {
    const after = (role: number): NodeState => node([seen({ uuid: otherUuid, role })], otherUuid);
    const step = nextResetStep(
      pool('Formatting'),
      [entry('Formatting')],
      after(poolRole.ROLE_MASTER),
      'master',
    );
    assert.deepEqual(step, {
      kind: 'record',
      format: entry('Formatted', { fileSystemUUID: otherUuid }),
    });
    const begun = [entry('Formatting')];
    assert.equal(stepOf('Formatting', begun, after(poolRole.ROLE_CLIENT)), 'record Refused pool-reformatted');
    assert.equal(stepOf('Formatting', begun, after(poolRole.ROLE_UNKNOWN)), 'rest');
    const others = [...begun, entry('Formatted', { poolUID: 'another', fileSystemUUID: otherUuid })];
    assert.equal(
      stepOf('Formatting', others, after(poolRole.ROLE_MASTER)),
      'record Refused pool-reformatted',
    );
    assert.equal(stepOf('Formatting', begun, node([], otherUuid, { devices: [] })), 'rest');
  });

  it('forgets what nobody waits for any more, but never what it made', () => {
    for (const phase of ['Refused', undefined] as const) {
      for (const answer of ['Refused', 'Released'] as const)
        assert.equal(stepOf(phase, [entry(answer)], node([mounted])), 'forget');
      assert.equal(stepOf(phase, [entry('Formatted', { fileSystemUUID: otherUuid })], node([])), 'rest');
      const { replaces: _, attempt: __, ...first } = entry('Formatted', { fileSystemUUID: poolUuid });
      assert.equal(stepOf(phase, [first], node([mounted])), 'rest');
      assert.equal(stepOf(phase, [], node([mounted])), 'rest');
    }
  });

  it('is nothing while the mounter is away or has not looked', () => {
    for (const state of [undefined, node([seen()], poolUuid, { settled: false })])
      for (const phase of ['Releasing', 'Formatting'] as const)
        assert.equal(stepOf(phase, [entry('Formatting')], state), 'rest');
  });

  it('is the command only where it is ordered, recorded, and the pool is let go of or gone from sight', () => {
    const phases = fc.constantFrom('Releasing', 'Formatting', 'Refused', undefined);
    const told = fc.constantFrom('Released', 'Formatting', 'Formatted', 'Refused', undefined);
    let commands = 0;
    fc.assert(
      fc.property(
        phases,
        told,
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom('one', 'zero'),
        (phase, recorded, held, isMaster, attempt) => {
          const formats = recorded === undefined ? [] : [entry(recorded, { attempt })];
          const kind = nextResetStep(
            pool(phase),
            formats,
            node([seen({ held })]),
            isMaster ? 'master' : 'b',
          ).kind;
          const mayRun =
            phase === 'Formatting' && recorded === 'Formatting' && attempt === 'one' && held && isMaster;
          assert.equal(kind === 'format', mayRun);
          if (mayRun) commands++;
        },
      ),
      { numRuns: 1000 },
    );
    assert.ok(commands > 0);
  });
});
