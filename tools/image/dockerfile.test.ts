// What the Dockerfile repeats from elsewhere, held to be the same. Building it is `npm run image`.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { smallHeapEnvironment } from '../../src/roles/small-heap.ts';
import { projectRoot } from '../run-tool.ts';
import { usualBase, usualNpm } from './image-build.ts';
import { fetchedInputs, imageInputs, keyOfInputs } from './image-inputs.ts';

const dockerfile = readFileSync(path.join(projectRoot, 'Dockerfile'), 'utf8');

/** The part of the Dockerfile that makes a stage. */
function stage(pattern: RegExp): string {
  const found = dockerfile.split(/^(?=FROM )/m).find((text) => pattern.test(text));
  assert.ok(found, `the Dockerfile has no stage ${pattern}`);
  return found;
}

describe('the Dockerfile', () => {
  test('is given exactly what the image is made of', () => {
    const lines = readFileSync(path.join(projectRoot, '.dockerignore'), 'utf8').split('\n');
    const letIn = lines.filter((line) => line.startsWith('!/')).map((line) => line.slice(2));
    assert.deepEqual(letIn, imageInputs);
    for (const input of imageInputs) assert.ok(existsSync(path.join(projectRoot, input)), input);
  });

  test('fetches from what the key of the first stage is made of, and from nothing else', () => {
    const copied = [...stage(/AS dependencies$/m).matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, files = '']) =>
      files.split(' '),
    );
    assert.deepEqual(copied.toSorted(), fetchedInputs);
  });

  test('has the base that is made where no registry can be reached', () => {
    assert.match(dockerfile, new RegExp(`^ARG BASE=${usualBase}$`, 'm'));
    assert.match(dockerfile, new RegExp(`^ARG NPM=${usualNpm}$`, 'm'));
  });

  test('gives processes with small heaps the environment that they want', () => {
    const last = stage(/^ENTRYPOINT/m);
    for (const [name, value] of Object.entries(smallHeapEnvironment))
      assert.match(last, new RegExp(`^ENV (?:.* )?${name}=${value}(?: |$)`, 'm'));
  });

  test('runs nothing in the last stage, and does not run as root', () => {
    const last = stage(/^ENTRYPOINT/m);
    assert.doesNotMatch(last, /^(?:RUN|ADD)\b/m);
    assert.match(last, /^USER 65532:65532$/m);
  });
});

describe('the key of what an image is made of', () => {
  test('changes with a name or with contents, but not with a test or generated code', () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-inputs-'));
    const key = (): string => keyOfInputs(folder, ['src', 'LICENSE'], ['salt']);
    const write = (name: string, text: string): string => {
      writeFileSync(path.join(folder, name), text);
      return key();
    };
    try {
      const keys = [write('LICENSE', 'a'), write('LICENSE', 'b'), write('unlisted', 'c')];
      assert.notEqual(keys[0], keys[1]);
      assert.equal(keys[1], keys[2]);
      assert.notEqual(
        keyOfInputs(folder, ['LICENSE'], ['other salt']),
        keyOfInputs(folder, ['LICENSE'], ['salt']),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
    const whole = keyOfInputs(projectRoot, ['tools/image'], []);
    assert.equal(keyOfInputs(projectRoot, ['tools/image', 'tools/image/dockerfile.test.ts'], []), whole);
  });
});
