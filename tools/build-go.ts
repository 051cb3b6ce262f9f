// Builds the Go programs that the later steps of the gate run, the quickest first, each unless it is there already. So that
// they can be built once, early, and beside steps that leave a processor idle.
import { buildSanity } from '../e2e/conformance/csi-sanity.ts';
import { buildCsiProvisioner, buildExternalStorage, buildKubernetes } from '../e2e/kubernetes-program.ts';
import { buildHelm } from './chart/helm.ts';
import { goVersion } from './go-program.ts';

const programs: readonly { readonly name: string; readonly build: () => string }[] = [
  { name: 'csi-sanity', build: buildSanity },
  { name: 'Kubernetes', build: buildKubernetes },
  // Most of what the others are made of has been compiled for Kubernetes by then.
  { name: 'csi-provisioner', build: buildCsiProvisioner },
  { name: 'external storage suite', build: buildExternalStorage },
  { name: 'Helm', build: buildHelm },
];

if (goVersion() === undefined) {
  console.error('Go is not installed, and the programs are built from source.');
  process.exitCode = 1;
} else {
  for (const { name, build } of programs) {
    const startedAtMs = performance.now();
    console.log(`${name}: ${build()}, after ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
  }
}
