// What the controller decides about the reset of a pool, for every state that nodes and records can be in.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { famfsPool, nodeStatus, otherUuid, poolUuid, reportedPool } from '../../test/cluster-objects.ts';
import { conditionOf } from './conditions.ts';
import type { ReportedFormat } from './famfs-node.ts';
import { type FamfsPool, type FamfsPoolReset, resetAnnotation } from './famfs-pool.ts';
import type { NodeReport } from './node-reports.ts';
import { nextReset, poolAfter, type ResetStep, type ResetView, refusedForVolumes } from './pool-reset.ts';
import { judgePool } from './pool-verdict.ts';

const format = { nodeName: 'a', device: 'dax0.0' };
const now = new Date('2026-01-01T12:00:00Z');
const agoOf = (seconds: number): string => new Date(now.getTime() - seconds * 1000).toISOString();
const releasing: FamfsPoolReset = {
  ...{ fileSystemUUID: poolUuid, phase: 'Releasing', attempt: 'one', since: agoOf(5) },
};
const formatting: FamfsPoolReset = { ...releasing, phase: 'Formatting' };
const refusal: FamfsPoolReset = {
  ...{ ...releasing, phase: 'Refused', problem: { reason: 'pool-in-use', message: 'No.' } },
};

function asked(reset?: FamfsPoolReset, annotation: string | undefined = poolUuid): FamfsPool {
  const pool = famfsPool('models', { spec: { format, writes: 'Allowed', deletedVolumes: 'Keep' } });
  return {
    ...pool,
    metadata: {
      ...pool.metadata,
      ...(annotation === undefined ? {} : { annotations: { [resetAnnotation]: annotation } }),
    },
    status: { fileSystemUUID: poolUuid, ...(reset === undefined ? {} : { reset }) },
  };
}

function report(
  name: string,
  pool: Parameters<typeof reportedPool>[0] | undefined = {},
  changes: Partial<NodeReport> = {},
  formats: readonly ReportedFormat[] = [],
): NodeReport {
  return {
    ...{ name, absence: undefined, isGone: false, isSettled: true },
    status: nodeStatus({ pools: [reportedPool(pool)], allowFormat: 'reset', formats }),
    ...changes,
  };
}

const master = report('a', { role: 'Master' });
const answer = (phase: ReportedFormat['phase'], changes: Partial<ReportedFormat> = {}): ReportedFormat => ({
  ...{ pool: 'models', poolUID: 'uid-of-models', device: 'dax0.0', phase },
  ...{ replaces: poolUuid, attempt: 'one', ...changes },
});
/** A node that has let go, and answered so in an attempt. */
const held = (name: string, attempt = 'one'): NodeReport =>
  report(name, { role: 'Unknown', phase: 'Found', held: true }, {}, [answer('Released', { attempt })]);

function view(changes: Partial<ResetView> = {}): ResetView {
  const pool = changes.pool ?? asked();
  return {
    ...{ pool, pools: [pool], nodes: [master, report('b')], missing: [], volumes: [] },
    ...{ slotCount: 2, hasNode: () => true, now, newAttempt: () => 'two', ...changes },
  };
}

/** The phase that a step leads to, with the reason of a refusal. */
function phaseOf(step: ResetStep): string {
  if (step.kind !== 'at') return step.kind;
  const { phase, problem } = step.reset;
  return problem === undefined ? phase : `${phase} ${problem.reason}`;
}

const phase = (changes: Partial<ResetView> = {}): string => phaseOf(nextReset(view(changes)));

function messageOf(changes: Partial<ResetView>): string {
  const step = nextReset(view(changes));
  return step.kind === 'at' ? (step.reset.problem?.message ?? '') : '';
}

