// Everything a cluster is made from: installed, built or packed when it is not there. Must not know how a cluster is made.
import { goVersion } from '../../tools/go-program.ts';
import {
  buildCsiProvisioner,
  buildKubernetes,
  csiProvisionerVersion,
  kubernetesVersion,
} from '../kubernetes-program.ts';
import type { ClusterParts } from './cluster.ts';
import { testImages } from './images.ts';
import { installNeededPrograms } from './needed-programs.ts';

/** @throws Error whose message says what is missing on this machine, and what to do */
export function prepareParts(say: (line: string) => void): ClusterParts {
  installNeededPrograms(say);
  if (goVersion() === undefined)
    throw new Error('The cluster runs programs of Kubernetes, which are built from source; install Go.');
  say(
    `Kubernetes ${kubernetesVersion()}: building it, unless that was done (the first time takes minutes) …`,
  );
  const kubernetes = buildKubernetes();
  return { kubernetes, images: testImages(buildCsiProvisioner(), csiProvisionerVersion()) };
}
