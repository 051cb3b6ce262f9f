// Holds docs/admin-guide.md to the code: its examples are objects that the driver takes, and the options, reasons and phases
// that it names are real.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { agentRole, controllerRole, driverName, mounterRole, nodeRole } from '../src/config.ts';
import { isReason } from '../src/errors.ts';
import { reasonOfCondition } from '../src/kubernetes/conditions.ts';
import { bytesOf } from '../src/kubernetes/quantity.ts';
import { parameterDescriptions, parseClassParameters } from '../src/volumes/class-parameters.ts';
import { projectRoot } from '../tools/run-tool.ts';

const page = readFileSync(path.join(projectRoot, 'docs/admin-guide.md'), 'utf8');
const reference = readFileSync(path.join(projectRoot, 'docs/reference.md'), 'utf8');

interface Example {
  readonly kind: string;
  readonly provisioner?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>> & { readonly format?: { readonly logSize?: string } };
}

const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => parse(text) as Example);

describe('docs/admin-guide.md', () => {
  it('has classes that the driver takes, with every parameter', () => {
    const classes = examples.filter(({ kind }) => kind === 'StorageClass');
    for (const { provisioner, parameters } of classes) {
      assert.equal(provisioner, driverName);
      parseClassParameters(parameters ?? {});
    }
    const used = new Set(classes.flatMap(({ parameters }) => Object.keys(parameters ?? {})));
    assert.deepEqual([...used].toSorted(), parameterDescriptions.map(({ key }) => key).toSorted());
  });

  it('has pools with fields that the reference knows, one to adopt and one to format', () => {
    const pools = examples.filter(({ kind }) => kind === 'FamfsPool').map(({ spec = {} }) => spec);
    assert.deepEqual(
      pools.map((spec) => ['fileSystemUUID', 'format'].filter((key) => key in spec)),
      [['fileSystemUUID'], ['format']],
    );
    for (const spec of pools) {
      const fields = [...Object.keys(spec), ...Object.keys(spec.format ?? {}).map((key) => `format.${key}`)];
      for (const field of fields) assert.ok(reference.includes(`| \`spec.${field}\` |`), field);
      const logSize = spec.format?.logSize;
      if (logSize !== undefined) assert.equal(bytesOf(logSize) & (bytesOf(logSize) - 1n), 0n, logSize);
    }
  });

  it('names options that there are', () => {
    const provisioners = [
      '--strict-topology',
      '--immediate-topology',
      '--extra-create-metadata',
      '--timeout',
    ];
    const options = [nodeRole, agentRole, controllerRole, mounterRole].flatMap((role) =>
      Object.values(role.options).map(({ flag }) => `--${flag}`),
    );
    const named = [...page.matchAll(/`(--[a-z-]+)/g)].map(([, option = '']) => option);
    assert.ok(named.length > 10);
    for (const option of named) assert.ok(options.includes(option) || provisioners.includes(option), option);
  });

  it('names reasons, phases and fields that the code or the reference knows', () => {
    const words = [...page.matchAll(/`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`/g)].map(([, word = '']) => word);
    const kubernetes = ['WaitForFirstConsumer', 'FamfsDataset'];
    for (const word of words) {
      const isKnown = reasonOfCondition(word) !== undefined || reference.includes(`\`${word}\``);
      assert.ok(isKnown || kubernetes.includes(word), word);
    }
    const fields = [...page.matchAll(/`((?:status|spec)\.[\w.[\]]+)`/g)].map(([, field = '']) => field);
    for (const field of fields) assert.ok(reference.includes(`| \`${field}\` |`), field);
    const reasons = ['writes-refused', 'operation-pending', 'volume-in-use', 'out-of-space', 'log-full'];
    for (const reason of reasons) assert.ok(isReason(reason) && page.includes(`\`${reason}\``), reason);
  });
});
