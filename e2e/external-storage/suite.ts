// The Kubernetes project's own suite for storage drivers, "External Storage", as a program: what it has, and specs of it run.
// Must not know which specs are run.
import { execFileSync, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

export interface Suite {
  /** See `buildExternalStorage`. */
  readonly executable: string;
  /** Its name for the driver. */
  readonly driver: string;
  readonly kubeconfig: string;
  /** The registries of its images, where they are not the project's own. */
  readonly registriesFile?: string;
}

/** A run may take this long; it then ends by itself, and takes away what it made. */
const timeout = '10m';

/**
 * The names of all specs that the suite has for the driver, without what is the same in all of them.
 * @param definitionFile see `driverDefinition`
 */
export function specsOf(suite: Suite, definitionFile: string): string[] {
  const common = commonName(suite);
  return ask(suite, toldBy(definitionFile), '--list-tests')
    .map((line) => line.split(common)[1])
    .filter((name) => name !== undefined);
}

/** All images that any spec may ask for. */
export function imagesOf(suite: Suite): string[] {
  return ask(suite, '--list-images');
}

/**
 * Runs specs, by their names, one after the other.
 * @returns how many passed: the others the suite left out by itself
 * @throws Error with what it says when one fails
 */
export async function runSpecs(
  suite: Suite,
  definitionFile: string,
  names: readonly string[],
): Promise<number> {
  // Ginkgo puts the name of the whole before it.
  const focus = names.map((name) => `${escapedForGo(commonName(suite) + name)}$`).join('|');
  const limits = [`--ginkgo.focus=${focus}`, `--ginkgo.timeout=${timeout}`, '--ginkgo.no-color'];
  const child = spawn(
    suite.executable,
    [toldBy(definitionFile), `--kubeconfig=${suite.kubeconfig}`, ...limits],
    { stdio: ['ignore', 'pipe', 'pipe'], env: environmentOf(suite) },
  );
  const [output, complaints] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const passed = /^SUCCESS! .*\b(\d+) Passed \| 0 Failed\b/m.exec(output)?.[1];
  if (passed !== undefined) return Number(passed);
  // A line has an S for each spec that is not run.
  throw new Error(`${output.replaceAll(/^S+\n/gm, '')}\n${complaints}`);
}

function commonName({ driver }: Suite): string {
  return `External Storage [Driver: ${driver}] `;
}

/** Go's regular expressions know no escapes of characters that need none. */
function escapedForGo(literal: string): string {
  return literal.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}

function ask(suite: Suite, ...question: readonly string[]): string[] {
  const env = environmentOf(suite);
  return execFileSync(suite.executable, question, { encoding: 'utf8', env, maxBuffer: 2 ** 24 }).split('\n');
}

function toldBy(definitionFile: string): string {
  return `--storage.testdriver=${definitionFile}`;
}

function environmentOf({ registriesFile }: Suite): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...(registriesFile === undefined ? {} : { KUBE_TEST_REPO_LIST: registriesFile }),
  };
}