describe('a reset begins', () => {
  test('when the annotation names the file system that the pool is, and is otherwise not asked for', () => {
    const step = nextReset(view());
    assert.deepEqual(step, {
      kind: 'at',
      reset: { fileSystemUUID: poolUuid, phase: 'Releasing', attempt: 'two', since: now.toISOString() },
    });
    assert.equal(phase({ pool: asked(undefined, otherUuid) }), 'none');
    assert.equal(phase({ pool: asked(undefined, '') }), 'none');
    const { annotations: _, ...metadata } = asked().metadata;
    assert.equal(phase({ pool: { ...asked(), metadata } }), 'none');
    const going = { ...asked().metadata, deletionTimestamp: now.toISOString() };
    assert.equal(phase({ pool: { ...asked(), metadata: going } }), 'none');
  });

  test('not for a pool that was adopted, nor for one that another FamfsPool is, too', () => {
    const spec = { fileSystemUUID: poolUuid, writes: 'Allowed', deletedVolumes: 'Keep' } as const;
    assert.equal(phase({ pool: { ...asked(), spec } }), 'Refused config-invalid');
    assert.match(messageOf({ pool: { ...asked(), spec } }), /was adopted/);
    const pools = [asked(), famfsPool('twin')];
    assert.equal(phase({ pools }), 'Refused config-invalid');
    assert.match(messageOf({ pools }), /twin/);
  });

  test('not while volumes are in the pool, whose names are told', () => {
    assert.equal(phase({ volumes: ['pvc-1'] }), 'Refused pool-in-use');
    const volumes = Array.from({ length: 9 }, (_, index) => `pvc-${index}`);
    assert.match(messageOf({ volumes }), /pvc-0, pvc-1.* and 4 more/);
  });

  test('not while pods have it mounted, static volumes included', () => {
    const nodes = [master, report('b', { binds: 1 })];
    assert.equal(phase({ nodes }), 'Refused pool-in-use');
    assert.match(messageOf({ nodes }), /\bb\b/);
  });

  test('not while a node that saw it cannot be asked, unless its Node is deleted', () => {
    const away = { absence: 'is not ready, says its Node object' };
    for (const changes of [away, { isSettled: false }]) {
      const nodes = [master, report('b', {}, changes)];
      assert.equal(phase({ nodes }), 'Refused pool-in-use');
      assert.match(messageOf({ nodes }), /\bb\b/);
    }
    assert.equal(phase({ nodes: [master, report('b', { held: true }, away)] }), 'Refused pool-in-use');
    assert.equal(phase({ nodes: [master, report('b', { phase: 'Lost' }, away)] }), 'Releasing');
    assert.equal(phase({ nodes: [master, report('b', {}, { ...away, isGone: true })] }), 'Releasing');
  });

  test('not while a node that saw it has no report, since its FamfsNode was deleted by hand', () => {
    assert.equal(phase({ missing: ['c'] }), 'Refused pool-in-use');
    assert.match(
      messageOf({ missing: ['c'] }),
      /\bc has not said what it has mounted since its FamfsNode was deleted/,
    );
  });

  test('not without the node that formats, as master, with its consent', () => {
    assert.equal(phase({ nodes: [report('b')] }), 'Refused master-away');
    assert.equal(phase({ nodes: [report('a')] }), 'Refused not-master');
    const unwilling = { ...master, status: { ...master.status, allowFormat: 'once' } };
    assert.equal(phase({ nodes: [unwilling] }), 'Refused format-refused');
    assert.match(messageOf({ nodes: [unwilling] }), /--allow-format/);
  });

  test('not with memory that has lost the file system', () => {
    const problem = { reason: 'superblock-refused', message: 'There is none.' };
    const nodes = [report('a', { role: 'Master', phase: 'Unhealthy', problem })];
    assert.equal(phase({ nodes }), 'Refused superblock-refused');
  });

  test('again when what stood in its way is gone, and not at once when nodes had been asked', () => {
    const { attempt: _, ...unasked } = refusal;
    assert.equal(phase({ pool: asked(unasked) }), 'Releasing');
    assert.equal(phase({ pool: asked(refusal) }), 'Refused pool-in-use');
    const step = nextReset(view({ pool: asked({ ...refusal, since: agoOf(61) }) }));
    assert.deepEqual(step.kind === 'at' && [step.reset.phase, step.reset.attempt], ['Releasing', 'two']);
  });
});

