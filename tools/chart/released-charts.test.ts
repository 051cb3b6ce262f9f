import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { projectRoot } from '../run-tool.ts';
import { chartFolder } from './helm.ts';
import { chartVersion, filesOfPackage, newestRelease, releasedCharts } from './released-charts.ts';
import { compareVersions } from './versions.ts';

describe('the released charts', () => {
  for (const { version, file } of releasedCharts()) {
    test(`have one of ${version} that says so of itself and of its driver, and has all that a chart needs`, () => {
      const files = filesOfPackage(file);
      const metadata = parse(files.get('Chart.yaml') ?? '');
      assert.deepEqual(
        [metadata.name, metadata.version, metadata.appVersion],
        ['famfs-csi', version, version],
      );
      for (const name of ['README.md', 'values.yaml', 'values.schema.json', 'templates/csidriver.yaml'])
        assert.ok(files.has(name), name);
      const kinds = [...files.keys()].filter((name) => name.startsWith('files/crds/'));
      assert.ok(kinds.length >= 3, String(kinds));
      const foreign = [...files.keys()].filter((name) => /^ci\/|\.test\.ts$/.test(name));
      assert.deepEqual(foreign, []);
    });
  }

  test('are older than the chart of this tree, or the newest of them is that very chart', () => {
    const newest = newestRelease();
    const difference = compareVersions(chartVersion(), newest.version);
    assert.ok(difference >= 0, `${chartVersion()} is older than ${newest.version}, which is released`);
    if (difference > 0) return;
    const here = (name: string): string => readFileSync(path.join(chartFolder, name), 'utf8');
    const kept = filesOfPackage(newest.file);
    // Helm writes the metadata in an order of its own.
    assert.deepEqual(parse(here('Chart.yaml')), parse(kept.get('Chart.yaml') ?? ''));
    const changed = [...kept].filter(([name, text]) => name !== 'Chart.yaml' && here(name) !== text);
    assert.deepEqual(
      changed.map(([name]) => name),
      [],
      `the chart has changed since ${newest.version} was released: give it a newer version`,
    );
  });

  test('are the versions of the changelog, each with its date, the newest first', () => {
    const text = readFileSync(path.join(projectRoot, 'CHANGELOG.md'), 'utf8');
    const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading = '']) => heading);
    assert.equal(headings[0], '[Unreleased]');
    const dated = headings
      .slice(1)
      .map((heading) => /^\[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$/.exec(heading)?.[1]);
    const released = releasedCharts().map(({ version }) => version);
    assert.deepEqual(dated, released.toReversed());
  });
});

test('a version is newer by its first number that is larger, and nothing else is a version', () => {
  const ordered = ['0.1.0', '0.1.2', '0.1.10', '0.2.0', '1.0.0', '10.0.0'];
  assert.deepEqual(ordered.toReversed().sort(compareVersions), ordered);
  assert.equal(compareVersions('1.2.3', '1.2.3'), 0);
  for (const none of ['1.2', 'v1.2.3', '1.2.3-rc.1', '01.2.3', ''])
    assert.throws(() => compareVersions(none, '1.0.0'), /is no version/);
});

test('package, lockfile and chart name one version', () => {
  const read = (name: string) => JSON.parse(readFileSync(path.join(projectRoot, name), 'utf8'));
  const { version } = read('package.json');
  const locked = read('package-lock.json');
  assert.deepEqual(
    [chartVersion(), locked.version, locked.packages[''].version],
    [version, version, version],
  );
});

test('pages name images of the version that this tree makes', () => {
  const { version } = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8'));
  const named = globSync(['README.md', 'docs/*.md'], { cwd: projectRoot }).flatMap((page) => {
    const text = readFileSync(path.join(projectRoot, page), 'utf8');
    const images = text.matchAll(/famfs-csi\/famfs-csi:(\d[\w.]*)|famfs-csi-(\d+\.\d+\.\d+)-\w+\.tar/g);
    return [...images].map(([, tag, archive]) => `${page}: ${tag ?? archive}`);
  });
  assert.ok(named.length > 0);
  assert.deepEqual(
    named.filter((each) => !each.endsWith(`: ${version}`)),
    [],
  );
});
