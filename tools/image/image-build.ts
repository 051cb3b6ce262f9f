// One build of the image by buildah: what it is given, and how it is run. Must not know what becomes of the image.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../run-tool.ts';
import { makeBaseImage } from './base-image.ts';
import { Buildah } from './buildah.ts';
import { baseMaker, imageBuilder, requirePrograms } from './debian-tools.ts';
import { fetchedInputs, imageInputs, keyOfInputs } from './image-inputs.ts';
import { type Architecture, ownArchitecture } from './native-packages.ts';
import { makeNpmImage } from './npm-image.ts';

/** Under which name the image is known everywhere. */
export const imageRepository = 'ghcr.io/famfs-csi/famfs-csi';
/** The base, as the Dockerfile calls it. */
export const usualBase = 'docker.io/library/debian:trixie-slim';
/** What has npm, as the Dockerfile calls it. */
export const usualNpm = 'docker.io/library/node:24-trixie-slim';
const dependenciesName = 'localhost/famfs-csi-dependencies';

export interface ImageOrder {
  readonly architecture: Architecture;
  /** An image of a registry to build on; one is made of Debian's packages when left out. */
  readonly base: string | undefined;
  /** Make that one anew. */
  readonly isBaseFresh: boolean;
  /** A folder with famfs's programs to be laid over the image. */
  readonly famfs: string | undefined;
}

export interface ImageBuild {
  readonly order: ImageOrder;
  readonly buildah: Buildah;
  /** What the image is built on. */
  readonly baseImage: string;
  readonly version: string;
  /** Name and tag. */
  readonly image: string;
  /** When the project's files were last changed by a commit, in seconds since 1970: the time of all files in the image. */
  readonly epoch: number;
  readonly revision: string;
  /** Changes when anything does that the image is made of. */
  readonly key: string;
  /** The same for what is fetched. */
  readonly fetchKey: string;
}

/**
 * Sees to buildah and the base, and looks at what there is to build.
 * @param cache where buildah keeps its images
 * @param folder an empty folder to work in
 */
export function prepareBuild(order: ImageOrder, cache: string, folder: string): ImageBuild {
  const { architecture, base, isBaseFresh, famfs } = order;
  if (base === undefined && architecture !== ownArchitecture())
    throw new Error(
      `debootstrap can make a base of this machine's architecture only; name one for ${architecture} by --base.`,
    );
  requirePrograms([imageBuilder, ...(base === undefined ? [baseMaker] : [])]);
  const buildah = new Buildah(path.join(cache, 'buildah'));
  const baseImage =
    base === undefined ? makeBases(buildah, isBaseFresh, folder) : pullBases(buildah, base, architecture);
  const { version } = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  const { epoch, revision } = lastChange();
  const common = [buildah.imageId(baseImage) ?? baseImage, architecture];
  const inputs = ['Dockerfile', '.dockerignore', ...imageInputs];
  const laidOver = famfs === undefined ? '' : keyOfInputs(path.resolve(famfs), ['**'], []);
  return {
    order,
    buildah,
    baseImage,
    version,
    image: `${imageRepository}:${version}`,
    epoch,
    revision,
    key: keyOfInputs(projectRoot, inputs, [...common, String(epoch), revision, laidOver]),
    fetchKey: keyOfInputs(projectRoot, ['Dockerfile', ...fetchedInputs], common),
  };
}

/**
 * Makes the images that stand in for those of a registry, unless they are there and made in the same way.
 * @returns the name of the base
 */
function makeBases(buildah: Buildah, isFresh: boolean, folder: string): string {
  const way = keyOfInputs(projectRoot, ['tools/image/base-image.ts', 'tools/image/npm-image.ts'], []);
  // A second name tells which way an image was made.
  const marks = [usualBase, usualNpm].map(
    (name) => `localhost/stand-in-${path.basename(name).split(':')[0]}:${way}`,
  );
  if (!isFresh && marks.every((mark) => buildah.imageId(mark) !== undefined)) return usualBase;
  for (const name of buildah.names()) if (name.startsWith('localhost/stand-in-')) buildah.run('rmi', name);
  makeBaseImage(buildah, usualBase, ownArchitecture(), folder);
  makeNpmImage(buildah, usualNpm, usualBase, folder);
  for (const [at, name] of [usualBase, usualNpm].entries()) buildah.run('tag', name, marks[at] ?? '');
  return usualBase;
}

