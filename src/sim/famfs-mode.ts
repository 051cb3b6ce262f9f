// Which of famfs's two modes a command takes: the flag, FAMFS_MODE, or what the node's kernel offers (famfs
// reference 1.2). A node lacks a module when NODE/missing-modules names it: `fuse` or `famfs`. Knows no command.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { CommandContext } from './command-context.ts';

export type FamfsMode = 'fuse' | 'standalone';

/** Whether the node's kernel has `fuse` with famfs support, or the standalone module `famfs`. */
export function hasKernelModule(context: CommandContext, module: 'fuse' | 'famfs'): boolean {
  try {
    const missing = readFileSync(path.join(context.node.root, 'missing-modules'), 'utf8').split(/\s+/);
    return !missing.includes(module);
  } catch {
    return true;
  }
}

/** The mode of a command without a flag for it; undefined when the kernel offers none. */
export function selectMode(context: CommandContext): FamfsMode | undefined {
  const wanted = context.environment.FAMFS_MODE;
  if (wanted === 'fuse') return 'fuse';
  if (wanted === 'v1') return 'standalone';
  if (wanted !== undefined) context.complain(`famfs_select_mode: unrecognized FAMFS_MODE value '${wanted}'`);
  if (hasKernelModule(context, 'fuse')) return 'fuse';
  return hasKernelModule(context, 'famfs') ? 'standalone' : undefined;
}

/** Says on stdout, as famfs does, whether the standalone module is loaded. */
export function isStandaloneModuleLoaded(context: CommandContext): boolean {
  const isLoaded = hasKernelModule(context, 'famfs');
  context.print(`famfs_module_loaded: ${isLoaded ? 'YES' : 'NO'}`);
  return isLoaded;
}
