// What a node does for the reset of a pool when others go on while it works.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { famfsNode, famfsPool, poolUuid, reportedPool } from '../../test/cluster-objects.ts';
import type { FamfsNode, ReportedFormat } from '../kubernetes/famfs-node.ts';
import type { FamfsPool, FamfsPoolReset } from '../kubernetes/famfs-pool.ts';
import { famfsMode, type NodeState, poolPhase } from '../mounter/client.ts';
import { silentLogger } from '../observe/logger.ts';
import { PoolResets } from './pool-resets.ts';

const reset = { fileSystemUUID: poolUuid, attempt: 'one', since: '2026-01-01T12:00:00Z' } as const;
const poolAt = (phase: FamfsPoolReset['phase']): FamfsPool =>
  famfsPool('models', {
    spec: { format: { nodeName: 'master', device: 'dax0.0' }, writes: 'Allowed', deletedVolumes: 'Keep' },
    status: { fileSystemUUID: poolUuid, reset: { ...reset, phase } },
  });
const state: NodeState = {
  ...{ revision: 1n, settled: true, systemUuid: 's', mode: famfsMode.MODE_FUSE, launcher: 'in-place' },
  ...{
    famfsLocation: 'host',
    kernelRelease: '7',
    allowWrites: 'never',
    allowFormat: 'reset',
    protocolVersion: 1,
  },
  ...{ problems: [], devices: [] },
  pools: [
    {
      ...{ uuid: poolUuid, device: 'dax0.0', phase: poolPhase.POOL_PHASE_FOUND, problem: null, role: 0 },
      ...{ mode: famfsMode.MODE_FUSE, mountPath: '/run/p', sizeBytes: 8n << 30n, freeBytes: 8n << 30n },
      ...{ longestFreeRunBytes: 8n << 30n, logEntriesTotal: 100n, logEntriesUsed: 0n },
      ...{ logEntriesReplayed: 0n, binds: 0, held: true, simulated: true, healthyAtMs: 0n },
      ...{ allocationUnitBytes: 2n << 20n, writers: 'safe' },
    },
  ],
};

const released: ReportedFormat = {
  ...{ pool: 'models', poolUID: 'uid-of-models', device: 'dax0.0', phase: 'Released' },
  ...{ replaces: poolUuid, attempt: 'one' },
};
const holding = (...formats: readonly ReportedFormat[]): FamfsNode =>
  famfsNode('other', { pools: [reportedPool({ phase: 'Found', held: true })], formats });

/** One round of the master's agent, which holds the pool, while another node sees the pool, too. */
class Round {
  readonly formatted: string[] = [];
  readonly held: string[] = [];
  readonly lifted: string[] = [];
  /** As the agent was told last, and as it is. */
  known = poolAt('Formatting');
  present = poolAt('Formatting');
  formats: readonly ReportedFormat[] = [released];
  other: FamfsNode | undefined = holding(released);
  /** Of the Nodes that there are. */
  names: readonly string[] = ['master', 'other'];

  /** @param recording called while the API server takes its time to record something */
  async run(recording: () => void = () => undefined): Promise<void> {
    const recordFormats = async (formats: readonly ReportedFormat[]): Promise<void> => {
      this.formats = formats;
      recording();
    };
    const round = this;
    const resets = new PoolResets({
      pools: { synced: async () => undefined, list: () => [round.known], onChange: () => () => undefined },
      reports: {
        get formats() {
          return round.formats;
        },
        recordFormats,
      },
      mounter: { view: { state, problem: undefined }, onChange: () => () => undefined },
      format: async ({ replaceUuid }) => {
        this.formatted.push(replaceUuid);
        return 'new';
      },
      release: async (uuid, hold) => {
        (hold ? this.held : this.lifted).push(uuid);
      },
      present: {
        pool: async () => this.present,
        nodes: async () => (this.other === undefined ? [] : [this.other]),
        hasNode: async (name) => this.names.includes(name),
      },
      ...{ node: 'master', log: silentLogger },
    });
    await resets.round(new AbortController().signal);
  }
}

function assertRefused({ formatted, formats: [answer] }: Round, names = /other/): void {
  assert.deepEqual([formatted, answer?.phase, answer?.problem?.reason], [[], 'Refused', 'pool-in-use']);
  assert.match(answer?.problem?.message ?? '', names);
}

describe('the master of a pool that is reset', () => {
  it('formats when all others hold it', async () => {
    const round = new Round();
    await round.run();
    assert.deepEqual([round.formatted, round.formats[0]?.phase], [[poolUuid], 'Formatted']);
  });

  it('does not when another has mounted it again before it was recorded that this one begins', async () => {
    const round = new Round();
    await round.run(() => {
      round.other = famfsNode('other', { pools: [reportedPool()] });
    });
    assertRefused(round);
  });

  it('does not on what another held in an attempt before', async () => {
    for (const formats of [[], [{ ...released, attempt: 'zero' }]]) {
      const round = new Round();
      round.other = holding(...formats);
      await round.run();
      assertRefused(round);
    }
  });
});

describe('the master of a pool that is reset while another node is silent', () => {
  const long = '2026-01-01T12:00:00Z';
  const silent: FamfsNode = famfsNode('other', {
    pools: [reportedPool({ phase: 'Found', held: true })],
    formats: [released],
    reportedAt: long,
  });

  it('does not format, names the node, and says what to do', async () => {
    const round = new Round();
    round.other = silent;
    await round.run();
    assertRefused(round, /other has not reported since 2026-01-01T12:00:00Z.*Nodes.*deleted/);
  });

  it('does not when its FamfsNode was deleted by hand, before or after the controller noticed', async () => {
    const nodes = [
      { name: 'other', device: 'dax0.0', role: 'Client' as const, mounted: true, logEntriesReplayed: 1 },
    ];
    const nodesAway = [{ name: 'other', message: 'has gone' }];
    for (const known of [{ nodes } as const, { nodesAway }]) {
      const round = new Round();
      round.other = undefined;
      round.present = { ...round.present, status: { ...round.present.status, ...known } };
      await round.run();
      assertRefused(round, /other has not said what it has mounted since its FamfsNode was deleted/);
    }
  });

  it('formats when the Node of that one is deleted', async () => {
    for (const other of [silent, undefined]) {
      const round = new Round();
      round.other = other;
      round.names = ['master'];
      await round.run();
      assert.deepEqual(round.formatted, [poolUuid]);
    }
  });
});

describe('a node that is asked to let go', () => {
  it('has its mounter do so in this attempt, whatever that held before, and says so', async () => {
    const round = new Round();
    round.known = poolAt('Releasing');
    round.formats = [{ ...released, attempt: 'zero' }];
    await round.run();
    assert.deepEqual([round.held, round.formats], [[poolUuid], [released]]);
  });
});

describe('a node that holds a pool', () => {
  it('takes it up again when its reset was refused', async () => {
    const round = new Round();
    round.known = poolAt('Refused');
    round.present = poolAt('Refused');
    await round.run();
    assert.deepEqual(round.lifted, [poolUuid]);
  });

  it('does not when another attempt has begun since, of which it was not told yet', async () => {
    const round = new Round();
    round.known = poolAt('Refused');
    await round.run();
    assert.deepEqual(round.lifted, []);
  });
});
