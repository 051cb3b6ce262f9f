// Runs in the image's build: fetches the packages with machine code for the image's architecture, which need not be that
// of the machine that builds, and so are not what `npm ci` installs. Held to the lockfile like all others.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { lockedPackage } from './lockfile.ts';
import { architectureFrom, nativePackagesFor } from './native-packages.ts';

const lockfile = path.join(import.meta.dirname, '../../package-lock.json');

/**
 * Unpacks a package of the lockfile into `folder`.
 * @throws Error when npm delivers something else than the lockfile promises
 */
function fetchPackage(name: string, folder: string): void {
  const { version, integrity } = lockedPackage(lockfile, `node_modules/${name}`);
  const place = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-fetch-'));
  try {
    const argv = ['pack', `${name}@${version}`, '--json', '--pack-destination', place, '--loglevel=error'];
    const [packed] = JSON.parse(execFileSync('npm', argv, { encoding: 'utf8', cwd: place })) as {
      filename: string;
    }[];
    // Older releases of npm name the archive of a scoped package as the package, newer ones as the file.
    const archive = path.join(place, (packed?.filename ?? '').replace(/^@/, '').replaceAll('/', '-'));
    const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (found !== integrity)
      throw new Error(`${name}@${version} has the checksum ${found}; the lockfile holds it to ${integrity}.`);
    mkdirSync(folder, { recursive: true });
    execFileSync('tar', ['--extract', '--file', archive, '--directory', folder, '--strip-components=1']);
  } finally {
    rmSync(place, { recursive: true });
  }
}

const { values } = parseArgs({ options: { arch: { type: 'string' }, to: { type: 'string' } } });
if (values.to === undefined) throw new Error('--to DIR is missing');
const { node, koffi } = nativePackagesFor(architectureFrom(values.arch));
for (const name of [node, koffi]) fetchPackage(name, path.join(values.to, name));
// Headers and manuals are a third of it.
for (const part of ['include', 'share']) rmSync(path.join(values.to, node, part), { recursive: true });
