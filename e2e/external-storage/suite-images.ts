// Images that the external storage suite runs its pods from, for nodes that cannot pull them. Must not know the specs.
import type { ImageConfig } from '../cluster/image-archive.ts';
import { packBusybox } from '../cluster/images.ts';

/** Where the suite then finds its images: the file that KUBE_TEST_REPO_LIST names (JSON, which is YAML). */
export const registries = JSON.stringify({ promoterE2eRegistry: 'famfs-csi.test/e2e-test-images' });

/** By what of the images is asked for by specs that pass: others fail with them, and do not pass by mistake. */
const standIns: Readonly<Record<string, ImageConfig>> = {
  busybox: { Env: ['PATH=/bin'], Cmd: ['sh'] },
  // A shell that sleeps; no spec of storage asks a DNS.
  'glibc-dns-testing': { Env: ['PATH=/bin'], Cmd: ['sh'] },
  // The only one of its commands that they give, beside what is run in it from outside, such as nsenter.
  agnhost: { Env: ['PATH=/bin'], Entrypoint: ['sh', '-c', '[ "$0" = pause ] && exec sleep infinity'] },
};

/**
 * Packs busybox under the names of images.
 * @param wanted names of images of all registries
 * @returns archives of those that there is a stand-in for
 */
export function packSuiteImages(wanted: readonly string[]): string[] {
  return wanted.flatMap((image) => {
    const [, name = '', version] = /^famfs-csi\.test\/e2e-test-images\/(.+):(.+)$/.exec(image) ?? [];
    const config = standIns[name];
    return config === undefined ? [] : [packBusybox(`suite-${name}-${version}`, image, config)];
  });
}
