// Which records go with a file system that was replaced.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { otherUuid, poolUuid } from '../../test/cluster-objects.ts';
import type { PoolUuid } from '../volumes/ids.ts';
import { newStatus, type VolumePhase, type VolumeRecord } from '../volumes/volume-record.ts';
import { stragglersOf } from './pool-contents.ts';

function volume(name: string, phase: VolumePhase, uuid = poolUuid, poolName = 'models'): VolumeRecord {
  return {
    ...{ name, version: '1', deleting: false, status: { ...newStatus, phase } },
    spec: {
      ...{ volumeId: `${uuid}.${name}`, poolName, poolUuid: uuid as PoolUuid, slot: name, node: 'a' },
      layout: { kind: 'file', fileCount: 1, fileSizeBytes: 2n << 20n, fileMode: 0o644, owner: undefined },
      ...{ range: { requiredBytes: 1n, limitBytes: 0n }, access: 'rw-safe', claim: undefined },
    },
  };
}

describe('volumes that came too late for a reset', () => {
  const namesOf = (volumes: readonly VolumeRecord[], uuids: readonly string[]): string[] =>
    stragglersOf('models', new Set(uuids), { volumes }).map(({ name }) => name);

  it('are those of a file system that is no more, also when their node has begun to try', () => {
    const volumes = [
      volume('untouched', 'Pending'),
      volume('tried', 'Creating'),
      volume('answered', 'Ready'),
      volume('new', 'Creating', otherUuid),
      volume('elsewhere', 'Pending', poolUuid, 'others'),
    ];
    assert.deepEqual(namesOf(volumes, [otherUuid]), ['untouched', 'tried']);
  });

  it('are none while another pool is that file system', () => {
    assert.deepEqual(namesOf([volume('waits', 'Pending')], [otherUuid, poolUuid]), []);
  });
});
