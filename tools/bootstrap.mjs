// The first step of every npm script: makes sure that what the script needs is installed and generated,
// then runs it with the project's own Node. Plain JavaScript that any Node from 18 on can run, because
// it is what brings the right Node.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const node = path.join(root, 'node_modules/.bin/node');
const installedStamp = path.join(root, 'node_modules/.famfs-csi-installed');
const generatedStamp = path.join(root, 'node_modules/.famfs-csi-generated');

function digest(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(path.join(root, file)));
  return hash.digest('hex');
}

const isCurrent = (stamp, wanted) => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;

function runOrExit(command, args) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) console.error(`${command}: ${error.message}`);
  if (status !== 0) process.exit(signal ? 1 : (status ?? 1));
}

function install() {
  const wanted = `${digest(['package-lock.json'])} ${process.platform}-${process.arch}`;
  if (isCurrent(installedStamp, wanted)) return;
  console.error('famfs-csi: installing dependencies (npm ci) …');
  runOrExit('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  if (!existsSync(node)) {
    console.error(
      `famfs-csi: no Node 24 for ${process.platform}-${process.arch}; Linux on x64 or arm64 is needed.`,
    );
    process.exit(1);
  }
  writeFileSync(installedStamp, wanted);
}

function generate() {
  const protos = readdirSync(path.join(root, 'proto')).sort();
  const wanted = digest([...protos.map((name) => `proto/${name}`), 'tools/generate.ts', 'package-lock.json']);
  const outputs = ['src/csi', 'src/mounter', 'src/kubelet'].map((room) => path.join(root, room, 'generated'));
  if (isCurrent(generatedStamp, wanted) && outputs.every((folder) => existsSync(folder))) return;
  console.error('famfs-csi: generating code from proto/ …');
  runOrExit(node, ['tools/generate.ts']);
  writeFileSync(generatedStamp, wanted);
}

install();
generate();
const [script, ...args] = process.argv.slice(2);
if (script !== undefined && script !== '--generate') {
  const binaries = path.join(root, 'node_modules/.bin');
  const env = { ...process.env, PATH: `${binaries}:${process.env.PATH ?? '/usr/bin:/bin'}` };
  const argv = ['--disable-warning=ExperimentalWarning', path.join(root, script), ...args];
  const child = spawn(node, argv, { stdio: 'inherit', env });
  // A terminal sends Ctrl-C to the whole group, so the child has it already; the others must be passed on.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
}
