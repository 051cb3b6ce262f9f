// Makes the base of the image from Debian's own packages, under the name that the Dockerfile uses, for a machine that
// reaches Debian's archive and no registry of images. Must not know what is built on it.
import { execFileSync } from 'node:child_process';
import { globSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Buildah } from './buildah.ts';
import type { Architecture } from './native-packages.ts';

const suite = 'trixie';

/** What the official image leaves out, and what tells of the moment at which this one was made. */
const leftOut = [
  'dev/*',
  'etc/hostname',
  'etc/machine-id',
  'etc/resolv.conf',
  'run/*',
  'tmp/*',
  'usr/share/{info,lintian,linda,groff,locale,man}/*',
  'var/{cache,lib}/{debconf,dpkg}/*-old',
];
/** Folders that stay, without the files in them. */
const emptied = ['var/cache/apt', 'var/cache/ldconfig', 'var/lib/apt/lists', 'var/log'];

/** Told to dpkg, so that packages installed later bring no more than those that are there. */
const dpkgExclusions = `path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/groff/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
`;

/**
 * Makes the image and commits it. Takes half a minute.
 * @param folder an empty folder to work in
 */
export function makeBaseImage(
  buildah: Buildah,
  name: string,
  architecture: Architecture,
  folder: string,
): void {
  const tree = path.join(folder, 'base');
  mkdirSync(tree);
  console.error(`famfs-csi: making ${name} for ${architecture} of Debian's packages …`);
  const epoch = debootstrap(tree, architecture);
  slim(tree);
  const container = buildah.run('from', 'scratch');
  try {
    buildah.run('copy', '--quiet', container, tree, '/');
    const words = [
      '--arch',
      architecture,
      '--os',
      'linux',
      '--cmd',
      'bash',
      '--label',
      `org.debian.suite=${suite}`,
    ];
    buildah.run('config', ...words, container);
    buildah.run('commit', '--quiet', '--timestamp', String(epoch), container, name);
  } finally {
    buildah.run('rm', container);
    rmSync(tree, { recursive: true });
  }
}

/** @returns when the newest of its packages was made, in seconds since 1970: no later than that are its files */
function debootstrap(tree: string, architecture: Architecture): number {
  const env = { ...process.env, SOURCE_DATE_EPOCH: '0', DEBIAN_FRONTEND: 'noninteractive' };
  const words = ['--variant=minbase', `--arch=${architecture}`, suite, tree];
  try {
    execFileSync('debootstrap', words, { env, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 28 });
  } catch (error) {
    const log = path.join(tree, 'debootstrap/debootstrap.log');
    throw new Error(`debootstrap failed:\n${readOrEmpty(log).slice(-2000)}`, { cause: error });
  }
  const times = globSync('usr/share/doc/*/changelog*', { cwd: tree }).map(
    (file) => lstatSync(path.join(tree, file)).mtimeMs / 1000,
  );
  return Math.floor(Math.max(0, ...times));
}

function slim(tree: string): void {
  for (const entry of globSync(leftOut, { cwd: tree })) rmSync(path.join(tree, entry), { recursive: true });
  for (const folder of emptied) {
    for (const file of filesBelow(path.join(tree, folder))) rmSync(file);
  }
  // Of the documentation the licenses stay; some packages share a folder by a symbolic link to it.
  const documentation = path.join(tree, 'usr/share/doc');
  for (const { name } of readdirSync(documentation, { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  )) {
    for (const file of filesBelow(path.join(documentation, name)))
      if (path.basename(file) !== 'copyright') rmSync(file);
  }
  writeFileSync(path.join(tree, 'etc/dpkg/dpkg.cfg.d/docker'), dpkgExclusions);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
