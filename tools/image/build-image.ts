// Builds the image of this checkout by its Dockerfile and leaves it as an archive in dist/image, unless that is there.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { acquireFileLock } from '../../src/linux/file-lock.ts';
import { projectRoot } from '../run-tool.ts';
import { type ImageBuild, type ImageOrder, prepareBuild, runBuild } from './image-build.ts';
import { type ImageLayer, packOciArchive, readOciImage } from './oci-layout.ts';
import { smokeTest } from './smoke-test.ts';
import type { SpdxDocument } from './software-bill.ts';

export interface BuiltImage {
  /** Of all that it was made of. */
  readonly key: string;
  /** Name and tag. */
  readonly image: string;
  /** Of the image's manifest: what it can be pulled by. */
  readonly manifestDigest: string;
  /** The file that holds it, absolute. */
  readonly archive: string;
  readonly layers: readonly ImageLayer[];
  readonly debianPackages: number;
  readonly npmPackages: number;
}

/** What all builds keep: images of buildah, and the lock that lets one build at a time. */
const cache = path.join(projectRoot, '.cache/image');

/**
 * Builds the image, tries it, and writes archive, bill of materials and a summary. Wants root and, the first time,
 * Debian's archive and a registry of npm.
 * @param isFresh build although nothing has changed
 * @throws Error when it cannot be built, or does not do what the smoke test asks of it
 */
export async function buildImage(order: ImageOrder, isFresh: boolean): Promise<BuiltImage> {
  using workshop = await enterWorkshop();
  const { folder } = workshop;
  const build = prepareBuild(order, cache, folder);
  const files = outputFiles(build);
  const known = isFresh ? undefined : readSummary(files.summary);
  if (known?.key === build.key && existsSync(known.archive)) return known;
  const name = `localhost/famfs-csi:${order.architecture}`;
  runBuild(build, name);
  try {
    const layout = exportImage(build, name, path.join(folder, 'layout'));
    const image = await readOciImage(layout);
    const bill = smokeTest(build, name, image);
    mkdirSync(path.dirname(files.archive), { recursive: true });
    packOciArchive(layout, build.image, files.archive);
    writeFileSync(files.bill, bill);
    const built: BuiltImage = {
      key: build.key,
      image: build.image,
      manifestDigest: image.manifestDigest,
      archive: files.archive,
      layers: image.layers,
      ...countPackages(JSON.parse(bill) as SpdxDocument),
    };
    writeFileSync(files.summary, `${JSON.stringify(built, undefined, 2)}\n`);
    return built;
  } finally {
    build.buildah.run('rmi', '--force', name);
    build.buildah.prune();
  }
}

/**
 * Builds the image twice, from nothing but its base, and compares the two.
 * @returns what differs, a line each; nothing when they are the same to the last byte
 */
export async function findDifferences(order: ImageOrder): Promise<readonly string[]> {
  using workshop = await enterWorkshop();
  const { folder } = workshop;
  const build = prepareBuild(order, cache, folder);
  const [first, second] = ['first', 'second'].map((turn) => {
    const name = `localhost/famfs-csi:${turn}`;
    runBuild(build, name, { fetchAgain: true });
    const layout = exportImage(build, name, path.join(folder, turn));
    build.buildah.run('rmi', '--force', name);
    return layout;
  });
  build.buildah.prune();
  if (first === undefined || second === undefined) throw new Error('two builds gave no two images');
  const images = [await readOciImage(first), await readOciImage(second)];
  const lines = images.map(({ manifestDigest, layers }) =>
    [`manifest ${manifestDigest}`, ...layers.map(({ diffId }) => `layer ${diffId}`)].join('\n'),
  );
  return lines[0] === lines[1] ? [] : lines;
}

/** Waits until no other build runs; the folder is empty, and is removed at the end. */
async function enterWorkshop(): Promise<{ readonly folder: string } & Disposable> {
  mkdirSync(cache, { recursive: true });
  const lock = await acquireFileLock(path.join(cache, 'lock'));
  const folder = path.join(cache, 'work');
  const clear = (): void => rmSync(folder, { recursive: true, force: true });
  // One that was ended by force has left its own.
  clear();
  mkdirSync(folder);
  return {
    folder,
    [Symbol.dispose]: () => {
      clear();
      lock.release();
    },
  };
}

function exportImage({ buildah }: ImageBuild, name: string, layout: string): string {
  buildah.run('push', '--quiet', '--format', 'oci', name, `oci:${layout}:image`);
  return layout;
}

function outputFiles({
  version,
  order,
}: ImageBuild): Readonly<Record<'archive' | 'bill' | 'summary', string>> {
  const stem = path.join(projectRoot, 'dist/image', `famfs-csi-${version}-${order.architecture}`);
  return { archive: `${stem}.tar`, bill: `${stem}.spdx.json`, summary: `${stem}.json` };
}

function readSummary(file: string): BuiltImage | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as BuiltImage) : undefined;
}

function countPackages({ packages }: SpdxDocument): Pick<BuiltImage, 'debianPackages' | 'npmPackages'> {
  const count = (kind: string): number =>
    packages.filter(({ SPDXID }) => SPDXID.startsWith(`SPDXRef-${kind}-`)).length;
  return { debianPackages: count('deb'), npmPackages: count('npm') };
}
