// What package-lock.json says of packages. Must not know what they are for.
import { readFileSync } from 'node:fs';

export interface LockedPackage {
  readonly version: string;
  /** Subresource Integrity of the package's archive: `sha512-` and base64. */
  readonly integrity: string;
}

/**
 * The version and checksum that the lockfile holds a package to.
 * @param folder where npm puts it, from the project's root: `node_modules/@grpc/grpc-js`
 * @throws Error when the lockfile does not have it
 */
export function lockedPackage(lockfile: string, folder: string): LockedPackage {
  const { packages = {} } = JSON.parse(readFileSync(lockfile, 'utf8')) as {
    packages?: Record<string, Partial<LockedPackage>>;
  };
  const { version, integrity } = packages[folder] ?? {};
  if (version === undefined || integrity === undefined)
    throw new Error(`${lockfile} holds no version and checksum for ${folder}.`);
  return { version, integrity };
}