describe('a reset whose nodes let go', () => {
  const pool = asked(releasing);

  test('waits for all of them, and then orders the format in the same attempt', () => {
    assert.equal(phase({ pool, nodes: [held('a'), report('b')] }), 'Releasing');
    const step = nextReset(view({ pool, nodes: [held('a'), held('b'), report('c', { phase: 'Lost' })] }));
    assert.deepEqual(step.kind === 'at' && [step.reset.phase, step.reset.attempt], ['Formatting', 'one']);
  });

  test('waits for a node whose FamfsNode was deleted by hand meanwhile', () => {
    const nodes = [held('a')];
    assert.equal(phase({ pool, nodes, missing: ['b'] }), 'Releasing');
    const slow = asked({ ...releasing, since: agoOf(121) });
    assert.match(messageOf({ pool: slow, nodes, missing: ['b'] }), /in time by b/);
  });

  test('does not take for an answer what a node held in an attempt before, and may have lifted since', () => {
    const silent = report('b', { role: 'Unknown', phase: 'Found', held: true });
    for (const b of [silent, held('b', 'zero')]) {
      assert.equal(phase({ pool, nodes: [held('a'), b] }), 'Releasing');
      const slow = asked({ ...releasing, since: agoOf(121) });
      assert.match(messageOf({ pool: slow, nodes: [held('a'), b] }), /in time by b/);
    }
    const mounted = report('b', {}, {}, [answer('Released')]);
    assert.equal(phase({ pool, nodes: [held('a'), mounted] }), 'Releasing', 'it was started anew');
  });

  test('is refused when one does not, is away, or takes too long; the names are told', () => {
    const problem = { reason: 'pool-in-use', message: 'Process 7 maps it.' };
    const refusing = report('b', {}, {}, [answer('Refused', { problem })]);
    assert.equal(phase({ pool, nodes: [held('a'), refusing] }), 'Refused pool-in-use');
    assert.match(messageOf({ pool, nodes: [held('a'), refusing] }), /b does not let go.*Process 7/);
    const former = report('b', {}, {}, [answer('Refused', { problem, attempt: 'zero' })]);
    assert.equal(phase({ pool, nodes: [held('a'), former] }), 'Releasing');
    const away = { ...held('b'), absence: 'has not reported since noon' };
    assert.equal(phase({ pool, nodes: [held('a'), away] }), 'Releasing', 'it may be starting anew');
    const slow = asked({ ...releasing, since: agoOf(121) });
    assert.match(messageOf({ pool: slow, nodes: [held('a'), away] }), /in time by b/);
    assert.match(messageOf({ pool: slow, nodes: [held('a'), report('b')] }), /in time by b/);
  });

  test('ends when nobody asks for it any more, or a volume came', () => {
    const nodes = [held('a'), held('b')];
    assert.equal(phase({ pool: asked(releasing, otherUuid), nodes }), 'none');
    assert.equal(phase({ pool, nodes, volumes: ['pvc-1'] }), 'Refused pool-in-use');
    assert.equal(phaseOf(refusedForVolumes(view({ pool }), releasing, ['pvc-1'])), 'Refused pool-in-use');
  });
});

describe('a reset whose format is ordered', () => {
  const pool = asked(formatting, undefined);
  const nodesWith = (...formats: ReportedFormat[]): NodeReport[] => [
    { ...held('a'), status: { ...held('a').status, formats } },
    held('b'),
  ];

  test('is called off by nobody but the master', () => {
    for (const nodes of [[], [master], nodesWith(answer('Formatting'))])
      assert.equal(phase({ pool, nodes, volumes: ['pvc-1'] }), 'Formatting');
    const late = nodesWith(answer('Formatted', { attempt: 'zero', fileSystemUUID: otherUuid }));
    assert.equal(phase({ pool, nodes: late }), 'Formatting');
    const foreign = [held('a'), report('b', {}, {}, [answer('Formatted', { fileSystemUUID: otherUuid })])];
    assert.equal(phase({ pool, nodes: foreign }), 'Formatting');
  });

  test('is done, or refused, as the master says; refused, too, when its Node is deleted', () => {
    const nodes = nodesWith(answer('Formatted', { fileSystemUUID: otherUuid }));
    assert.deepEqual(nextReset(view({ pool, nodes })), { kind: 'done', fileSystemUUID: otherUuid });
    const problem = { reason: 'device-in-use', message: 'Process 7 has it open.' };
    const refused = nodesWith(answer('Refused', { problem }));
    assert.equal(phase({ pool, nodes: refused }), 'Refused device-in-use');
    assert.equal(phase({ pool, nodes: [], hasNode: () => false }), 'Refused master-away');
  });
});

