// The chart of this tree as the next one after those that are released: what must stay as it was, and how it is packaged. Run
// by `npm run chart`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fieldsForGood } from './for-good.ts';
import { chartFolder, noHelm, type RenderedObject, renderChart, runHelm } from './helm.ts';
import { valueFile, valueSets } from './made-files.ts';
import { filesOfPackage, packageChart, releasedCharts } from './released-charts.ts';
import { byKind, only } from './rendered-objects.ts';

describe('the chart after the released ones', { skip: noHelm }, () => {
  const values = {
    pools: [{ name: 'shelf', fileSystemUUID: '4da8f6be-8dbd-4bfc-bad2-3c0f78ba87bf' }],
    storageClasses: [{ name: 'famfs', parameters: { pool: 'shelf' } }],
  };
  const now = noHelm === false ? renderChart({ values }) : [];
  const named = ({ kind, metadata }: RenderedObject): string => `${kind} ${metadata.name}`;

  for (const { version, file } of releasedCharts()) {
    const then = noHelm === false ? renderChart({ chart: file, values }) : [];

    test(`passes the lint of Helm as it was packaged for ${version}`, () => {
      const { status, stdout, stderr } = runHelm(['lint', '--strict', file]);
      assert.equal(status, 0, stdout + stderr);
    });

    test(`has the fields for good that ${version} was released with`, () => {
      const kept = then.filter((object) => Object.keys(fieldsForGood(object)).length > 0);
      assert.ok(kept.some(({ kind }) => kind === 'CSIDriver') && kept.length > 5);
      for (const object of kept) {
        const next = now.find((each) => named(each) === named(object));
        // What is called otherwise is another object. The CSIDriver and the API kinds cannot be.
        if (next === undefined) assert.doesNotMatch(object.kind, /^C(SIDriver|ustom)/, named(object));
        else assert.deepEqual(fieldsForGood(next), fieldsForGood(object), named(object));
      }
    });

    test(`serves every version of an API kind that ${version} stored objects in`, () => {
      const versionsOf = ({ spec }: RenderedObject): string[] =>
        spec.versions
          .filter(({ served }: { readonly served: boolean }) => served)
          .map(({ name }: { readonly name: string }) => name);
      for (const crd of byKind(then, 'CustomResourceDefinition')) {
        const next = versionsOf(only(now, crd.kind, crd.metadata.name));
        assert.deepEqual(
          versionsOf(crd).filter((name) => !next.includes(name)),
          [],
          crd.metadata.name,
        );
      }
    });
  }

  for (const name of valueSets) {
    test(`has a CSIDriver that is the same for good, and that no hook deletes (${name})`, () => {
      const driver = only(renderChart({ valueFiles: [valueFile(name)] }), 'CSIDriver', 'csi.famfs.io');
      assert.deepEqual(fieldsForGood(driver), fieldsForGood(only(now, 'CSIDriver', 'csi.famfs.io')));
      assert.deepEqual(
        Object.keys(driver.metadata.annotations ?? {}).filter((key) => key.startsWith('helm.sh/')),
        [],
      );
    });
  }

  test('is packaged to the same bytes whenever that is done, which hold what is in the folder', () => {
    const places = [0, 1].map(() => mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-packages-')));
    try {
      const [one = '', other = ''] = places.map(packageChart);
      assert.ok(readFileSync(one).equals(readFileSync(other)));
      // Nor does it tell when that was, which two of one second would not show.
      const listed = execFileSync('tar', ['--list', '--verbose', '--full-time', '--file', one], {
        encoding: 'utf8',
      });
      const times = listed
        .trim()
        .split('\n')
        .map((line) => line.split(/ +/).slice(3, 5).join(' '));
      assert.deepEqual([...new Set(times)].length, 1, String(times));
      const files = filesOfPackage(one);
      for (const name of ['values.yaml', 'files/rbac/node.yaml', 'templates/_helpers.tpl'])
        assert.equal(files.get(name), readFileSync(path.join(chartFolder, name), 'utf8'), name);
    } finally {
      for (const place of places) rmSync(place, { recursive: true });
    }
  });
});
