// `npm run image`: builds the image of the driver by the Dockerfile, tries it, and writes it to dist/image.
import { parseArgs } from 'node:util';
import { type BuiltImage, buildImage, findDifferences } from './image/build-image.ts';
import { baseMaker, imageBuilder } from './image/debian-tools.ts';
import type { ImageOrder } from './image/image-build.ts';
import { architectureFrom, ownArchitecture } from './image/native-packages.ts';
import { forbidInstalling, noInstallHelp } from './needed-packages.ts';
import { endOnSignals, privateFolder, runInPrivateNamespaces } from './private-namespaces.ts';

const usage = `npm run image [-- OPTION…]

Builds the container image with buildah, on a base made of Debian's packages by debootstrap, and writes an OCI archive, its
software bill of materials (SPDX) and a summary to dist/image. Does nothing when what is there is made of the same. Runs as root,
and installs the Debian packages ${imageBuilder} and ${baseMaker} where they are missing.

  --arch amd64|arm64     for another architecture than this machine's, with --base; such an image is built, but not tried
  --base IMAGE           build on an image of a registry instead, such as docker.io/library/debian:trixie-slim
  --famfs DIR            lay these files over /: famfs's own programs, for --famfs-location=image
  --fresh                build although nothing has changed
  --fresh-base           make the base anew as well
  --check-reproducible   build it twice from its base on and compare the two
  --no-install           ${noInstallHelp}`;

const { values } = parseArgs({
  options: {
    arch: { type: 'string' },
    base: { type: 'string' },
    famfs: { type: 'string' },
    fresh: { type: 'boolean', default: false },
    'fresh-base': { type: 'boolean', default: false },
    'check-reproducible': { type: 'boolean', default: false },
    'no-install': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (values['no-install']) forbidInstalling();
  const order: ImageOrder = {
    architecture: values.arch === undefined ? ownArchitecture() : architectureFrom(values.arch),
    base: values.base,
    isBaseFresh: values['fresh-base'],
    famfs: values.famfs,
  };
  if (process.getuid?.() !== 0)
    throw new Error('Building the image needs root: it makes files of many owners.');
  if (privateFolder() === undefined) return runInPrivateNamespaces();
  endOnSignals();
  const built = await buildImage(order, values.fresh || values['fresh-base']);
  console.log(describe(built));
  if (!values['check-reproducible']) return 0;
  console.log('building it twice more, to compare …');
  const differences = await findDifferences(order);
  console.log(differences.length === 0 ? 'both are the same, to the last byte' : differences.join('\n\n'));
  return differences.length === 0 ? 0 : 1;
}

function describe(built: BuiltImage): string {
  const total = (of: 'storedBytes' | 'unpackedBytes'): string =>
    mib(built.layers.reduce((sum, layer) => sum + layer[of], 0));
  return [
    `${built.image}  ${built.manifestDigest}`,
    `${total('storedBytes')} to pull, ${total('unpackedBytes')} unpacked; packages: ${built.debianPackages} of Debian, ${built.npmPackages} of npm`,
    ...built.layers.map(
      ({ diffId, digest, storedBytes }) => `  layer ${diffId}  ${mib(storedBytes)} as ${digest}`,
    ),
    built.archive,
  ].join('\n');
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