describe('the pool after a step', () => {
  test('takes nothing new while it is being reset, is not taken for lost, and says so', () => {
    const pool = poolAfter(view(), nextReset(view()));
    assert.equal(judgePool(pool, [master]).problem?.reason, 'pool-released');
    const reset = conditionOf(pool.status?.conditions, 'Reset');
    assert.deepEqual([reset?.status, reset?.reason], ['False', 'Releasing']);
    assert.match(reset?.message ?? '', /will be lost, 2 slots of deleted volumes included/);
    const refused = poolAfter(view({ volumes: ['pvc-1'] }), nextReset(view({ volumes: ['pvc-1'] })));
    assert.equal(judgePool(refused, [master]).problem, undefined);
    assert.equal(conditionOf(refused.status?.conditions, 'Reset')?.reason, 'PoolInUse');
  });

  test('is another file system when it is done, and the reset stays told', () => {
    const step: ResetStep = { kind: 'done', fileSystemUUID: otherUuid };
    const pool = poolAfter(view({ pool: asked(formatting) }), step);
    assert.deepEqual(Object.keys(pool.status ?? {}), ['fileSystemUUID', 'conditions']);
    assert.equal(pool.status?.fileSystemUUID, otherUuid);
    assert.equal(conditionOf(pool.status?.conditions, 'Reset')?.status, 'True');
    const later = poolAfter(view({ pool }), nextReset(view({ pool })));
    assert.deepEqual(later.status, pool.status, 'the annotation is spent');
  });

  test('is spoken of no more when nobody asks', () => {
    const refused = poolAfter(view({ volumes: ['pvc-1'] }), nextReset(view({ volumes: ['pvc-1'] })));
    const withdrawn = { ...refused, metadata: { ...refused.metadata, annotations: {} } };
    const after = poolAfter(view({ pool: withdrawn }), nextReset(view({ pool: withdrawn })));
    assert.deepEqual(after.status, { fileSystemUUID: poolUuid, conditions: [] });
  });
});

test('a format is ordered only after an attempt in which every node that sees the pool has let go', () => {
  const phases = fc.constantFrom<FamfsPoolReset | undefined>(undefined, releasing, formatting, refusal);
  const nodes = fc.array(
    fc.record({
      held: fc.boolean(),
      binds: fc.nat({ max: 1 }),
      lost: fc.boolean(),
      away: fc.boolean(),
      settled: fc.boolean(),
      attempt: fc.constantFrom('zero', 'one'),
    }),
    { maxLength: 4 },
  );
  const reached = new Set<string>();
  fc.assert(
    fc.property(phases, nodes, fc.boolean(), (reset, made, isUsed) => {
      const others = made.map(({ held: isHeld, binds, lost, away, settled, attempt }, index) =>
        report(
          `n${index}`,
          { held: isHeld, binds, phase: lost ? 'Lost' : 'Found' },
          { isSettled: settled, absence: away ? 'is away' : undefined },
          [answer('Released', { attempt })],
        ),
      );
      const step = nextReset(
        view({ pool: asked(reset), nodes: [held('a'), ...others], volumes: isUsed ? ['pvc-1'] : [] }),
      );
      reached.add(phaseOf(step));
      if (step.kind !== 'at' || step.reset.phase !== 'Formatting' || reset?.phase === 'Formatting') return;
      assert.equal(reset?.phase, 'Releasing');
      assert.ok(!isUsed);
      for (const each of made)
        assert.ok(each.lost || (each.held && each.attempt === 'one' && each.settled && !each.away));
    }),
    { numRuns: 2000 },
  );
  assert.ok(reached.has('Formatting') && reached.has('Releasing'));
});
