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
import { KubeApi } from '../world/kube-api.ts';
import { driverDefinition } from './driver-definition.ts';
import { leftOutBySuite, notRun } from './left-out-specs.ts';
import { passingSpecs } from './passing-specs.ts';
import { provide } from './provisions.ts';
import { imagesOf, runSpecs, type Suite, specsOf } from './suite.ts';
import { packSuiteImages, registries } from './suite-images.ts';

const driver = 'csi.famfs.io';
/** They wait more than they compute. */
const sideBySide = 4;
const timeoutMs = 720_000;

const ground = readGround();
const api = new KubeApi(ground.kubeconfig);
const folder = mkdtempSync(path.join(tmpdir(), 'famfs-csi-suite-'));
after(() => rmSync(folder, { recursive: true }));
const suite = readySuite();
const provisions = await provide(api, driver);
after(() => api.remove(provisions.immediateClass));

const specs = specsOf(suite, definitionFile(''));

test('every spec of the suite is among those that pass, or among those left out for a reason', () => {
  const patterns = [leftOutBySuite, notRun].flatMap((listed) => Object.values(listed).flat());
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

test('what the suite is said to leave out by itself, it does', { timeout: timeoutMs }, async () => {
  const patterns = Object.values(leftOutBySuite).flat();
  const names = specs.filter((name) => patterns.some((pattern) => pattern.test(name)));
  assert.equal(await runSpecs(suite, definitionFile(''), names), 0);
});

const isSerial = (name: string): boolean => name.includes('[Serial]');

describe('specs that disturb no others', { concurrency: sideBySide }, () => {
  for (const name of passingSpecs.filter((each) => !isSerial(each))) declare(name);
});

describe('specs that want to be alone', () => {
  for (const name of passingSpecs.filter(isSerial)) declare(name);
});

function declare(name: string): void {
  test(name, { timeout: timeoutMs }, async () => {
    const passed = await runSpecs(suite, definitionFile(name), [name]);
    assert.equal(passed, 1, 'the suite leaves it out by itself');
  });
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

function importImage(cluster: string, archive: string): void {
  const { images } = new ClusterFolder(cluster);
  const file = path.basename(archive);
  rmSync(path.join(images, file), { force: true });
  linkSync(archive, path.join(images, file));
  const console = new Console(cluster);
  const inNode = path.join(folderInNode, 'images', file);
  for (const { name } of nodes) console.on(name, 'ctr', '-n', 'k8s.io', 'images', 'import', inNode);
}
