// The official conformance suite of CSI, csi-sanity: built once from its released module, run against a socket, and its
// report read. Which specs it leaves out is its own decision, by the capabilities that the driver names.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { buildGoProgram } from '../../tools/go-program.ts';

export interface SanityRun {
  readonly endpoint: string;
  /** where the controller service is, when not at the endpoint */
  readonly controllerEndpoint?: string;
  /** a folder whose parent exists, below a kubelet directory; the suite makes and removes it */
  readonly mountFolder: string;
  readonly stagingFolder: string;
  readonly reportFile: string;
  readonly volumeSizeBytes: bigint;
}

export interface SanityResult {
  readonly exitCode: number;
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  /** specs that the suite left out by itself */
  readonly leftOut: readonly string[];
  /** the suite's own last words, such as "Ran 60 of 92 Specs in 3.1 seconds …" */
  readonly closingLines: string;
}

/** Builds the suite unless it is there. @returns the executable's path */
export function buildSanity(): string {
  return buildGoProgram({
    module: 'e2e/conformance/csi-sanity',
    tool: 'github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity',
  });
}

/** Runs the whole suite, no spec skipped or focused by a flag; its output goes to `onOutput` as it comes. */
export async function runSanity(
  executable: string,
  run: SanityRun,
  onOutput: (text: string) => void,
): Promise<SanityResult> {
  const { endpoint, controllerEndpoint, mountFolder, stagingFolder, reportFile, volumeSizeBytes } = run;
  const child = spawn(
    executable,
    [
      `--csi.endpoint=${endpoint}`,
      ...(controllerEndpoint === undefined ? [] : [`--csi.controllerendpoint=${controllerEndpoint}`]),
      `--csi.mountdir=${mountFolder}`,
      `--csi.stagingdir=${stagingFolder}`,
      `--csi.junitfile=${reportFile}`,
      `--csi.testvolumesize=${volumeSizeBytes}`,
      '--ginkgo.no-color',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
    onOutput(chunk.toString());
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const [exitCode] = await once(child, 'close');
  return {
    exitCode: typeof exitCode === 'number' ? exitCode : 1,
    ...specsOf(readFileSync(reportFile, 'utf8')),
    closingLines: output.match(/Ran \d+ of \d+ Specs[\s\S]*?(?=\n--- |\nPASS|\nFAIL|$)/)?.[0].trim() ?? '',
  };
}

/** The specs of a JUnit report as ginkgo writes it: one element a spec, its state in an attribute. */
export function specsOf(report: string): Pick<SanityResult, 'passed' | 'failed' | 'leftOut'> {
  const specs = [...report.matchAll(/<testcase name="([^"]*)"[^>]* status="([^"]*)"/g)].map(
    ([, name = '', status = '']) => ({ name: plainText(name), status }),
  );
  if (specs.length === 0) throw new Error('the report of csi-sanity names no spec');
  const those = (...wanted: string[]): string[] =>
    specs
      .filter(({ name, status }) => name.startsWith('[It] ') && wanted.includes(status))
      .map(({ name }) => name.slice(5));
  const known = those('passed');
  const leftOut = those('skipped', 'pending');
  const all = specs.filter(({ name }) => name.startsWith('[It] ')).map(({ name }) => name.slice(5));
  return {
    passed: known,
    leftOut,
    failed: all.filter((name) => !known.includes(name) && !leftOut.includes(name)),
  };
}

function plainText(xml: string): string {
  const entities: Readonly<Record<string, string>> = {
    lt: '<',
    gt: '>',
    amp: '&',
    quot: '"',
    apos: "'",
    '#34': '"',
    '#39': "'",
  };
  return xml.replaceAll(/&(\w+|#\d+);/g, (whole, name: string) => entities[name] ?? whole);
}