/** Fetches the base, and the image that has npm, from their registry, unless they are there. */
function pullBases(buildah: Buildah, base: string, architecture: Architecture): string {
  if (buildah.imageId(base) === undefined) buildah.run('pull', '--quiet', '--arch', architecture, base);
  if (buildah.imageId(usualNpm) === undefined) buildah.run('pull', '--quiet', usualNpm);
  return base;
}

/**
 * Builds the image under a local name. What was fetched for an earlier build is used again unless that is not wanted.
 * @throws Error when it fails
 */
export function runBuild(build: ImageBuild, name: string, { fetchAgain = false } = {}): void {
  const { buildah, epoch, revision, version, order } = build;
  const stage = fetchAgain
    ? []
    : ['--build-context', `dependencies=container-image://${fetchDependencies(build)}`];
  const famfs = order.famfs === undefined ? [] : ['--build-context', `famfs=${path.resolve(order.famfs)}`];
  buildah.build([
    ...commonOptions(build),
    ...stage,
    ...famfs,
    ...['--build-arg', `VERSION=${version}`, '--build-arg', `REVISION=${revision}`],
    ...['--build-arg', `SOURCE_DATE_EPOCH=${epoch}`, '--timestamp', String(epoch)],
    ...['--tag', name, projectRoot],
  ]);
}

/** The image of the Dockerfile's first stage; those of earlier inputs are removed. */
function fetchDependencies(build: ImageBuild): string {
  const { buildah, fetchKey, order } = build;
  const repository = `${dependenciesName}-${order.architecture}`;
  const name = `${repository}:${fetchKey}`;
  if (buildah.imageId(name) !== undefined) return name;
  for (const old of buildah.names()) if (old.startsWith(`${repository}:`)) buildah.run('rmi', old);
  buildah.build([...commonOptions(build), '--target', 'dependencies', '--tag', name, projectRoot]);
  return name;
}

function commonOptions({ order, baseImage }: ImageBuild): string[] {
  const certificates = process.env.NODE_EXTRA_CA_CERTS;
  const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim();
  return [
    ...[
      '--isolation',
      'chroot',
      '--format',
      'oci',
      '--layers',
      '--no-cache',
      '--quiet',
      '--identity-label=false',
    ],
    // The architecture of the image is that of its base; stages that fetch and assemble are of this machine's.
    ...[
      '--build-arg',
      `TARGETARCH=${order.architecture}`,
      '--build-arg',
      `BASE=${baseImage}`,
      '--pull-never',
    ],
    ...(registry === '' ? [] : ['--build-arg', `NPM_REGISTRY=${registry}`]),
    ...(certificates !== undefined && existsSync(certificates)
      ? ['--secret', `id=certificates,src=${certificates}`]
      : []),
    ...['--file', path.join(projectRoot, 'Dockerfile')],
  ];
}

/** The last commit that changed what the image is made of. A tree without history has none, and is of 1970. */
function lastChange(): { epoch: number; revision: string } {
  const git = (...args: string[]): string => {
    const { status, stdout } = spawnSync('git', args, { cwd: projectRoot, encoding: 'utf8' });
    return status === 0 ? stdout.trim() : '';
  };
  const inputs = ['Dockerfile', ...imageInputs];
  const [seconds = '0', commit = ''] = git('log', '-1', '--format=%ct %H', '--', ...inputs).split(' ');
  const isChanged = git('status', '--porcelain', '--', ...inputs) !== '';
  return { epoch: Number(seconds), revision: isChanged ? `${commit}-modified` : commit };
}
