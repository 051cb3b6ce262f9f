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

async function main(argv: readonly string[]): Promise<number> {
  const [role, ...rest] = argv;
  const wantsHelp = rest.includes('--help') || rest.includes('-h');
  switch (role) {
    case 'controller':
      if (wantsHelp) return print(helpText(controllerRole));
      await (await import('./roles/controller.ts')).runController(rest);
      return 0;
    case 'node':
      if (wantsHelp) return print(helpText(nodeRole));
      await (await import('./roles/node.ts')).runNode(rest);
      return 0;
    case 'agent':
      if (wantsHelp) return print(helpText(agentRole));
      await (await import('./roles/agent.ts')).runAgent(rest);
      return 0;
    case 'mounter':
      if (wantsHelp) return print(helpText(mounterRole));
      await (await import('./roles/mounter.ts')).runMounter(rest);
      return 0;
    case 'all-in-one':
      if (wantsHelp) return print(helpText(allInOneRole));
      await (await import('./roles/all-in-one.ts')).runAllInOne(rest);
      return 0;
    case 'mounter-worker':
      // Started by the mounter alone; it lives until its channel closes.
      (await import('./roles/mounter-worker.ts')).runMounterWorker(rest);
      return 0;
    case 'state':
      if (wantsHelp) return print(helpText(stateRole));
      return await (await import('./roles/state.ts')).runState(rest, process.stdout);
    case 'preflight':
      if (wantsHelp) return print(helpText(preflightRole));
      return await (await import('./roles/preflight.ts')).runPreflight(rest, process.stdout);
    case 'inspect':
      return await (await import('./roles/inspect.ts')).runInspect(rest, process);
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
    default: {
      const roles = ['controller', 'node', 'agent', 'mounter', 'all-in-one', 'inspect', 'state', 'preflight'];
      const question = didYouMean(role, roles);
      console.error(`famfs-csi has no role ${JSON.stringify(role)}.${question} See famfs-csi --help.`);
      return usageStatus;
    }
  }
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
