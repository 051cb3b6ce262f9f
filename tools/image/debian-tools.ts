// Programs of Debian packages that building the image needs. Must not know what they are used for.
import { canRun, installPackages } from '../needed-packages.ts';

/** What the image is built with when its base is made here, each named as its package is. */
export const imageBuilder = 'buildah';
export const baseMaker = 'debootstrap';

/**
 * Sees to it that there are these programs, each named as its package is.
 * @throws Error with what to do when they cannot be installed here
 */
export function requirePrograms(names: readonly string[]): void {
  const missing = names.filter((name) => !canRun(name));
  installPackages(missing, 'Building the image', (line) => console.error(`famfs-csi: ${line}`));
}
