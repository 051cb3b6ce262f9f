import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import {
  maximumFileCount,
  parameterDescriptions,
  parseClassParameters,
  provisionerTimeoutMs,
} from './class-parameters.ts';

const valuesFile = path.join(import.meta.dirname, '../../charts/famfs-csi/values.yaml');

describe('the parameters of a class', () => {
  it('may all be left out', () => {
    assert.deepEqual(parseClassParameters({}), {
      pools: [],
      layout: 'file',
      fileCount: 1,
      fileMode: 0o666,
      owner: undefined,
    });
  });

  it('are read', () => {
    const parameters = {
      pool: 'a, b,a',
      layout: 'files',
      fileCount: '12',
      fileMode: '0640',
      uid: '7',
      gid: '8',
    };
    assert.deepEqual(parseClassParameters({ ...parameters, 'csi.storage.k8s.io/pvc/name': 'claim' }), {
      pools: ['a', 'b'],
      layout: 'files',
      fileCount: 12,
      fileMode: 0o640,
      owner: { uid: 7, gid: 8 },
    });
  });

  it('are refused by name, with what was meant', () => {
    const refused: [Record<string, string>, RegExp][] = [
      [{ pools: 'a' }, /"pools" is unknown.*Did you mean "pool"\?/],
      [{ constructor: 'a' }, /"constructor" is unknown/],
      [{ pool: '' }, /"pool" names ""/],
      [{ pool: '../a' }, /"pool" names/],
      [{ layout: 'block' }, /"layout" is file or files/],
      [{ fileCount: '2' }, /"fileCount" goes with layout: files/],
      [{ layout: 'files', fileCount: '0' }, /"fileCount"/],
      [{ layout: 'files', fileCount: String(maximumFileCount + 1) }, /"fileCount"/],
      [{ layout: 'files', fileCount: '1e2' }, /"fileCount"/],
      [{ fileMode: '4755' }, /"fileMode"/],
      [{ fileMode: '0888' }, /"fileMode"/],
      [{ gid: '5' }, /"gid" needs uid beside it: famfs sets/],
      [{ uid: '5' }, /"uid" needs gid/],
      [{ uid: '0', gid: '5' }, /"uid" and gid are both 0 or both above/],
      [{ uid: '4294967295', gid: '5' }, /"uid" is a whole number/],
    ];
    for (const [parameters, message] of refused) {
      assert.throws(() => parseClassParameters(parameters), { reason: 'invalid-argument', message });
    }
  });

  it('are each described once', () => {
    const keys = parameterDescriptions.map(({ key }) => key);
    assert.equal(new Set(keys).size, keys.length);
    for (const { meaning } of parameterDescriptions) assert.match(meaning, /\.$/);
  });
});

describe('the most files of a volume', () => {
  it('are reckoned with the timeout that the chart gives the provisioner', () => {
    const values = parse(readFileSync(valuesFile, 'utf8'));
    assert.equal(values.controller.provisioner.timeout, `${provisionerTimeoutMs / 1000}s`);
  });

  it('can be made within it by the slowest command that was seen on a kernel with famfs', () => {
    const slowestCreatMs = 110;
    assert.ok(maximumFileCount * slowestCreatMs < provisionerTimeoutMs);
    assert.ok(maximumFileCount * slowestCreatMs > provisionerTimeoutMs * 0.9, 'and not far fewer');
  });
});
