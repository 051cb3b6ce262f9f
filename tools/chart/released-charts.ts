// The charts of released versions, which are kept as Helm packaged them: charts/released. Must not know what a chart renders to.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from '../run-tool.ts';
import { chartFolder, runHelm } from './helm.ts';
import { compareVersions } from './versions.ts';

/** A chart that was released. */
export interface ReleasedChart {
  /** Such as "0.1.0". */
  readonly version: string;
  /** The package, an absolute path. */
  readonly file: string;
}

export const releasedFolder = path.join(projectRoot, 'charts/released');

/** One time for every file, so that a package says nothing of when and where it was made. */
const packagedAt = new Date('2026-01-01T00:00:00Z');

/** All that are kept, the oldest first. */
export function releasedCharts(): ReleasedChart[] {
  return globSync('famfs-csi-*.tgz', { cwd: releasedFolder })
    .map((name) => ({
      version: name.slice('famfs-csi-'.length, -'.tgz'.length),
      file: path.join(releasedFolder, name),
    }))
    .sort((left, right) => compareVersions(left.version, right.version));
}

/** The newest of them. @throws Error when there is none */
export function newestRelease(): ReleasedChart {
  const newest = releasedCharts().at(-1);
  if (newest === undefined) throw new Error(`${releasedFolder} holds no chart.`);
  return newest;
}

/** The version that the chart of this tree calls itself. */
export function chartVersion(): string {
  return parse(readFileSync(path.join(chartFolder, 'Chart.yaml'), 'utf8')).version;
}

/**
 * Packages the chart of this tree by Helm, to the same bytes whenever and wherever that is done.
 * @param destination an existing folder
 * @returns the package's path
 * @throws Error with what Helm says when it refuses
 */
export function packageChart(destination: string): string {
  const place = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-package-'));
  try {
    const copy = path.join(place, path.basename(chartFolder));
    cpSync(chartFolder, copy, { recursive: true });
    for (const name of readdirSync(copy, { recursive: true, encoding: 'utf8' }))
      utimesSync(path.join(copy, name), packagedAt, packagedAt);
    const { status, stdout, stderr } = runHelm(['package', copy, '--destination', destination]);
    if (status !== 0) throw new Error(stdout + stderr);
    return path.join(destination, `famfs-csi-${chartVersion()}.tgz`);
  } finally {
    rmSync(place, { recursive: true });
  }
}

/** What is in a package: texts by their paths below the chart's folder. */
export function filesOfPackage(file: string): ReadonlyMap<string, string> {
  const place = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-package-'));
  try {
    execFileSync('tar', ['--extract', '--gzip', '--file', file, '--directory', place, '--no-same-owner']);
    const root = path.join(place, path.basename(chartFolder));
    return new Map(
      globSync('**', { cwd: root, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name))
        .sort()
        .map((name) => [path.relative(root, name), readFileSync(name, 'utf8')]),
    );
  } finally {
    rmSync(place, { recursive: true });
  }
}

/**
 * Keeps the chart of this tree as that of a release.
 * @returns the package's path
 * @throws Error when its version was released already with other content, or is older than one that was
 */
export function keepRelease(): string {
  const version = chartVersion();
  const place = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-package-'));
  try {
    const made = packageChart(place);
    const kept = path.join(releasedFolder, path.basename(made));
    const newer = releasedCharts().find((release) => compareVersions(release.version, version) >= 0);
    if (newer?.version === version && readFileSync(kept).equals(readFileSync(made))) return kept;
    if (newer !== undefined)
      throw new Error(
        `Version ${newer.version} of the chart is released, so this tree's, ${version}, cannot be any more: give Chart.yaml and package.json a newer one.`,
      );
    mkdirSync(releasedFolder, { recursive: true });
    writeFileSync(kept, readFileSync(made));
    return kept;
  } finally {
    rmSync(place, { recursive: true });
  }
}
