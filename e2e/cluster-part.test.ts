import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ClusterFolder } from './cluster/cluster-folder.ts';
import { besideFolders, mostClusters } from './cluster-part.ts';

describe('the clusters beside one', () => {
  test('are numbered after it, however long its name may be', () => {
    const name = 'twenty-letters-long1';
    const folders = besideFolders(new ClusterFolder(name), mostClusters);
    assert.deepEqual(
      folders.map((folder) => folder.name),
      [`${name}+2`, `${name}+3`, `${name}+4`],
    );
    assert.deepEqual(besideFolders(new ClusterFolder('gate'), 1), []);
  });

  test('have none beside themselves', () => {
    assert.deepEqual(besideFolders(new ClusterFolder('gate+2'), 2), []);
  });
});
