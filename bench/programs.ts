// The driver as it is shipped: bundles, made anew for every run so that what is measured is what is in the tree, and started by
// the command of the image.
import { mkdirSync } from 'node:fs';
import { bundles } from '../tools/bundle.ts';
import { makeProgramHome } from '../tools/image/program-home.ts';

/** How a role is started: the words before its flags. */
export interface Programs {
  readonly node: readonly string[];
  readonly mounter: readonly string[];
  readonly agent: readonly string[];
  readonly controller: readonly string[];
}

const roles = ['node', 'mounter', 'agent', 'controller'] as const;

/** Bundles the roles into a new folder. */
export async function buildPrograms(folder: string): Promise<Programs> {
  mkdirSync(folder);
  const wanted = bundles.filter(({ name }) => roles.some((role) => role === name));
  const command = await makeProgramHome(folder, wanted);
  const words = (role: string): readonly string[] => [...command, role];
  return {
    ...{ node: words('node'), mounter: words('mounter') },
    ...{ agent: words('agent'), controller: words('controller') },
  };
}
