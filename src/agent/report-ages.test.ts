// How long a report of another node counts, whatever its clock says.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { famfsNode } from '../../test/cluster-objects.ts';
import type { FamfsNode } from '../kubernetes/famfs-node.ts';
import { ReportAges } from './report-ages.ts';

describe('a report', () => {
  const startMs = Date.parse('2026-01-01T12:00:00Z');
  let nowMs: number;
  let ages: ReportAges;

  beforeEach(() => {
    nowMs = startMs;
    ages = new ReportAges(() => nowMs);
  });

  /** @param clockMs what the node's own clock says */
  const at = (clockMs: number): FamfsNode => famfsNode('b', { reportedAt: new Date(clockMs).toISOString() });
  const isPast = (report: FamfsNode): boolean => ages.past([report]).has('b');

  it('is the past when it is older than a node may be silent, and when there is none', () => {
    assert.ok(!isPast(at(nowMs - 60_000)));
    nowMs += 121_000;
    assert.ok(isPast(at(startMs - 60_000)));
    assert.ok(!isPast(at(startMs - 59_000)));
    const { status: _, ...silent } = at(nowMs);
    assert.ok(isPast(silent));
  });

  it('of a node whose clock is wrong counts when it came since the last look', () => {
    const aheadMs = 3_600_000;
    for (const offMs of [aheadMs, -aheadMs]) {
      ages = new ReportAges(() => nowMs);
      assert.ok(isPast(at(nowMs + offMs)), 'nobody can know how old it is');
      nowMs += 70_000;
      assert.ok(!isPast(at(nowMs + offMs)));
      const last = at(nowMs + offMs);
      nowMs += 110_000;
      assert.ok(!isPast(last), 'it cannot be older than the look before it');
      nowMs += 1_000;
      assert.ok(isPast(last), 'it said nothing since');
      nowMs += 200_000;
      assert.ok(isPast(at(nowMs + offMs)), 'it may have come at any time since');
    }
  });
});
