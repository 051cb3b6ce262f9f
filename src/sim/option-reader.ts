// Walks over the options of a famfs subcommand and does what all of them do with an unknown one: complain, print
// the usage, and end with status 0. Knows no subcommand.
import type { CommandContext } from './command-context.ts';
import { getOptions, type OptionTable, type ParsedOption } from './get-options.ts';

/**
 * Calls `take` for each option in order; `take` ends the command with a result of its own by returning one.
 * Returns the operands, or the result with which the command ends: 0 after -h (where it is help), -? or an unknown
 * option, for which famfs prints its usage.
 */
export function readOptions(
  context: CommandContext,
  argv: readonly string[],
  description: { table: OptionTable; usage: string; program?: string; helpKeys?: readonly string[] },
  take: (option: ParsedOption) => number | undefined,
): { readonly operands: readonly string[] } | number {
  const helpKeys = description.helpKeys ?? ['h', '?'];
  const { options, operands } = getOptions(description.program ?? 'famfs', argv, description.table);
  for (const option of options) {
    if (option.message !== undefined) context.complain(option.message);
    if (helpKeys.includes(option.key)) {
      printUsage(context, description.usage);
      return 0;
    }
    const result = take(option);
    if (result !== undefined) return result;
  }
  return { operands };
}

/** Prints a text that ends with its own newline. */
export function printUsage(context: CommandContext, usage: string): void {
  context.print(usage.replace(/\n$/, ''));
}
