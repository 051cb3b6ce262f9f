// The program `famfs-csi`: chooses the role and loads its code alone, so that the node plugin never holds what can
// mount. Knows the roles by name only.
import { helpText } from './config/options.ts';
import {
  agentRole,
  allInOneRole,
  controllerRole,
  mounterRole,
  nodeRole,
  preflightRole,
  stateRole,
} from './config.ts';
import { didYouMean } from './errors/closest-name.ts';
import { DriverError } from './errors.ts';
import { serialiseError } from './observe/serialise-error.ts';
import { driverVersion } from './version.ts';

const help = `famfs-csi ${driverVersion}: a CSI driver for famfs, the file system for shared (CXL) memory

Usage: famfs-csi ROLE [options]

Roles:
  controller    makes and deletes volumes by CSI and looks after the objects of famfs.io, without privileges
  node          serves CSI to kubelet on a node, without privileges
  agent         makes volumes on a node and reports it to the API server, without privileges
  mounter       mounts pools and binds volumes on a node; the only privileged role
  all-in-one    all of CSI and the mounter in one process on one host, without Kubernetes
  inspect PATH  shows what a famfs pool holds
  state         shows what the mounter of this node has, and how it is
  preflight     looks at a node and says what it lacks to serve famfs

Options:
  --help        this text; \`famfs-csi ROLE --help\` shows the options of a role
  --version     the version`;

/** Exit statuses: 2 for what the user wrote wrongly, 1 for everything else that ends the program. */
const usageStatus = 2;

/** What a role does with its arguments; it may give, or promise, an exit status. */
type Run = (argv: readonly string[]) => unknown;

interface Role {
  /** For `famfs-csi ROLE --help`; one without it reads its arguments itself. */
  readonly options?: Parameters<typeof helpText>[0];
  /** Loads its code, and not before: a bundle has the code of its own roles only (tools/bundle.ts). */
  load(): Promise<Run>;
}

const roles: Readonly<Record<string, Role>> = {
  controller: {
    options: controllerRole,
    load: async () => (await import('./roles/controller.ts')).runController,
  },
  node: { options: nodeRole, load: async () => (await import('./roles/node.ts')).runNode },
  agent: { options: agentRole, load: async () => (await import('./roles/agent.ts')).runAgent },
  mounter: { options: mounterRole, load: async () => (await import('./roles/mounter.ts')).runMounter },
  'all-in-one': {
    options: allInOneRole,
    load: async () => (await import('./roles/all-in-one.ts')).runAllInOne,
  },
  inspect: {
    load: async () => {
      const { runInspect } = await import('./roles/inspect.ts');
      return (argv) => runInspect([...argv], process);
    },
  },
  state: {
    options: stateRole,
    load: async () => {
      const { runState } = await import('./roles/state.ts');
      return (argv) => runState(argv, process);
    },
  },
  preflight: {
    options: preflightRole,
    load: async () => {
      const { runPreflight } = await import('./roles/preflight.ts');
      return (argv) => runPreflight(argv, process.stdout);
    },
  },
};

/** Started by the mounter alone, and told to nobody; it lives until its channel closes. */
const worker: Role = { load: async () => (await import('./roles/mounter-worker.ts')).runMounterWorker };

async function main([name, ...argv]: readonly string[]): Promise<number> {
  switch (name) {
    case '--version':
    case 'version':
      return print(driverVersion);
    case '--help':
    case '-h':
    case 'help':
      return print(help);
    case undefined:
      console.error(help);
      return usageStatus;
    case 'mounter-worker':
      return run(worker, argv);
    default:
      return runRole(name, argv);
  }
}

async function runRole(name: string, argv: readonly string[]): Promise<number> {
  const role = Object.hasOwn(roles, name) ? roles[name] : undefined;
  if (role === undefined) {
    const question = didYouMean(name, Object.keys(roles));
    console.error(`famfs-csi has no role ${JSON.stringify(name)}.${question} See famfs-csi --help.`);
    return usageStatus;
  }
  const wantsHelp = argv.includes('--help') || argv.includes('-h');
  if (wantsHelp && role.options !== undefined) return print(helpText(role.options));
  return run(role, argv);
}

async function run(role: Role, argv: readonly string[]): Promise<number> {
  const status = await (await role.load())(argv);
  return typeof status === 'number' ? status : 0;
}

function print(text: string): number {
  console.log(text);
  return 0;
}

/** Ends the program over an error nobody handled. A mistake in the configuration is shown as the user's, not ours. */
function fail(error: unknown): never {
  if (error instanceof DriverError && error.reason === 'config-invalid') {
    console.error(`${error.message}\nSee --help for what each option means.`);
    process.exit(usageStatus);
  }
  console.error(JSON.stringify({ level: 'error', message: 'famfs-csi ends', error: serialiseError(error) }));
  process.exit(1);
}

process.on('uncaughtException', fail);
main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
}, fail);
