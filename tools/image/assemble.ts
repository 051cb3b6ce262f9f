// Runs in the image's build: makes the bundles and lays out, in two trees, what goes into the image: `runtime`, which
// changes when Node or a Debian package does, and `program`, which changes with every release.
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type BundleResult, bundles, makeBundle } from '../bundle.ts';
import { projectRoot } from '../run-tool.ts';
import { parseDebianPackages } from './debian-packages.ts';
import { lockedPackage } from './lockfile.ts';
import { type Architecture, architectureFrom, nativePackagesFor } from './native-packages.ts';
import { licenseTexts, type NpmPackage, packagesOfBundles, readNpmPackage } from './npm-packages.ts';
import { softwareBill } from './software-bill.ts';

/** Where the program lies in the image. */
const home = 'opt/famfs-csi';
/** Debian packages that the image has besides its base, unpacked here by fetch-debian.sh. */
const debianAdded = '/debian';
const debianNames = ['tini'];
/** Packages with machine code of the image's architecture, put here by fetch-native.ts. */
const native = '/native';
/** dpkg's records of the base image, put here by the Dockerfile. */
const baseStatus = '/base/status';

interface Order {
  readonly architecture: Architecture;
  readonly createdEpoch: number;
  readonly out: string;
}

async function assemble({ architecture, createdEpoch, out }: Order): Promise<void> {
  const runtime = path.join(out, 'runtime');
  const program = path.join(out, 'program');
  const machineCode = layOutNode(architecture, path.join(runtime, home));
  for (const name of debianNames) layOutDebian(name, runtime);
  const made = await makeBundles(path.join(program, home, 'dist'));
  layOutLauncher(program);
  const fromBundles = packagesOfBundles(
    projectRoot,
    made.map(({ metafile }) => metafile),
  );
  const npm = [...fromBundles, ...machineCode].sort((a, b) => (a.folder < b.folder ? -1 : 1));
  const debian = [baseStatus, ...debianNames.map((name) => path.join(debianAdded, name, 'control'))];
  const bill = softwareBill({
    version: readNpmPackage(projectRoot, '.').version,
    architecture,
    createdEpoch,
    npm: npm.map((found) => ({ ...found, integrity: lockedPackage(lockfile, found.folder).integrity })),
    debian: debian.flatMap((file) => parseDebianPackages(readFileSync(file, 'utf8'))),
  });
  const place = path.join(program, home);
  writeFileSync(path.join(place, 'sbom.spdx.json'), `${JSON.stringify(bill, undefined, 1)}\n`);
  writeFileSync(path.join(place, 'THIRD-PARTY-LICENSES'), licensesOf(npm));
  cpSync(path.join(projectRoot, 'LICENSE'), path.join(place, 'LICENSE'));
}

const lockfile = path.join(projectRoot, 'package-lock.json');

/** Node and koffi: what the bundles need beside them. */
function layOutNode(architecture: Architecture, place: string): NpmPackage[] {
  const { node, koffi } = nativePackagesFor(architecture);
  mkdirSync(path.join(place, 'bin'), { recursive: true });
  cpSync(path.join(native, node, 'bin/node'), path.join(place, 'bin/node'));
  chmodSync(path.join(place, 'bin/node'), 0o755);
  const modules = path.join(place, 'node_modules');
  // Of koffi what runs; C++ and documentation are most of it.
  const isNeeded = (source: string): boolean =>
    !/\/(?:doc|vendor|lib)(?:\/|$)|\.(?:md|ts|txt|cc|hh|h|inc|S|asm|lock)$/.test(source) ||
    /LICENSE/.test(source);
  cpSync(path.join(projectRoot, 'node_modules/koffi'), path.join(modules, 'koffi'), {
    recursive: true,
    filter: (source) => isNeeded(path.relative(path.join(projectRoot, 'node_modules'), source)),
  });
  // The image has glibc, so that code for musl is never loaded.
  cpSync(path.join(native, koffi), path.join(modules, koffi), {
    recursive: true,
    filter: (source) => !path.basename(source).startsWith('musl'),
  });
  return [
    ...[node, koffi].map((name) => ({
      ...readNpmPackage(native, name),
      folder: `node_modules/${name}`,
    })),
    readNpmPackage(projectRoot, 'node_modules/koffi'),
  ];
}

/** Files of a Debian package as dpkg would put them, and its record where scanners look for packages without dpkg. */
function layOutDebian(name: string, root: string): void {
  const from = path.join(debianAdded, name);
  const isNeeded = (source: string): boolean =>
    !/\/usr\/share\/(?:man|doc\/.*\/(?!copyright))|\/tini-static$/.test(source);
  cpSync(path.join(from, 'files'), root, { recursive: true, filter: isNeeded });
  const records = path.join(root, 'var/lib/dpkg/status.d');
  mkdirSync(records, { recursive: true });
  cpSync(path.join(from, 'control'), path.join(records, name));
}

async function makeBundles(dist: string): Promise<readonly BundleResult[]> {
  mkdirSync(dist, { recursive: true });
  writeFileSync(path.join(dist, 'package.json'), '{"type":"commonjs"}\n');
  const made: BundleResult[] = [];
  for (const bundle of bundles) made.push(await makeBundle(bundle, dist));
  return made;
}

function layOutLauncher(root: string): void {
  const folder = path.join(root, 'usr/local/bin');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'famfs-csi');
  cpSync(path.join(import.meta.dirname, 'famfs-csi.sh'), file);
  chmodSync(file, 0o755);
}

function licensesOf(npm: readonly NpmPackage[]): string {
  const sections = npm.map(({ name, version, license, directory }) =>
    [`${name} ${version}: ${license ?? 'license not stated'}`, ...licenseTexts(directory)].join('\n\n'),
  );
  return `${sections.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

const { values } = parseArgs({
  options: { arch: { type: 'string' }, created: { type: 'string' }, out: { type: 'string' } },
});
const createdEpoch = Number(values.created);
if (values.out === undefined || !Number.isSafeInteger(createdEpoch))
  throw new Error('assemble.ts --arch ARCH --created SECONDS --out DIR');
await assemble({ architecture: architectureFrom(values.arch), createdEpoch, out: values.out });
