// What an agent does next about a FamfsPool that asks its node for a mkfs, from whatever moment a former process died at.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { apiVersion } from '../kubernetes/api-object.ts';
import type { ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import { type Device, famfsMode, type NodeState, type Pool, poolPhase, poolRole } from '../mounter/client.ts';
import { nextFormatStep } from './format-step.ts';

const uuid = '11111111-1111-4111-8111-111111111111';
const [uid, otherUid] = ['uid-of-this-pool', 'uid-of-another'];

const pool: FamfsPool = {
  apiVersion,
  kind: 'FamfsPool',
  metadata: { name: 'fast', uid },
  spec: { format: { nodeName: 'n1', device: 'dax0.0' }, writes: 'Allowed', deletedVolumes: 'Keep' },
};
const formatting: ReportedFormat = { pool: 'fast', poolUID: uid, device: 'dax0.0', phase: 'Formatting' };
const formattedByOther: ReportedFormat = {
  ...{ pool: 'other', poolUID: otherUid, device: 'dax0.0' },
  ...{ phase: 'Formatted', fileSystemUUID: uuid },
};

/** A device that the mounter has seen, blank unless a pool is named. */
function device(changes: Partial<Device> = {}): Device {
  return {
    ...{ name: 'dax0.0', path: '/dev/dax0.0', sizeBytes: 8n << 30n, alignBytes: 2n << 20n },
    ...{ driver: 'fsdev_dax', poolUuid: '', problem: null, ...changes },
  };
}

function poolOfRole(role: number): Pool {
  return {
    ...{ uuid, device: 'dax0.0', phase: poolPhase.POOL_PHASE_READY, problem: null, role },
    ...{ mode: famfsMode.MODE_FUSE, mountPath: '/run/p', sizeBytes: 8n << 30n, freeBytes: 8n << 30n },
    ...{ longestFreeRunBytes: 8n << 30n, logEntriesTotal: 100n, logEntriesUsed: 0n, logEntriesReplayed: 0n },
    ...{
      binds: 0,
      held: false,
      writers: 'never',
      simulated: true,
      healthyAtMs: 0n,
      allocationUnitBytes: 2n << 20n,
    },
  };
}

function node(devices: Device[], pools: Pool[] = [], settled = true): NodeState {
  return {
    ...{ revision: 1n, settled, systemUuid: 's', mode: famfsMode.MODE_FUSE, launcher: 'in-place' },
    ...{
      famfsLocation: 'host',
      kernelRelease: '7',
      allowWrites: 'never',
      allowFormat: 'once',
      protocolVersion: 1,
      problems: [],
      devices,
      pools,
    },
  };
}

/** Kind of the step, and phase and reason of what it is about. */
function stepOf(formats: readonly ReportedFormat[], state: NodeState | undefined): string {
  const step = nextFormatStep(pool, formats, state);
  if (step.kind === 'rest') return 'rest';
  const { phase, problem } = step.format;
  return [step.kind, phase, ...(problem === undefined ? [] : [problem.reason])].join(' ');
}

describe('the next step of a format', () => {
  it('is to record it before anything is done', () => {
    assert.equal(stepOf([], node([device()])), 'record Formatting');
    const blank = { reason: 'superblock-refused', message: 'no superblock' };
    assert.equal(stepOf([], node([device({ problem: blank })])), 'record Formatting');
  });

  it('is the command once it is recorded, as long as the device carries nothing', () => {
    assert.equal(stepOf([formatting], node([device()])), 'format Formatting');
  });

  it('is nothing while the mounter is away or has not looked', () => {
    for (const state of [undefined, node([device()], [], false)]) {
      assert.equal(stepOf([], state), 'rest');
      assert.equal(stepOf([formatting], state), 'rest');
    }
  });

  it('is nothing for a pool that asks another thing', () => {
    const { format: _none, ...spec } = pool.spec;
    const adopting = { ...pool, spec: { ...spec, fileSystemUUID: uuid } };
    assert.deepEqual(nextFormatStep(adopting, [], node([device()])), { kind: 'rest' });
  });

  it('is a refusal where the device carries something, is not there, or does not suit', () => {
    assert.equal(stepOf([], node([device({ poolUuid: uuid })])), 'record Refused device-not-empty');
    assert.equal(stepOf([], node([device({ name: 'dax1.0' })])), 'record Refused device-not-found');
    const kmem = { reason: 'device-unsuitable', message: 'kmem' };
    assert.equal(stepOf([], node([device({ problem: kmem })])), 'record Refused device-unsuitable');
    const unwilling = { ...node([device()]), allowFormat: 'never' };
    assert.equal(stepOf([], unwilling), 'record Refused format-refused');
  });

  it('does not repeat a refusal, and goes on when what was missing is there', () => {
    const missing = nextFormatStep(pool, [], node([]));
    assert.equal(missing.kind, 'record');
    const recorded = missing.kind === 'record' ? [missing.format] : [];
    assert.equal(stepOf(recorded, node([])), 'rest');
    assert.equal(stepOf(recorded, node([device()])), 'record Formatting');
  });

  it('never formats a device that carried a file system when it was asked, even when that is gone', () => {
    const step = nextFormatStep(pool, [], node([device({ poolUuid: uuid })]));
    const recorded = step.kind === 'record' ? [step.format] : [];
    assert.equal(stepOf(recorded, node([device()])), 'rest');
  });

  it('takes for its own, after a crash, what this node is master of, and nothing else', () => {
    const carrying = device({ poolUuid: uuid });
    const after = (role: number) => node([carrying], [poolOfRole(role)]);
    const step = nextFormatStep(pool, [formatting], after(poolRole.ROLE_MASTER));
    assert.deepEqual(step, {
      kind: 'record',
      format: { ...formatting, phase: 'Formatted', fileSystemUUID: uuid },
    });
    assert.equal(stepOf([formatting], after(poolRole.ROLE_CLIENT)), 'record Refused device-not-empty');
    assert.equal(stepOf([formatting], after(poolRole.ROLE_UNKNOWN)), 'rest');
    assert.equal(stepOf([formatting], node([carrying])), 'rest');
  });

  it('does not take for its own what another FamfsPool had formatted', () => {
    const state = node([device({ poolUuid: uuid })], [poolOfRole(poolRole.ROLE_MASTER)]);
    assert.equal(stepOf([formattedByOther, formatting], state), 'record Refused device-not-empty');
  });

  it('is the command only when Formatting is recorded and nothing is known to be on the device', () => {
    const phases = fc.constantFrom('Formatting', 'Formatted', 'Refused', undefined);
    const uuids = fc.constantFrom('', uuid);
    fc.assert(
      fc.property(phases, uuids, fc.nat({ max: 2 }), fc.boolean(), (phase, poolUuid, role, settled) => {
        const recorded = phase === undefined ? [] : [{ ...formatting, phase } as ReportedFormat];
        const pools = poolUuid === '' ? [] : [poolOfRole(role)];
        const { kind } = nextFormatStep(pool, recorded, node([device({ poolUuid })], pools, settled));
        const mayRun = phase === 'Formatting' && poolUuid === '' && settled;
        assert.equal(kind === 'format', mayRun);
      }),
    );
  });
});
