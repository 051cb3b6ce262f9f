// The Kubernetes project's own suite for storage drivers, in the cluster under test: a test for each spec that the driver honours.
// The suite has been built before, see `buildExternalStorage`.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { ClusterFolder } from '../cluster/cluster-folder.ts';
import { folderInNode, nodes } from '../cluster/cluster-shape.ts';
import { buildExternalStorage } from '../kubernetes-program.ts';
import { Console, readGround } from '../world/ground.ts';
import { KubeApi, type KubeObject } from '../world/kube-api.ts';
import { driverDefinition, type Provisions } from './driver-definition.ts';
import { leftOutSpecs } from './left-out-specs.ts';
import { passingSpecs } from './passing-specs.ts';
import { imagesOf, runSpec, type Suite, specsOf } from './suite.ts';
import { packSuiteImages, registries } from './suite-images.ts';

const driver = 'csi.famfs.io';
/** A class whose pool all nodes see, so that specs may start their pods anywhere. */
const className = 'both';
/** They wait more than they compute. */
const sideBySide = 4;
const timeoutMs = 720_000;

const ground = readGround();
const api = new KubeApi(ground.kubeconfig);
const folder = mkdtempSync(path.join(tmpdir(), 'famfs-csi-suite-'));
after(() => rmSync(folder, { recursive: true }));
const suite = readySuite();
const provisions = await provide();

test('every spec of the suite is among those that pass, or among those left out for a reason', () => {
  const specs = specsOf(suite, definitionFile(''));
  const patterns = Object.values(leftOutSpecs).flat();
  const isLeftOut = (name: string): boolean => patterns.some((pattern) => pattern.test(name));
  const passes = (name: string): boolean => passingSpecs.includes(name);
  assert.deepEqual(
    {
      onNeitherList: specs.filter((name) => !passes(name) && !isLeftOut(name)),
      onBothLists: specs.filter((name) => passes(name) && isLeftOut(name)),
      listedButNotThere: passingSpecs.filter((name) => !specs.includes(name)),
      leavingOutNothing: patterns.filter((pattern) => !specs.some((name) => pattern.test(name))),
    },
    { onNeitherList: [], onBothLists: [], listedButNotThere: [], leavingOutNothing: [] },
  );
});

const isSerial = (name: string): boolean => name.includes('[Serial]');

describe('specs that disturb no others', { concurrency: sideBySide }, () => {
  for (const name of passingSpecs.filter((each) => !isSerial(each))) declare(name);
});

describe('specs that want to be alone', () => {
  for (const name of passingSpecs.filter(isSerial)) declare(name);
});

function declare(name: string): void {
  test(name, { timeout: timeoutMs }, () => runSpec(suite, definitionFile(name), name));
}

function definitionFile(spec: string): string {
  const file = path.join(folder, `testdriver-${randomUUID()}.yaml`);
  writeFileSync(file, driverDefinition(driver, spec, provisions));
  return file;
}

function readySuite(): Suite {
  const { kubeconfig, cluster } = ground;
  const asReleased = { executable: buildExternalStorage(), driver, kubeconfig };
  if (cluster === undefined) return asReleased;
  const registriesFile = path.join(folder, 'registries.yaml');
  writeFileSync(registriesFile, registries);
  const offline = { ...asReleased, registriesFile };
  for (const archive of packSuiteImages(imagesOf(offline))) importImage(cluster, archive);
  return offline;
}

/** Makes the class that binds at once, until the end. */
async function provide(): Promise<Provisions> {
  const apiVersion = 'storage.k8s.io/v1';
  const late = await existing({ apiVersion, kind: 'StorageClass', metadata: { name: className } });
  const { provisioner, parameters } = late;
  const immediate = {
    ...{
      apiVersion,
      kind: 'StorageClass',
      metadata: { name: `${className}-${path.basename(folder).toLowerCase()}` },
    },
    ...{ provisioner, parameters, reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' },
  };
  await api.create(immediate);
  after(() => api.remove(immediate));
  const metadata = { name: parameters.pool };
  const pool = await existing({ apiVersion: 'famfs.io/v1alpha1', kind: 'FamfsPool', metadata });
  const topologyKey = `topology.famfs.io/pool-${pool.status.fileSystemUUID}`;
  return { className, immediateClassName: immediate.metadata.name, topologyKey };
}

async function existing(object: KubeObject): Promise<KubeObject> {
  const found = await api.get(object);
  if (found === undefined) throw new Error(`The cluster has no ${object.kind} ${object.metadata.name}.`);
  return found;
}

function importImage(cluster: string, archive: string): void {
  const { images } = new ClusterFolder(cluster);
  const file = path.basename(archive);
  rmSync(path.join(images, file), { force: true });
  linkSync(archive, path.join(images, file));
  const console = new Console(cluster);
  const inNode = path.join(folderInNode, 'images', file);
  for (const { name } of nodes) console.on(name, 'ctr', '-n', 'k8s.io', 'images', 'import', inNode);
}
